"""Hostile bytes between hub and bridge: messages, signed documents, and what a hub hears.

Oracle: a reader gives a value that has just these bytes, or the error of a peer. What a holder of a
mandate signs is read as it stands or not at all. A bridge that says anything gets no record of a
hub but after it has named a record of that hub's log.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.backend.talk.effects import Comparison, Moment
from hubcore.backend.uplink.from_backend import Certificate, Held, TlsCertificate
from hubcore.bridge import codec
from hubcore.bridge.ends import Whom, issue_ends, prove_ends
from hubcore.bridge.frames import HEAD_BYTES, Frames, frame
from hubcore.bridge.from_bridge import BridgeWelcome, Full, RenewFirst, Witnessed
from hubcore.bridge.mandate import Use, issue_mandate, prove_mandate
from hubcore.bridge.signedhead import HeadKind, SignedHead, prove_head, prove_own_head, sign_head
from hubcore.bridge.site.order import issue_site_order, prove_site_order
from hubcore.bridge.talk import (
    AskForCertificates,
    BridgeTalk,
    Leave,
    SayHello,
    SendAfter,
    Show,
    Take,
    WayEffects,
    WayPhase,
)
from hubcore.bridge.words import DOCUMENT_BYTES, FIRST_BYTES, FROM_HUB_BYTES
from hubcore.codec import cbor, cose, cwt
from hubcore.errors import FrameError, ProofError
from tests.fuzz.common import VALUES, effort, inside, respelled, some, spoiled
from tests.unit.test_bridge_messages import FROM_BRIDGE, FROM_HUB, HIGHEST
from tests.unit.test_bridge_talk import HELD_HEAD, WELCOME, at, compare, talk_in
from tests.vectors import cases_bridge, world

READERS: list[Any] = [codec.decode_from_hub, codec.decode_from_bridge]
SAID: list[Any] = [*FROM_HUB, *FROM_BRIDGE]
HUB = cases_bridge.HUB
ISSUER = world.signer(cases_bridge.ISSUER)


WAYS = ["good", "good", "value", "value", "spoiled", "more", "less", "junk"]


@st.composite
def near(draw: st.DrawFn, messages: list[Any]) -> bytes:
    """A message's bytes: as it was, spoiled, or with other values, more or fewer of them."""
    good = codec.encode(draw(some(messages)))
    match draw(some(WAYS)):
        case "spoiled":
            return draw(spoiled(good)) or b"\0"
        case "junk":
            return draw(st.binary(min_size=1, max_size=700))
        case "good":
            return good
        case kind:
            values = cbor.decode(good)
            place = draw(st.integers(0, len(values) - 1))
            if kind == "value":
                values[place] = draw(st.one_of(inside(values[place]), VALUES))
            elif kind == "more":
                values.insert(place + 1, draw(VALUES))
            else:
                del values[place]
            return cbor.encode(values)


@effort(400)
@given(data=near(SAID), side=st.integers(0, 1))
def test_any_bytes_are_one_message_or_a_frame_error(data: bytes, side: int) -> None:
    try:
        message = READERS[side](data)
    except FrameError:
        return
    assert type(message) in (codec.FROM_HUB, codec.FROM_BRIDGE)[side].values()
    assert len(data) <= type(message).CEILING
    assert codec.encode(message) == data
    for field in fields(message):
        value = getattr(message, field.name)
        assert not isinstance(value, bytearray | memoryview | list)
        assert not isinstance(value, int) or 0 <= value <= HIGHEST


