"""Every reader of foreign bytes: a value, or its one error, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.cards import Card
from hubcore.access.factors import Demand, Factor
from hubcore.access.grant import TYPE as GRANT_TYPE
from hubcore.access.grant import Access, read_grant
from hubcore.access.passback import PassbackKind, PassbackRule
from hubcore.access.precedence import DoorOrder
from hubcore.access.words import HubName, Mode
from hubcore.backend.uplink import codec, from_backend, from_hub
from hubcore.backend.uplink.words import ActOutcome, Cause, OrderOutcome
from hubcore.calendar.recurrence import Daily, Recurrence
from hubcore.calendar.schedule import Rule, Schedule, SpecialDays
from hubcore.codec import cbor, cose, cwt
from hubcore.codec.cose import Aead, SigningKey
from hubcore.device.command import Verb
from hubcore.device.state import Quantity
from hubcore.errors import AuditError, FrameError, HubError, ProofError, SignatureError
from hubcore.evidence import records
from hubcore.evidence.carried_orders import CarriedOrder, read_orders, write_orders
from hubcore.evidence.records import Record, RecordKind
from hubcore.phone import messages
from hubcore.phone.certificates import EPOCH as EPOCH_TYPE
from hubcore.phone.certificates import HUB as HUB_TYPE
from hubcore.phone.certificates import HubCertificate, read_epoch_certificate, read_hub_certificate
from hubcore.phone.epochs import certify
from hubcore.phone.framing import decode_frame
from hubcore.policy import document as policies
from hubcore.policy.page import Page, key_of, write_page
from hubcore.policy.policy import HoldOpen, Operator, OperatorRight, PointRules, Policy
from hubcore.policy.tree import split_piece, write_piece
from hubsim import site
from tests.fakes.clock import NOON
from tests.fuzz.common import ODD_VALUES, VALUES, effort, respelled, spoiled
from tests.pair import HUB, SITE, make_wallet, rsa_key
from tests.unit.test_uplink_messages import ON_TRIAL

ISSUER = site.make_key()
IDENTITY = site.make_key()
SIZES = (256, 384, 512)


DAILY = Recurrence(Daily(), first=20_000, start=0, minutes=60)
PASSBACK = PassbackRule(PassbackKind.TIMED, 0, 1, 60)
CARD = Card(
    digest=bytes(16),
    credential="c",
    not_before=0,
    expires=1,
    access=(Access(1, 1, (7,)),),
    pin=bytes(16),
)


@cache
def documents() -> dict[str, bytes]:
    """One good document of each kind."""
    certificate = site.certify_hub(
        ISSUER, site=SITE, hub=HUB, key=IDENTITY.verify_key, points=[1, 2]
    )
    epoch = certify(
        rsa_key(), IDENTITY, HubName(SITE, HUB), (Aead.A256GCM, Aead.A128GCM), NOON, 0.0
    )
    access = (Access(1, 9, (Rule(31, 480, 1080), 7)), Access(2, 1, ()))
    grant = make_wallet(ISSUER, access=access).grant
    modes = {1: Mode.LOCKDOWN, 7: Mode.NORMAL}
    new = Policy(
        SITE,
        3,
        int(NOON),
        frozenset({"a", "b"}),
        frozenset({b"12345678"}),
        {7: Schedule((Rule(1, 2, 3), DAILY), (SpecialDays(frozenset({20_000}), ((0, 60),)),))},
        modes,
        cards={CARD.digest: CARD},
        points={1: PointRules(HoldOpen(7), (Demand((Factor.CARD,), 2, 7),), PASSBACK)},
        operators={"operator-7": Operator(OperatorRight.RELEASE, frozenset({1}))},
        groups={1: ("shutter-1",)},
    )
    return {
        "hub": certificate,
        "epoch": epoch.certificate,
        "grant": grant,
        "policy": policies.issue(new, ISSUER),
        "policy root": policies.issue_tree(new, ISSUER).root,
        "record": Record(
            RecordKind.ACCESS, 1, 2, {"asker": "a", "op": bytes(8), "why": None, "yes": True}
        ).encode(),
        "key": cbor.encode(ISSUER.cose_key),
        "challenge": messages.Challenge(bytes(4), bytes(16), bytes(8), bytes(8)).encode(),
        "open": messages.encode_to_hub(
            messages.Open(Aead.A256GCM, bytes(12), bytes(64), bytes(8), bytes(384))
        ),
        "resume": messages.encode_to_hub(
            messages.Resume(Aead.A128GCM, bytes(12), bytes(64), bytes(16))
        ),
        "answer": messages.encode_to_phone(messages.EpochAnswer(certificate, epoch.certificate)),
        "verdict": messages.encode_to_phone(
            messages.VerdictMessage(Aead.A192GCM, bytes(12), bytes(96))
        ),
        "frame": b"\x13sid!\x00\x00\x05hello",
        "release": codec.encode(from_backend.Release(bytes(16), 1, 2, 3, "operator-7")),
        "act": codec.encode(from_backend.Act(bytes(16), "operator-7", "light", Verb.ON, None, 2)),
        "act result": codec.encode(
            from_hub.ActResult(
                bytes(16), (from_hub.DeviceOutcome("light", ActOutcome.FAILED),), "no"
            )
        ),
        "telemetry": codec.encode(
            from_hub.Telemetry((from_hub.Measured("light", Quantity.POWER, -5, 3),))
        ),
        "update state": codec.encode(ON_TRIAL),
        "order": codec.encode(
            from_backend.Order(bytes(16), "operator-7", 1, DoorOrder.LOCKDOWN, 1, 2, 3)
        ),
        "order result": codec.encode(
            from_hub.OrderResult(bytes(16), OrderOutcome.REFUSED, "no right")
        ),
        "standing": write_orders([CarriedOrder(7, DoorOrder.HOLD_OPEN, 9, "operator-7")]),
        "standing here": write_orders([CarriedOrder(7, DoorOrder.LOCKDOWN, None, "x", 1000)]),
        "acknowledge": codec.encode(from_backend.Acknowledge((1, 2, 3))),
        "halt": codec.encode(from_backend.Halt(Cause.GAP, 7, bytes(32), "record 9 comes again")),
        "hello": codec.encode(
            from_hub.Hello(2, HUB, SITE, bytes(16), "0.1.0", 1, bytes(32), 2, bytes(32), 3)
        ),
        "pieces": codec.encode(from_backend.Pieces((b"piece", b"another"))),
        "pieces wanted": codec.encode(from_hub.PiecesWanted((bytes(32),))),
        "piece": write_piece([write_page([(key_of(b"a"), b"a")]), write_page([])]),
        "page": write_page([(bytes([n]) * 16, bytes(n)) for n in range(4)]),
        "new policy": codec.encode(from_backend.NewPolicy(b"document")),
        "request": cbor.encode({1: grant, 2: bytes(8), 3: 1, 4: 1, 5: bytes(32), 6: bytes(5)}),
    }


def hub_certificate() -> HubCertificate:
    return read_hub_certificate(documents()["hub"], ISSUER.verify_key)


READERS: dict[str, tuple[Callable[[bytes], object], type[HubError], tuple[str, ...]]] = {
    "frame": (decode_frame, FrameError, ("frame",)),
    "cbor": (cbor.decode, FrameError, ("request", "hello")),
    "cbor with tags": (
        lambda data: cbor.decode(data, frozenset({18}), 20, True),
        FrameError,
        ("grant", "record"),
    ),
    "to hub": (messages.decode_to_hub, FrameError, ("open", "resume")),
    "to phone": (messages.decode_to_phone, FrameError, ("answer", "verdict")),
    "challenge": (messages.decode_challenge, FrameError, ("challenge",)),
    "request": (messages.decode_request, FrameError, ("request",)),
    "resume": (messages.decode_resume_request, FrameError, ("request",)),
    "verdict": (messages.decode_verdict, FrameError, ("request",)),
    "state": (messages.decode_state, FrameError, ("request",)),
    "hub certificate": (
        lambda data: read_hub_certificate(data, ISSUER.verify_key),
        ProofError,
        ("hub", "epoch", "grant", "policy"),
    ),
    "epoch certificate": (
        lambda data: read_epoch_certificate(data, hub_certificate(), SIZES),
        ProofError,
        ("epoch", "hub", "grant", "policy"),
    ),
    "grant": (
        lambda data: read_grant(data, ISSUER.verify_key, SITE),
        ProofError,
        ("grant", "hub", "policy"),
    ),
    "sign1": (cose.read_sign1, FrameError, ("grant", "policy root")),
    "proven policy": (
        lambda data: policies.prove(data, ISSUER.verify_key, SITE),
        SignatureError,
        ("policy", "grant"),
    ),
    "policy": (
        lambda data: policies.read(data, ISSUER.verify_key, SITE),
        SignatureError,
        ("policy", "grant"),
    ),
    "policy to carry": (policies.split, FrameError, ("policy", "grant")),
    "piece": (split_piece, FrameError, ("piece", "page")),
    "page": (lambda data: list(Page.read(data).all()), FrameError, ("page", "piece")),
    "record": (Record.decode, AuditError, ("record",)),
    "facts": (records.facts, AuditError, ("record",)),
    "from backend": (
        codec.decode_from_backend,
        FrameError,
        ("release", "act", "acknowledge", "new policy", "halt", "hello", "order"),
    ),
    "from hub": (
        codec.decode_from_hub,
        FrameError,
        ("hello", "release", "act result", "order result", "telemetry", "update state"),
    ),
    "standing orders": (read_orders, FrameError, ("standing", "standing here")),
}


def read(name: str, data: bytes) -> bool:
    """Read; tell whether there is a value.

    Anything but the reader's one error is a failure of the test.
    """
    reader, error, _ = READERS[name]
    try:
        reader(data)
    except error:
        return False
    return True


@pytest.mark.parametrize("name", READERS)
@effort(60)
@given(data=st.data())
def test_a_value_or_the_one_error(name: str, data: st.DataObject) -> None:
    good = [documents()[kind] for kind in READERS[name][2]]
    near = st.sampled_from(good).flatmap(spoiled)
    read(
        name,
        data.draw(st.one_of(near, near, st.binary(max_size=600), ODD_VALUES.map(cbor.encode_flat))),
    )


def test_the_good_ones_are_read() -> None:
    for name, (_, _, kinds) in READERS.items():
        if name not in ("resume", "verdict", "state", "cbor"):
            assert read(name, documents()[kinds[0]]), name


DOCUMENTS = {
    "hub certificate": (HUB_TYPE, "hub", ISSUER, ISSUER.verify_key.kid),
    "epoch certificate": (EPOCH_TYPE, "epoch", IDENTITY, None),
    "grant": (GRANT_TYPE, "grant", ISSUER, ISSUER.verify_key.kid),
    "policy": (policies.TYPE, "policy root", ISSUER, ISSUER.verify_key.kid),
}


def claims(name: str) -> dict[int, Any]:
    """Return the claims of the good document of a kind."""
    document = cbor.decode(documents()[DOCUMENTS[name][1]], frozenset({18}))
    found: dict[int, Any] = cbor.decode(document.value[2])
    return found


@pytest.mark.parametrize("name", DOCUMENTS)
@effort(120)
@given(data=st.data())
def test_claims_of_every_kind_rightly_signed(name: str, data: st.DataObject) -> None:
    """Whoever holds the signing key may say anything; the reader believes only what it knows."""
    typ, _, signer, kid = DOCUMENTS[name]
    said = data.draw(st.one_of(respelled(claims(name)), respelled(claims(name)), VALUES))
    for scope in (9, 8):  # what is encoded inside
        if isinstance(said, dict) and data.draw(st.booleans()) and scope in claims(name):
            said = {**claims(name), scope: cbor.encode(data.draw(VALUES))}
    read(name, cwt.issue(typ, said, signer, kid))


def scopes() -> st.SearchStrategy[Any]:
    rule = st.one_of(VALUES, st.lists(st.integers(-1, 1500), min_size=2, max_size=4))
    entry = st.tuples(VALUES, VALUES, st.lists(rule, max_size=40)).map(list)
    return st.lists(st.one_of(VALUES, entry), max_size=40)


@effort(120)
@given(scope=scopes())
def test_scopes_of_every_kind(scope: Any) -> None:
    typ, _, signer, kid = DOCUMENTS["grant"]
    read("grant", cwt.issue(typ, {**claims("grant"), 9: cbor.encode(scope)}, signer, kid))
    read(
        "hub certificate",
        cwt.issue(HUB_TYPE, {**claims("hub certificate"), 9: cbor.encode(scope)}, signer, kid),
    )


@effort(150)
@given(data=st.data())
def test_keys_of_every_kind(data: st.DataObject) -> None:
    keys = [
        ISSUER.cose_key,
        cose.write_encryption_key(rsa_key().public_key()),
        SigningKey(rsa_key()).cose_key,
    ]
    key = data.draw(st.one_of(*(respelled(key) for key in keys), VALUES))
    try:
        cose.read_key(key)
    except ProofError:
        pass
    for name, label in (("grant", 8), ("hub certificate", 8), ("epoch certificate", 8)):
        typ, _, signer, kid = DOCUMENTS[name]
        read(name, cwt.issue(typ, {**claims(name), label: {1: key}}, signer, kid))


@pytest.mark.parametrize(
    "bomb",
    [
        b"\x81" * 4096,
        b"\xa1\x01" * 2048,
        b"\xd2" * 4096,
        b"\x9b" + b"\xff" * 8,
        b"\x5b" + b"\xff" * 8,
        b"\xbb" + b"\xff" * 8,
        b"\x9f" + b"\x00" * 4000 + b"\xff",
        b"\x5f" + b"\x41a" * 100 + b"\xff",
        b"\x99\x0f\xfd" + b"\x00" * 4093,
        b"\xb9\x07\xff"
        + b"".join(b"\x19" + n.to_bytes(2, "big") + b"\x00" for n in range(256, 1278)),
        b"\xd8\x1c\x81\xd8\x1d\x00",  # a value that shares itself
        b"\xc2\x58\x40" + b"\xff" * 64,
    ],
)
@pytest.mark.parametrize("name", READERS)
def test_bombs(name: str, bomb: bytes) -> None:
    read(name, bomb)
