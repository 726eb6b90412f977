"""The whole receive path of the hub, from one write to RX to the strike: spoiled exchanges, and
phones gone bad.

Oracle: only effects come out, no exception; a request that is not the phone's own word for word
moves nothing; what a link holds stays under its ceilings; an honest phone is served afterwards.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.words import Action
from hubcore.codec import cbor, cose, cwt
from hubcore.errors import PeerError
from hubcore.evidence.records import RecordKind
from hubcore.phone import sealing
from hubcore.phone.effects import Drop, Presented, Refused, Unseal
from hubcore.phone.framing import QUEUED_MESSAGES_MAX, SEQ_AT, UNSEEN_FRAMES_MAX, Outbound
from hubcore.phone.link import HubLink, Notify
from hubcore.phone.messages import (
    MESSAGE_BYTES_MAX,
    Error,
    ErrorCode,
    Open,
    Request,
    Resume,
    decode_challenge,
    decode_to_hub,
    decode_to_phone,
    encode_to_hub,
    pad,
)
from hubsim import site
from hubsim.phone.effects import SendMessage
from hubsim.phone.machine import Attempt
from hubsim.phone.wallet import Wallet
from tests.fuzz.common import VALUES, effort, respelled, spoiled
from tests.pair import Air, DeskHub, Phone, Visit, make_wallet, rsa_key

_T = TypeVar("_T")
ISSUER = site.make_key()
CLEAR = {ErrorCode.BAD_FRAME, ErrorCode.UNKNOWN_EPOCH, ErrorCode.TIMEOUT, ErrorCode.FAILED}


def run(work: Coroutine[Any, Any, _T]) -> _T:
    return asyncio.run(work)


class Bench:
    """A hub, a phone that knows its epoch and may hold a ticket, and a link to attack."""

    def __init__(self, short: bool, mtu: int = 247) -> None:
        self.hub = DeskHub(ISSUER)
        self.mtu = mtu
        self.wallet = make_wallet(ISSUER)
        self.teach(self.wallet)
        if not short:
            self.wallet.tickets.clear()
        self.before = self.hub.strikes

    def teach(self, wallet: Wallet) -> None:
        """Let a phone in once, so that it knows the epoch and holds a ticket."""
        visit = run(Phone(self.hub, wallet).visit())
        assert visit.verdict is not None
        assert visit.verdict.allowed, visit.verdict
        self.hub.clock.advance(20)

    def visit(self) -> tuple[Visit, Air, Attempt, bytes]:
        """Begin a visit on a new link; return it with the phone's attempt and its request,
        unsent.
        """
        visit = Visit(self.hub.connect())
        air = Air(self.hub, visit, self.mtu)
        attempt = Attempt(self.wallet, 1, Action.OPEN, os.urandom, sealing.BLE_GATT)
        (effect,) = attempt.challenge(air.read_info(), self.hub.clock.wall())
        assert isinstance(effect, SendMessage)
        return visit, air, attempt, effect.message

    def write(self, air: Air, frames: list[bytes]) -> list[bytes]:
        """Write frames as they are; return the messages that come back."""

        async def all_of_them() -> list[bytes]:
            answers = []
            for frame in frames:
                answers += await air.write(frame)
            return answers

        return run(all_of_them())

    def check(self, *visits: Visit) -> None:
        """Look at what must hold whatever came."""
        for visit in visits:
            assert all(isinstance(cause, PeerError) for cause in visit.causes)
            check_ceilings(visit.link)
        granted = {
            (record.detail["asker"], record.detail["op"])
            for record in self.hub.records()
            if record.kind in (RecordKind.ACCESS, RecordKind.REMOTE)
            and record.detail["why"] is None
        }
        assert self.hub.strikes <= len(granted)
        assert self.hub.budget._taken == 0
        self.hub.clock.advance(20)
        self.teach(make_wallet(ISSUER, os.urandom(8).hex()))


def check_ceilings(link: HubLink) -> None:
    if link._in is not None:
        assert len(link._in._parts) <= link._in._total <= MESSAGE_BYTES_MAX
    if link._out is not None:
        assert len(link._out._waiting) <= QUEUED_MESSAGES_MAX
        assert len(link._out._unseen) <= UNSEEN_FRAMES_MAX
        assert len(link._out._rest) <= MESSAGE_BYTES_MAX


def frames_of(message: bytes, sid: bytes, mtu: int, seq: int = 0) -> list[bytes]:
    out = Outbound(sid)
    out._seq = seq
    out.load(message)
    return list(iter(lambda: out.pull(mtu), b""))


@st.composite
def meddled(draw: st.DrawFn, frames: list[bytes], foreign: list[bytes]) -> list[bytes]:
    """Frames flipped, cut, left out, doubled, exchanged, out of another session, or with another
    header.
    """
    out = list(frames)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(out) - 1)) if out else 0
        match draw(st.sampled_from(["spoil", "out", "twice", "swap", "foreign", "junk", "header"])):
            case "spoil" if out:
                out[at] = draw(spoiled(out[at]))
            case "out" if out:
                del out[at]
            case "twice" if out:
                out.insert(draw(st.integers(0, len(out))), out[at])
            case "swap" if out:
                other = draw(st.integers(0, len(out) - 1))
                out[at], out[other] = out[other], out[at]
            case "foreign":
                out.insert(at, draw(st.sampled_from(foreign)))
            case "junk":
                out.insert(at, draw(st.binary(max_size=520)))
            case "header" if out:
                head = bytearray(out[at])
                if len(head) > SEQ_AT:
                    head[draw(st.sampled_from([0, 1, SEQ_AT]))] = draw(st.integers(0, 255))
                out[at] = bytes(head)
    return out


@effort(60)
@given(data=st.data(), short=st.booleans(), mtu=st.sampled_from([23, 64, 247, 517]))
def test_spoiled_frames_of_a_good_request(data: st.DataObject, short: bool, mtu: int) -> None:
    bench = Bench(short, mtu)
    other, _, _, stolen = bench.visit()
    visit, air, attempt, message = bench.visit()
    sid = decode_challenge(visit.infos[0]).sid
    theirs = decode_challenge(other.infos[0]).sid
    foreign = (
        frames_of(stolen, theirs, mtu)
        + frames_of(stolen, sid, mtu)
        + frames_of(message, sid, mtu, 7)
    )
    bench.write(air, data.draw(meddled(frames_of(message, sid, mtu), foreign)))
    assert {claim.op for claim in visit.claims} <= {attempt.op}
    assert len(visit.claims) <= 1
    bench.check(visit, other)


@effort(60)
@given(frames=st.lists(st.binary(max_size=600), max_size=12), asked=st.booleans())
def test_any_bytes_as_frames(frames: list[bytes], asked: bool) -> None:
    bench = Bench(False)
    visit = Visit(bench.hub.connect())
    air = Air(bench.hub, visit)
    sid = decode_challenge(air.read_info()).sid if asked else b"none"
    bench.write(air, frames + [b"\x13" + sid + frame for frame in frames])
    assert not visit.claims
    bench.check(visit)


@effort(100)
@given(data=st.data(), short=st.booleans())
def test_a_spoiled_message_gets_a_clear_error_and_moves_nothing(
    data: st.DataObject, short: bool
) -> None:
    bench = Bench(short)
    visit, air, _, message = bench.visit()
    bad = data.draw(spoiled(message))
    answers = bench.write(
        air, frames_of(bad[:MESSAGE_BYTES_MAX] or b"\0", decode_challenge(visit.infos[0]).sid, 247)
    )
    assert not visit.claims
    shown = [decode_to_phone(answer) for answer in answers]
    assert all(isinstance(answer, Error) and answer.code in CLEAR for answer in shown)
    assert len(shown) == 1
    bench.check(visit)


@effort(60)
@given(data=st.data(), short=st.booleans())
def test_a_message_respelled_outside_its_seal(data: st.DataObject, short: bool) -> None:
    bench = Bench(short)
    visit, air, _, message = bench.visit()
    kind, content = cbor.decode(message)
    fields = data.draw(respelled(dict(enumerate(content))))
    bad = cbor.encode([kind, [fields[label] for label in sorted(fields, key=str)]])[
        :MESSAGE_BYTES_MAX
    ]
    if bad == message:
        return
    bench.write(air, frames_of(bad, decode_challenge(visit.infos[0]).sid, 247))
    assert not visit.claims
    bench.check(visit)


def sealed(bench: Bench, challenge: bytes, plaintext: bytes) -> bytes:
    """Seal anything to the hub's epoch, as anybody can."""
    epoch = bench.hub.epochs.current
    assert epoch is not None
    aead = cose.Aead.A256GCM
    bound = sealing.binding(sealing.BLE_GATT, challenge, epoch.digest, aead)
    key = os.urandom(32)
    iv = os.urandom(12)
    wrapped = cose.wrap_key(rsa_key().public_key(), key)
    return encode_to_hub(
        Open(aead, iv, cose.seal(aead, key, iv, plaintext, bound), epoch.kid, wrapped)
    )