@effort(200)
@given(
    messages=st.lists(near(FROM_HUB), min_size=1, max_size=6),
    data=st.data(),
    ceiling=st.sampled_from([FIRST_BYTES, FROM_HUB_BYTES]),
)
def test_a_spoiled_stream_keeps_no_more_than_one_frame(
    messages: list[bytes], data: st.DataObject, ceiling: int
) -> None:
    stream = data.draw(spoiled(b"".join(frame(one) for one in messages)))
    frames = Frames(ceiling)
    given_back = 0
    for part in cut(data, stream):
        frames.feed(part)
        try:
            while (message := frames.next()) is not None:
                assert 1 <= len(message) <= ceiling
                given_back += HEAD_BYTES + len(message)
        except FrameError:
            assert frames.kept_bytes == 0
            return
        assert frames.kept_bytes < HEAD_BYTES + ceiling
    assert given_back + frames.kept_bytes == len(stream)


def cut(data: st.DataObject, stream: bytes) -> list[bytes]:
    """Return the stream in some pieces."""
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=6).map(sorted))
    ends = [*places, len(stream)]
    return [stream[start:end] for start, end in zip([0, *places], ends, strict=True)]


# Signed documents.

RECEIPT = SignedHead(HeadKind.RECEIPT, "office", HUB, cases_bridge.HEAD, cases_bridge.NOW)
TESTIMONY = SignedHead(HeadKind.TESTIMONY, "bridge-1", HUB, cases_bridge.HEAD, cases_bridge.NOW)


OWN_KEY = world.signer(cases_bridge.HUB_KEY)


def signer_of(use: Use) -> Any:
    return world.signer(cases_bridge.SIGNERS[use])


def prove(kind: str, document: bytes) -> Any:
    """Read a document of this kind as a hub does."""
    if kind == "mandate":
        return prove_mandate(document, HUB.site, ISSUER.verify_key)
    if kind == "ends":
        return prove_ends(document, HUB.site, ISSUER.verify_key)
    if kind == "own-head":
        return prove_own_head(document, HUB, OWN_KEY.verify_key)
    if kind in HEADS:
        said = HEADS[kind]
        return prove_head(said.kind, document, HUB, cases_bridge.mandate(USES[kind]))
    return prove_site_order(document, HUB, cases_bridge.mandate(Use.ORDERS))


def again(kind: str, value: Any) -> bytes:
    """Sign what was read; its signature is another."""
    if kind == "mandate":
        return issue_mandate(value, ISSUER)
    if kind == "ends":
        return issue_ends(value, HUB.site, ISSUER)
    if kind == "own-head":
        return sign_head(value, OWN_KEY)
    if kind in HEADS:
        return sign_head(value, signer_of(USES[kind]))
    return issue_site_order(value, HUB.site, signer_of(Use.ORDERS))


HEADS = {"receipt": RECEIPT, "testimony": TESTIMONY}
USES = {"receipt": Use.RECEIPTS, "testimony": Use.TESTIMONY}
TYPES = {
    "mandate": "application/hub-mandate+cwt",
    "ends": cases_bridge.ENDS,
    "own-head": HeadKind.OWN.value,
    **{kind: said.kind.value for kind, said in HEADS.items()},
    **dict.fromkeys(cases_bridge.WHATS, "application/hub-site-order+cwt"),
}
GOOD: dict[str, bytes] = {
    "mandate": issue_mandate(cases_bridge.mandate(Use.ORDERS), ISSUER),
    "ends": issue_ends(cases_bridge.ends(Whom.BRIDGES), HUB.site, ISSUER),
    "own-head": cases_bridge.own_head(OWN_KEY),
    **{kind: sign_head(said, signer_of(USES[kind])) for kind, said in HEADS.items()},
    **{
        name: issue_site_order(cases_bridge.order(*what), HUB.site, signer_of(Use.ORDERS))
        for name, what in cases_bridge.WHATS.items()
    },
}


def claims_of(document: bytes) -> dict[int, Any]:
    claims: dict[int, Any] = cbor.decode(cose.read_sign1(document).payload)
    return claims


KINDS = st.sampled_from(sorted(GOOD))


@effort(300)
@given(data=st.data(), kind=KINDS)
def test_a_spoiled_document_proves_nothing(data: st.DataObject, kind: str) -> None:
    with pytest.raises(ProofError):
        prove(kind, data.draw(spoiled(GOOD[kind])))


