"""The documents: what is written is read, and every claim, header and signer that is not exactly
right is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.access.grant import Access, Grant, ScheduleRef, read_grant
from hubcore.access.words import Mode
from hubcore.calendar.schedule import Rule, Schedule
from hubcore.codec import cbor, cose
from hubcore.codec.cose import Aead
from hubcore.errors import ProofError, SignatureError
from hubcore.phone.certificates import (
    EpochCertificate,
    HubCertificate,
    read_epoch_certificate,
    read_hub_certificate,
)
from hubcore.policy import document as policies
from hubcore.policy.policy import Policy
from tests.vectors import world
from tests.vectors.form import WALL

TAGS = frozenset({18})
SIZES = (256, 384)
CWT = bytes.fromhex(
    "d28443a10126a104524173796d6d657472696345434453413235365850a70175636f61703a2f2f61732e6578616d706c652e636f6d02656572"
    "696b77037818636f61703a2f2f6c696768742e6578616d706c652e636f6d041a5612aeb0051a5610d9f0061a5610d9f007420b7158405427c1"
    "ff28d23fbad1f29c4c7c6a555e601d6fa29f9179bc3d7438bacaca5acd08c8d4d4f96131680c429a01f85951ecee743a52b9b63632c5720912"
    "0e1c9e30"
)
CWT_KEY = {
    1: 2,
    3: -7,
    -1: 1,
    -2: bytes.fromhex("143329cce7868e416927599cf65a34f3ce2ffda55a7eca69ed8919a394d42f0f"),
    -3: bytes.fromhex("60f7f1a780d8a783bfb7a2dd6b2796e8128dbbcef9d3d168db9529971a36e7b9"),
}
"""RFC 8392, A.3 and A.2.3."""


def _hub() -> HubCertificate:
    return read_hub_certificate(world.hub_certificate(), world.signer("issuer").verify_key)


def _read_grant(data: bytes) -> Grant:
    return read_grant(data, world.signer("issuer").verify_key, world.SITE)


def _read_hub(data: bytes) -> HubCertificate:
    return read_hub_certificate(data, world.signer("issuer").verify_key)


def _read_epoch(data: bytes) -> EpochCertificate:
    return read_epoch_certificate(data, _hub(), SIZES)


def _claims(document: bytes) -> dict[Any, Any]:
    claims: dict[Any, Any] = cbor.decode(cbor.decode(document, TAGS).value[2])
    return claims


def test_the_signed_cwt_of_rfc_8392_verifies_and_is_none_of_ours() -> None:
    key = cose.read_key(CWT_KEY)
    protected, _, payload, signature = cbor.decode(CWT, TAGS).value
    cose.verify1(protected, payload, signature, key)
    claims = cbor.decode(payload)
    assert claims[1] == "coap://as.example.com"
    assert (claims[4], claims[7]) == (1444064944, bytes.fromhex("0b71"))
    for read in (
        lambda: read_grant(CWT, key, "coap://as.example.com"),
        lambda: read_hub_certificate(CWT, key),
    ):
        with pytest.raises(ProofError, match="headers"):
            read()


def test_what_is_written_is_read() -> None:
    grant = _read_grant(world.grant())
    assert (grant.site, grant.credential, grant.grant_id) == (
        world.SITE,
        world.CREDENTIAL,
        world.GRANT_ID,
    )
    assert grant.access == world.EVERYWHERE
    assert grant.key.kid == world.signer("phone").verify_key.kid
    hub = _hub()
    assert (hub.hub, hub.access_points, hub.key.kid) == (
        "hub-1",
        (1, 2, 3, 4),
        world.signer("hub").verify_key.kid,
    )
    epoch = _read_epoch(world.epoch_certificate())
    assert epoch.aeads == (Aead.A256GCM, Aead.A192GCM, Aead.A128GCM)
    assert epoch.kid == cose.write_encryption_key(world.epoch_key().public_key())[2]


Change = Callable[[dict[Any, Any]], object]
ANY: dict[str, list[Change]] = {
    "times": [
        lambda c: c.update({4: c[5] - 1}),
        lambda c: c.update({4: -1, 5: -2}),
        lambda c: c.update({5: "1"}),
        lambda c: c.update({4: None}),
        lambda c: c.update({5: b"\x01"}),
    ],
    "set": [lambda c: c.update({6: 1}), lambda c: c.update({"1": 1})],
    "cnf": [
        lambda c: c.update({8: {}}),
        lambda c: c.update({8: c[8][1]}),
        lambda c: c.update({8: {**c[8], 3: b"kid"}}),
        lambda c: c.update({8: {2: b"encrypted"}}),
        lambda c: c.update({8: [c[8][1]]}),
        lambda c: c[8].update({1: {}}),
    ],
}
EVERY = [change for changes in ANY.values() for change in changes]

GRANT_CHANGES: list[Change] = [
    lambda c: c.update({1: "site-2"}),
    lambda c: c.update({3: "site-2"}),
    lambda c: c.update({1: "site-2", 3: "site-2"}),
    lambda c: c.update({2: ""}),
    lambda c: c.update({2: "x" * 33}),
    lambda c: c.update({2: "é" * 17}),
    lambda c: c.update({2: b"bytes"}),
    lambda c: c.update({7: bytes(7)}),
    lambda c: c.update({7: bytes(17)}),
    lambda c: c.update({7: "12345678"}),
    lambda c: c.update({9: b""}),
    lambda c: c.update({9: [[1, 9, []]]}),
    lambda c: c.update({9: cbor.encode([])}),
    lambda c: c.update({9: cbor.encode({1: 9})}),
    lambda c: c.update({9: cbor.encode([[1, 9]])}),
    lambda c: c.update({9: cbor.encode([[1, 9, [], 0]])}),
    lambda c: c.update({9: cbor.encode([[-1, 9, []]])}),
    lambda c: c.update({9: cbor.encode([[2**32, 9, []]])}),
    lambda c: c.update({9: cbor.encode([[1, -9, []]])}),
    lambda c: c.update({9: cbor.encode([[1, 9, None]])}),
    lambda c: c.update({9: cbor.encode([[1, 9, []], [1, 9, []]])}),
    lambda c: c.update({9: cbor.encode([[n, 9, []] for n in range(33)])}),
    lambda c: c.update({9: cbor.encode([[1, 9, [7] * 33]])}),
    lambda c: c.update({9: cbor.encode([[1, 9, [-7]]])}),
    lambda c: c.update({9: cbor.encode([[1, 9, [[128, 0, 1]]]])}),
    lambda c: c.update({9: cbor.encode([[1, 9, [[1, 0, 1441]]]])}),
    lambda c: c.update({9: cbor.encode([[1, 9, [[1, 0]]]])}),
    lambda c: c.update({9: cbor.encode([[1, 9, []]]) + b"\x00"}),
    lambda c: c.update({8: {1: cose.write_encryption_key(world.epoch_key().public_key())}}),
]
HUB_CHANGES: list[Change] = [
    lambda c: c.update({3: "site-2"}),
    lambda c: c.update({2: ""}),
    lambda c: c.update({9: cbor.encode([])}),
    lambda c: c.update({9: cbor.encode([-1])}),
    lambda c: c.update({9: cbor.encode(1)}),
    lambda c: c.update({9: [1]}),
    lambda c: c.update({9: cbor.encode([2**32])}),
    lambda c: c.update({8: {1: world.signer("phone_rsa").cose_key}}),
]
EPOCH_CHANGES: list[Change] = [
    lambda c: c.update({1: "hub-2"}),
    lambda c: c.update({3: "site-2"}),
    lambda c: c.update({4: c[5] + 7201}),
    lambda c: c.update({-65537: []}),
    lambda c: c.update({-65537: [4]}),
    lambda c: c.update({-65537: [3, "1"]}),
    lambda c: c.update({-65537: 3}),
    lambda c: c.update({-65537: [3, 3]}),
    lambda c: c.update({-65537: [3, 2, 1, 3]}),
    lambda c: c[8][1].update({2: bytes(8)}),
    lambda c: c[8][1].update({3: -40}),
    lambda c: c[8][1].update({-2: b"\x03"}),
    lambda c: c[8][1].update({-1: c[8][1][-1][1:]}),
    lambda c: c[8][1].update({4: [5]}),
    lambda c: c[8][1].pop(2),
    lambda c: c.update({8: {1: world.signer("phone").cose_key}}),
]


@pytest.mark.parametrize("change", EVERY + GRANT_CHANGES)
def test_a_grant_with_a_claim_changed_is_refused(change: Change) -> None:
    claims = _claims(world.grant())
    change(claims)
    with pytest.raises(ProofError):
        _read_grant(world.document("grant", claims))


@pytest.mark.parametrize("change", EVERY + HUB_CHANGES)
def test_a_hub_certificate_with_a_claim_changed_is_refused(change: Change) -> None:
    claims = _claims(world.hub_certificate())
    change(claims)
    with pytest.raises(ProofError):
        _read_hub(world.document("cert", claims))


@pytest.mark.parametrize("change", EVERY + EPOCH_CHANGES)
def test_an_epoch_certificate_with_a_claim_changed_is_refused(change: Change) -> None:
    claims = _claims(world.epoch_certificate())
    change(claims)
    with pytest.raises(ProofError):
        _read_epoch(world.document("epoch", claims, "hub", kid=False))


@pytest.mark.parametrize("kind", ["grant", "cert", "epoch"])
def test_a_document_lacking_any_one_claim_is_refused(kind: str) -> None:
    original = {
        "grant": world.grant(),
        "cert": world.hub_certificate(),
        "epoch": world.epoch_certificate(),
    }[kind]
    signer, kid = ("hub", False) if kind == "epoch" else ("issuer", True)
    read: Callable[[bytes], object] = {
        "grant": _read_grant,
        "cert": _read_hub,
        "epoch": _read_epoch,
    }[kind]
    read(world.document(kind, _claims(original), signer, kid))
    for label in _claims(original):
        claims = _claims(original)
        del claims[label]
        with pytest.raises(ProofError):
            read(world.document(kind, claims, signer, kid))


def test_an_epoch_of_two_hours_is_the_longest() -> None:
    assert _read_epoch(world.epoch_certificate(life=7200)).expires
    with pytest.raises(ProofError):
        _read_epoch(world.epoch_certificate(life=7201))
    with pytest.raises(ProofError, match="size"):
        read_epoch_certificate(world.epoch_certificate("epoch_2048"), _hub(), (384,))


def test_no_document_stands_for_another() -> None:
    documents = {
        "grant": world.grant(),
        "cert": world.hub_certificate(),
        "epoch": world.epoch_certificate(),
        "policy": policies.issue(Policy(world.SITE, 1, WALL), world.signer("issuer")),
    }
    readers: dict[str, Callable[[bytes], object]] = {
        "grant": _read_grant,
        "cert": _read_hub,
        "epoch": _read_epoch,
    }
    readers["policy"] = lambda data: policies.read(
        data, world.signer("issuer").verify_key, world.SITE
    )
    for kind, data in documents.items():
        for reader, read in readers.items():
            if kind == reader:
                read(data)
            else:
                with pytest.raises((ProofError, SignatureError)):
                    read(data)


def test_headers_are_constants() -> None:
    protected, unprotected, payload, signature = cbor.decode(world.grant(), TAGS).value
    kid = unprotected[4]
    tag = cbor.Tag
    typ = "application/hub-grant+cwt"
    wrong = [
        [protected, {}, payload, signature],
        [protected, {4: kid, 1: -7}, payload, signature],
        [protected, {4: kid[:7]}, payload, signature],
        [b"", {4: kid, 1: -7, 16: typ}, payload, signature],
        [cbor.encode({1: -37, 16: typ}), {4: kid}, payload, signature],
        [cbor.encode({1: -7, 16: typ, 3: 61}), {4: kid}, payload, signature],
        [protected, {4: kid}, None, signature],
        [protected, {4: kid}, payload],
        [protected, {4: kid}, payload, signature, b""],
        [protected, {4: kid}, payload, world.with_last_bit_flipped(signature)],
        [protected, {4: kid}, world.with_last_bit_flipped(payload), signature],
    ]
    for document in wrong:
        with pytest.raises(ProofError):
            _read_grant(cbor.encode(tag(18, document)))
    with pytest.raises(ProofError):
        _read_grant(cbor.encode([protected, unprotected, payload, signature]))
    for empty in (b"", b"\xf6", cbor.encode(tag(18, None))):
        with pytest.raises(ProofError):
            _read_grant(empty)


@given(st.integers(0), st.integers(1, 255))
@settings(max_examples=120, deadline=None)
def test_a_grant_with_any_byte_changed_is_refused(at: int, change: int) -> None:
    data = bytearray(world.grant())
    data[at % len(data)] ^= change
    with pytest.raises(ProofError):
        _read_grant(bytes(data))


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_arbitrary_bytes_are_no_document(data: bytes) -> None:
    with pytest.raises(ProofError):
        _read_grant(data)


RULES = st.lists(
    st.builds(Rule, st.integers(0, 127), st.integers(0, 1440), st.integers(0, 1440))
    | st.integers(0, 2**32),
    max_size=4,
)


@given(
    st.lists(
        st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 15), RULES),
        min_size=1,
        max_size=5,
        unique_by=lambda e: e[0],
    )
)
@settings(max_examples=40, deadline=None)
def test_access_goes_out_and_comes_back(entries: list[tuple[int, int, list[ScheduleRef]]]) -> None:
    access = tuple(Access(point, rights, tuple(rules)) for point, rights, rules in entries)
    assert _read_grant(world.grant(entries=access)).access == access


def test_a_policy_goes_out_and_comes_back_and_is_the_issuers() -> None:
    full = Policy(
        "site-1",
        3,
        WALL,
        frozenset({"a", "b"}),
        frozenset({bytes(8)}),
        {7: Schedule((Rule(31, 480, 1080),))},
        {1: Mode.LOCKDOWN},
    )
    data = policies.issue(full, world.signer("issuer"))
    issuer = world.signer("issuer").verify_key
    assert policies.read(data, issuer, "site-1") == full
    for document, site in ((data, "site-2"), (data[:-1], "site-1")):
        with pytest.raises(SignatureError):
            policies.read(document, issuer, site)
    with pytest.raises(SignatureError):
        policies.read(data, world.signer("stranger").verify_key, "site-1")