@effort(120)
@given(data=st.data())
def test_anything_inside_the_seal_signed_by_a_holder(data: st.DataObject) -> None:
    """A holder of a valid grant says whatever CBOR can, rightly signed."""
    bench = Bench(False)
    visit, air, _, _ = bench.visit()
    challenge = visit.infos[0]
    epoch = bench.hub.epochs.current
    assert epoch is not None
    bound = sealing.binding(sealing.BLE_GATT, challenge, epoch.digest, cose.Aead.A256GCM)
    good = {
        **Request(bench.wallet.grant, os.urandom(8), 1, Action.OPEN, bytes(32)).encode(),
        6: b"",
    }
    said = data.draw(st.one_of(respelled(good), respelled(good), VALUES))
    header = cwt.header(cose.ES256, sealing.REQUEST_TYPE)
    inner = cose.sign1(header, cbor.encode(said), bench.wallet.key, bound)
    shape = data.draw(
        st.one_of(
            st.just(inner),
            respelled(dict(enumerate(inner))).map(lambda d: list(d.values())),
            VALUES,
        )
    )
    plaintext = data.draw(
        st.one_of(st.just(cbor.encode(shape)), st.just(cbor.encode(shape)), st.binary(max_size=80))
    )
    message = sealed(bench, challenge, plaintext)
    if len(message) <= MESSAGE_BYTES_MAX:
        bench.write(air, frames_of(message, decode_challenge(challenge).sid, 247))
    for claim in visit.claims:
        assert claim.credential == "c0ffee00c0ffee00"
        assert shape == inner
    bench.check(visit)