@effort(100)
@given(taken_for=KINDS, kind=KINDS)
def test_a_document_of_one_kind_is_none_of_another(taken_for: str, kind: str) -> None:
    if TYPES[kind] == TYPES[taken_for]:
        assert again(kind, prove(taken_for, GOOD[kind]))
        return
    with pytest.raises(ProofError):
        prove(taken_for, GOOD[kind])


@effort(400)
@given(data=st.data(), kind=KINDS)
def test_what_a_holder_rightly_signs_is_read_as_it_stands_or_not_at_all(
    data: st.DataObject, kind: str
) -> None:
    """Who has a mandate may sign whatever CBOR can hold."""
    said = data.draw(st.one_of(respelled(claims_of(GOOD[kind])), VALUES))
    by_kind = {"mandate": ISSUER, "ends": ISSUER, "own-head": OWN_KEY}
    key = by_kind.get(kind) or signer_of(USES.get(kind, Use.ORDERS))
    document = cwt.issue(TYPES[kind], said, key, key.verify_key.kid)
    try:
        value = prove(kind, document)
    except ProofError:
        return
    assert len(document) <= DOCUMENT_BYTES or kind == "ends"
    assert claims_of(again(kind, value)) == said


# A hub that hears a bridge.

SPEAKS_ALONE = {Held, Witnessed, Full}
HEARD = st.lists(
    st.one_of(
        near(FROM_BRIDGE),
        near(FROM_BRIDGE),
        near([WELCOME]),
        some(["look", "connect", "disconnect"]),
    ),
    max_size=30,
)


@effort(400)
@given(phase=some(list(WayPhase)), events=HEARD, step_seconds=st.floats(0, 40))
def test_a_bridge_that_says_anything_moves_a_talk_by_its_table_alone(
    phase: WayPhase, events: list[bytes | str], step_seconds: float
) -> None:
    """talk, laws 2 to 5"""
    talk = talk_in(phase)
    for number, event in enumerate(events):
        now = at(number * step_seconds)
        before = talk.phase
        match event:
            case "look":
                effects = talk.look(now)
            case "connect":
                effects = talk.connected("bridge-1", now)
            case "disconnect":
                effects = talk.disconnected("gone")
            case bytes():
                effects = heard(talk, event, now)
            case _:
                raise AssertionError(event)
        if SayHello() in effects:
            talk.greeted(now.monotonic)
        if any(isinstance(effect, Leave) for effect in effects):
            assert talk.phase is WayPhase.DOWN
        if before is WayPhase.DOWN and event != "connect":
            assert talk.phase is WayPhase.DOWN


def heard(talk: BridgeTalk, data: bytes, now: Moment) -> WayEffects:
    """Let the talk hear these bytes; check what it does, and return it."""
    try:
        message = codec.decode_from_bridge(data)
    except FrameError:
        return []
    before = talk.phase
    effects = talk.received(message, now) or []
    for effect in effects:
        match effect:
            case SendAfter(held, signed):
                assert signed <= held.number
                assert isinstance(message, BridgeWelcome)
                assert compare(held) is Comparison.AGREES
                assert (message.bridge, message.site) == ("bridge-1", HUB.site)
                assert talk.phase is WayPhase.SPEAKING
            case Show(shown):
                assert isinstance(message, BridgeWelcome)
                assert shown <= HELD_HEAD.number
                assert talk.phase is WayPhase.DOUBTED
            case Take(taken):
                assert taken == message
                alone = type(message) in SPEAKS_ALONE
                is_certificate = isinstance(message, Certificate | TlsCertificate)
                assert (
                    before is WayPhase.SPEAKING
                    or (before is WayPhase.DOUBTED and not alone)
                    or (before is not WayPhase.DOWN and is_certificate)
                )
            case AskForCertificates():
                assert isinstance(message, RenewFirst)
                assert before is not WayPhase.SPEAKING
                assert talk.phase is WayPhase.RENEWING
    return effects