@effort(60)
@given(data=st.data())
def test_anything_inside_the_seal_of_a_ticket(data: st.DataObject) -> None:
    bench = Bench(True)
    visit, air, _, message = bench.visit()
    known = decode_to_hub(message)
    assert isinstance(known, Resume)
    ticket = bench.hub.tickets.find(known.ticket, bench.hub.clock.wall())
    assert ticket is not None
    key = sealing.resume_key(
        ticket.secret, sealing.BLE_GATT, visit.infos[0], ticket.aead, bench.hub.name
    )
    said = data.draw(st.one_of(respelled({2: os.urandom(8), 3: 1, 4: 1}), VALUES))
    plain = (
        pad(said, 6, 48)
        if isinstance(said, dict) and 6 not in said and len(str(said)) < 40
        else cbor.encode(said)
    )
    iv = os.urandom(12)
    bad = encode_to_hub(Resume(ticket.aead, iv, cose.seal(ticket.aead, key, iv, plain), ticket.id))
    if len(bad) <= MESSAGE_BYTES_MAX:
        bench.write(air, frames_of(bad, decode_challenge(visit.infos[0]).sid, 247))
    bench.check(visit)


@effort(40)
@given(
    times=st.lists(st.floats(0, 40), max_size=8),
    results=st.lists(st.integers(0, 3), min_size=8, max_size=8),
)
def test_results_that_come_at_any_time_and_in_any_order(
    times: list[float], results: list[int]
) -> None:
    """What `Unseal` and `Presented` lead to may come late, or after the link has gone."""
    bench = Bench(False)
    visit, _, attempt, message = bench.visit()
    link = visit.link
    clock = bench.hub.clock
    pending: list[object] = []
    for frame in frames_of(message, decode_challenge(visit.infos[0]).sid, 247):
        pending += link.frame(frame, 247, clock.monotonic(), clock.wall())
    for seconds, what in zip(times, results, strict=False):
        clock.advance(seconds)
        if what == 0:
            link.challenge(clock.monotonic())
        elif what == 1:
            link.close()
        elif what == 2:
            link.expired(clock.monotonic())
    todo = [effect for effect in pending if isinstance(effect, Unseal)]
    assert len(todo) == 1
    air = Air(bench.hub, visit)
    run(air.perform([*todo]))
    if sum(times[:8]) > 3:
        assert bench.hub.strikes == bench.before
    assert {claim.op for claim in visit.claims} <= {attempt.op}
    bench.check(visit)


def test_every_effect_has_a_performer() -> None:
    kinds = {Notify, Unseal, Presented, Refused, Drop}
    bench = Bench(False)
    visit, _, _, message = bench.visit()
    clock = bench.hub.clock
    seen = set()
    for frame in [*frames_of(message, decode_challenge(visit.infos[0]).sid, 23), b"junk"]:
        seen |= {type(e) for e in visit.link.frame(frame, 23, clock.monotonic(), clock.wall())}
    assert seen <= kinds
    assert {Notify, Unseal, Drop, Refused} <= seen
    bench.hub.budget.done()
