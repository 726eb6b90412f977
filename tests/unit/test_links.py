"""Serving links: the real loop of effects with a radio and an executor that can be told to fail."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Executor, Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import structlog

from hubcore.access.claim import Claim, ClaimOutcome
from hubcore.access.words import Action
from hubcore.codec.cose import Aead
from hubcore.door.state import DoorState
from hubcore.errors import LinkError, PeerError, SequenceError
from hubcore.evidence.records import RecordKind
from hubcore.phone.framing import Flag, Inbound, Outbound, control_frame, decode_frame
from hubcore.phone.handshake import HandshakePhase
from hubcore.phone.link import FIRST_READ_SECONDS, IDLE_SECONDS
from hubcore.phone.messages import (
    Error,
    ErrorCode,
    Open,
    Reason,
    VerdictMessage,
    decode_challenge,
    decode_to_phone,
    encode_to_hub,
)
from hubcore.phone.sealing import BLE_GATT
from hubcore.ports.radio import LinkId
from hubcore.timing.budget import Budget
from hubcore.timing.standstill import DRAIN_SECONDS, TURN_SECONDS
from hubd.doors.operation import Operation
from hubd.doors.unlock import LATE_SECONDS
from hubd.phones.dropping import DROP_TRIES
from hubd.phones.links import Links
from hubd.phones.visit import EFFECTS_MAX
from hubd.upkeep.lately.traces import Traces
from hubsim import site
from hubsim.phone.effects import Decided, PhoneEffect, ReadInfo, SendMessage
from hubsim.phone.machine import Attempt
from hubsim.phone.onlink import PULL_SOON_SECONDS, SOON_SECONDS
from hubsim.phone.wallet import Wallet
from tests.fakes.radio import FakeRadio
from tests.pair import DeskHub, make_wallet, settle

Y = LinkId("Y", 1)
LINKS_MAX = 3


class Rsa(Executor):
    """Works when told: `step` does the oldest job.

    Set `failing` to make each job raise it, `refusing` to take none.
    """

    def __init__(self) -> None:
        self.jobs: list[tuple[Future[Any], Callable[[], Any]]] = []
        self.at_once = True
        self.failing: Exception | None = None
        self.refusing: Exception | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.refusing:
            raise self.refusing
        future: Future[Any] = Future()
        self.jobs.append((future, lambda: fn(*args, **kwargs)))
        if self.at_once:
            self.step()
        return future

    def step(self) -> None:
        future, work = self.jobs.pop(0)
        try:
            if self.failing:
                raise self.failing
            future.set_result(work())
        except Exception as error:
            future.set_exception(error)


@dataclass
class Rig:
    hub: DeskHub
    radio: FakeRadio = field(default_factory=FakeRadio)
    rsa: Rsa = field(default_factory=Rsa)
    refused: list[PeerError] = field(default_factory=list)
    told: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    decide: Callable[[Claim, Callable[[], bool]], Awaitable[ClaimOutcome]] | None = None
    drop_pause_seconds: float = 2.0
    strike_seconds: float = 5.0
    traces: Traces = field(init=False)

    def __post_init__(self) -> None:
        self.traces = Traces({1: "front", 2: "lab"}, self.hub.clock)
        self.links = Links(
            side=self.hub.side,
            radio=self.radio,
            transport=BLE_GATT,
            links_max=LINKS_MAX,
            rsa=self.rsa,
            present=self._present,
            door_state=lambda point: self.hub.watch.state(str(point)),
            strike_seconds={1: self.strike_seconds, 2: self.strike_seconds},
            refused=self.refused.append,
            take_revocations=self.hub.carried_intake().take,
            tell=lambda event, facts: self.told.append((event, facts)),
            traced=self.traces,
            clock=self.hub.clock,
            drop_pause_seconds=self.drop_pause_seconds,
        )

    def _present(self, claim: Claim, alive: Callable[[], bool]) -> Awaitable[ClaimOutcome]:
        return (self.decide or self.hub.unlock.present)(claim, alive)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.links.run(lambda _: None, lambda: None))
        await settle()
        try:
            yield
            assert not task.done(), "the use case must go on, whatever one link does"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def names(self) -> list[str]:
        return [name for name, _ in self.told]

    @property
    def rsa_places_taken(self) -> int:
        return self.hub.budget._taken


class Peer:
    """A phone on one link, by hand."""

    def __init__(self, rig: Rig, name: str, wallet: Wallet | None = None) -> None:
        self.rig = rig
        self.id = LinkId(name, 1)
        self.wallet = wallet or make_wallet(rig.hub.issuer)
        self.links = rig.links
        self.attempt = Attempt(self.wallet, 1, Action.OPEN, os.urandom, BLE_GATT)
        self.inbound: Inbound | None = None
        self.out: Outbound | None = None
        self.sid = b""
        self.read = 0
        self.decided: list[Decided] = []

    def connect(self) -> None:
        self.links.opened(self.id)

    def info(self) -> bytes:
        info = self.links.info(self.id)
        if info:
            self.sid = decode_challenge(info).sid
            self.inbound = Inbound(self.sid, repeats=True)
            self.out = Outbound(self.sid)
            self.read = len(self.rig.radio.sent.get(self.id, []))
        return info

    def send(self, message: bytes) -> None:
        assert self.out is not None
        self.out.answered()
        self.out.load(message)
        while frame := self.out.pull(247):
            self.links.frame(self.id, frame, 247)

    def bye(self) -> None:
        self.links.frame(self.id, control_frame(Flag.BYE, self.sid, 0), 247)

    async def messages(self) -> list[bytes]:
        """Take what was notified for the live session; acknowledge."""
        await settle()
        messages = []
        while self.read < len(self.rig.radio.sent.get(self.id, [])):
            frame = decode_frame(self.rig.radio.sent[self.id][self.read])
            self.read += 1
            if self.inbound is None or frame.sid != self.sid or frame.flags & (Flag.ACK | Flag.BYE):
                continue
            message, ack = self.inbound.accept(frame)
            if ack:
                self.links.frame(self.id, ack, 247)
                await settle()
            if message is not None:
                messages.append(message)
        return messages

    def begin(self) -> list[PhoneEffect]:
        return self.attempt.challenge(self.info(), self.rig.hub.clock.wall())

    def learn_epoch(self, other: Wallet) -> None:
        self.wallet.epochs.update(other.epochs)

    async def unlock(self) -> Decided | None:
        """Make the attempt to its end; None when there is no verdict."""
        effects: list[PhoneEffect] = [ReadInfo()]
        while effects:
            match effects.pop(0):
                case ReadInfo():
                    effects += self.begin()
                case SendMessage(message):
                    self.send(message)
                    for answer in await self.messages():
                        effects += self.attempt.receive(answer, self.rig.hub.clock.wall())
                case Decided() as decided:
                    return decided
                case _:
                    return None
        return None


@pytest.fixture
def rig() -> Rig:
    return Rig(DeskHub(site.make_key()))


async def taught(rig: Rig) -> Wallet:
    """Serve one honest phone, and return its wallet, which then knows the epoch."""
    peer = Peer(rig, "teacher")
    peer.connect()
    decided = await peer.unlock()
    assert decided is not None
    assert decided.verdict.allowed
    rig.links.closed(peer.id)
    await settle()
    rig.hub.clock.advance(10)
    return peer.wallet


def request_of(peer: Peer) -> bytes:
    """Begin an attempt and return its request."""
    sends = [effect.message for effect in peer.begin() if isinstance(effect, SendMessage)]
    return sends[0]


async def test_a_phone_is_served_and_told_of_the_door(rig: Rig) -> None:
    async with rig.serving():
        peer = Peer(rig, "A")
        peer.connect()
        decided = await peer.unlock()
        assert decided is not None
        assert decided.verdict.allowed
        assert rig.hub.strikes == 1
        rig.links.door_changed(1, DoorState.OPEN)
        (message,) = await peer.messages()
        assert [e.state.door for e in peer.attempt.receive(message, rig.hub.clock.wall())] == [
            DoorState.OPEN
        ]  # type: ignore[union-attr]


async def test_a_link_is_seen_with_what_it_has_come_to_and_what_was_refused_last(
    rig: Rig,
) -> None:
    async with rig.serving():
        peer = Peer(rig, "A")
        peer.connect()
        rig.radio.heard[peer.id] = -60
        (seen,) = rig.links.seen()
        assert (seen.number, seen.phase, seen.access_point) == (1, HandshakePhase.IDLE, None)
        assert (seen.since, seen.rssi) == (rig.hub.clock.wall(), -60)
        assert rig.links.radio_seen.last_link == seen.since
        assert rig.links.radio_seen.on_air is True
        await peer.unlock()
        (seen,) = rig.links.seen()
        assert (seen.phase, seen.access_point) == (HandshakePhase.SESSION, 1)
        assert rig.links.radio_seen.last_failure is None
        with pytest.raises(PeerError):
            rig.links.frame(peer.id, b"\xff\xff", 247)
        await settle()
        assert rig.links.radio_seen.last_failure is not None
        assert [str(cause) for cause in rig.refused] == [rig.links.radio_seen.last_failure.says]
        rig.links.closed(peer.id)
        assert rig.links.seen() == []


async def test_the_steps_of_a_visit_are_handed_to_the_trace_each_request_its_own(
    rig: Rig,
) -> None:
    async with rig.serving():
        peer = Peer(rig, "A")
        rig.decide = _noting(rig)
        peer.connect()
        await peer.unlock()
        rig.links.closed(peer.id)
    found: Any = rig.traces.document()["unlocks"]
    (unlock,) = found
    steps = [step["step"] for step in unlock["steps"]]
    assert set(steps) == {
        "connected",
        "challenge",
        "last-byte",
        "unsealed",
        "decided",
        "verdict-sent",
    }
    assert unlock["link"] == 1


def _noting(rig: Rig) -> Callable[[Claim, Callable[[], bool]], Awaitable[ClaimOutcome]]:
    def decide(claim: Claim, alive: Callable[[], bool]) -> Awaitable[ClaimOutcome]:
        operation = Operation(
            kind=RecordKind.ACCESS,
            asker=claim.credential,
            op=claim.op,
            point=claim.access_point,
            action=claim.action,
            claim=claim,
        )
        rig.traces.decided(operation, None)
        return rig.hub.unlock.present(claim, alive)

    return decide


class Listening(DeskHub):
    """A hub that notes with which `link` a log line would be written."""

    def __init__(self) -> None:
        super().__init__(site.make_key())
        self.links: list[tuple[str, object]] = []

    def tell(self, event: str, facts: Mapping[str, Any]) -> None:
        super().tell(event, facts)
        self.links.append((event, structlog.contextvars.get_contextvars().get("link")))


async def test_what_is_logged_of_a_visit_has_its_number_and_nothing_else_has() -> None:
    """The decision is told soon after it, in a turn of its own."""
    hub = Listening()
    rig = Rig(hub)
    async with rig.serving():
        for visit in (7, 8):
            peer = Peer(rig, "anna")
            peer.id = LinkId("anna", visit)
            peer.connect()
            assert await peer.unlock() is not None
            await settle()
            rig.links.closed(peer.id)
            hub.tell("door", {"door": "front", "what": "forced"})
    assert [link for event, link in hub.links if event == "access"] == [7, 8]
    assert [link for event, link in hub.links if event == "door"] == [None, None]


async def test_what_the_radio_refuses_is_logged_with_the_number_of_the_visit(rig: Rig) -> None:
    links: list[object] = []
    notify = rig.radio.notify

    async def refuse(link: LinkId, frame: bytes) -> None:
        links.append(structlog.contextvars.get_contextvars().get("link"))
        await notify(link, frame)

    rig.radio.notify = refuse  # type: ignore[method-assign]
    async with rig.serving():
        peer = Peer(rig, "anna")
        peer.id = LinkId("anna", 9)
        peer.connect()
        await peer.unlock()
    assert set(links) == {9}


async def test_a_resume_that_came_twice_burns_no_wish(rig: Rig) -> None:
    """A write that arrives a second time ends the link; the wish it carried may be asked once more,
    with its op.
    """
    async with rig.serving():
        wallet = await taught(rig)
        strikes = rig.hub.strikes
        peer = Peer(rig, "A", wallet)
        peer.connect()
        request = request_of(peer)
        op = peer.attempt.op
        assert peer.out is not None
        peer.out.load(request)
        frame = peer.out.pull(247)
        rig.links.frame(peer.id, frame, 247)
        with pytest.raises(PeerError):
            rig.links.frame(peer.id, frame, 247)
        await settle()
        rig.links.closed(peer.id)
        await settle()
        rig.hub.clock.advance(1)
        again = Peer(rig, "B", wallet)
        again.attempt = Attempt(wallet, 1, Action.OPEN, os.urandom, BLE_GATT, op)
        again.connect()
        decided = await again.unlock()
        assert decided is not None
        assert decided.verdict.allowed
        assert rig.hub.strikes == strikes + 1


@pytest.mark.parametrize("path", ["full", "short"])
async def test_a_request_taken_back_is_never_answered_in_the_name_of_the_next(
    rig: Rig, path: str
) -> None:
    """A phone that says BYE while its request is at work gets no new challenge before that work has
    ended.
    """
    decisions: list[asyncio.Future[ClaimOutcome]] = []
    alive: list[Callable[[], bool]] = []

    async def decide(_claim: Claim, still: Callable[[], bool]) -> ClaimOutcome:
        alive.append(still)
        decisions.append(asyncio.get_running_loop().create_future())
        return await decisions[-1]

    async with rig.serving():
        wallet = await taught(rig)
        if path == "full":
            wallet.tickets.clear()
        rig.decide = decide
        peer = Peer(rig, "A", wallet)
        peer.connect()
        peer.send(request_of(peer))
        await settle()
        assert alive[0]()
        peer.bye()
        assert not alive[0]()  # nothing moves for a phone that has taken its request back
        assert peer.info() == b""
        tickets = len(rig.hub.tickets)
        decisions[0].set_result(ClaimOutcome(None, DoorState.RELEASED))
        assert await peer.messages() == []
        assert len(rig.hub.tickets) == tickets
        rig.decide = None
        again = Peer(rig, "A", wallet)
        decided = await again.unlock()
        assert decided is not None
        assert decided.verdict.allowed


async def test_a_link_has_one_place_in_the_rsa_queue(rig: Rig) -> None:
    async with rig.serving():
        wallet = await taught(rig)
        wallet.tickets.clear()
        rig.rsa.at_once = False
        peer = Peer(rig, "A", wallet)
        peer.connect()
        for _ in range(5):
            if not (info := peer.info()):
                break
            for effect in peer.attempt.challenge(info, rig.hub.clock.wall()):
                if isinstance(effect, SendMessage):
                    peer.send(effect.message)
            await settle()
            peer.bye()
        assert rig.rsa_places_taken == 1
        rig.rsa.step()
        await settle()
        assert rig.rsa_places_taken == 0
        assert rig.hub.strikes == 1  # the teacher's
        assert peer.info()


async def test_a_message_while_another_is_at_work_is_dropped_and_the_second_ends_the_link(
    rig: Rig,
) -> None:
    async with rig.serving():
        wallet = await taught(rig)
        wallet.tickets.clear()
        rig.rsa.at_once = False
        peer = Peer(rig, "A", wallet)
        peer.connect()
        request = request_of(peer)
        peer.send(request)
        peer.send(request)
        with pytest.raises(SequenceError, match="while another is at work"):
            peer.send(request)
        await settle()
        rig.rsa.step()
        await settle()
        assert rig.radio.dropped == [peer.id]
        assert rig.rsa_places_taken == 0
        assert rig.hub.strikes == 1


async def test_a_radio_that_cannot_drop_harms_nobody_else(rig: Rig) -> None:
    async with rig.serving():
        rig.radio.drop_fails = LinkError("radio: the adapter does not answer")
        bad = Peer(rig, "bad")
        bad.connect()
        with pytest.raises(PeerError):
            rig.links.frame(bad.id, b"garbage", 247)
        await settle()
        assert "drop_failed" in rig.names()
        await taught(rig)


async def test_a_fault_on_one_link_with_a_radio_that_cannot_drop_harms_nobody_else(
    rig: Rig,
) -> None:
    async def faulty(_claim: Claim, _alive: Callable[[], bool]) -> ClaimOutcome:
        raise RuntimeError("a fault of our own")

    async with rig.serving():
        wallet = await taught(rig)
        rig.decide = faulty
        rig.radio.drop_fails = LinkError("radio: the adapter does not answer")
        bad = Peer(rig, "bad", wallet)
        bad.connect()
        assert await bad.unlock() is None
        assert {"link_fault", "drop_failed"} <= set(rig.names())
        rig.decide = None
        rig.radio.drop_fails = None
        await taught(rig)


async def test_a_fault_before_the_decision_is_begun_ends_its_link_only(rig: Rig) -> None:
    """A short path is decided inside the write: the radio that brought it must not meet a fault of
    ours.
    """

    def faulty(_claim: Claim, _alive: Callable[[], bool]) -> Awaitable[ClaimOutcome]:
        raise RuntimeError("a fault of our own")

    async with rig.serving():
        wallet = await taught(rig)
        rig.decide = faulty
        bad = Peer(rig, "bad", wallet)
        bad.connect()
        assert await bad.unlock() is None
        assert "link_fault" in rig.names()
        assert rig.radio.dropped == [bad.id]
        rig.decide = None
        await taught(rig)


async def test_a_machine_without_a_thread_ends_its_link_only(rig: Rig) -> None:
    """The write that brought the request must not meet it: the radio has other phones."""
    async with rig.serving():
        wallet = await taught(rig)
        wallet.tickets.clear()
        rig.rsa.refusing = RuntimeError("can't start new thread")
        bad = Peer(rig, "bad", wallet)
        bad.connect()
        assert await bad.unlock() is None
        (why,) = [facts["why"] for name, facts in rig.told if name == "link_fault"]
        assert "hubd cannot start a thread for RSA" in str(why)
        assert rig.radio.dropped == [bad.id]
        assert rig.rsa_places_taken == 0
        rig.rsa.refusing = None
        await taught(rig)


async def test_a_place_in_the_rsa_queue_comes_back_whatever_happens(rig: Rig) -> None:
    async with rig.serving():
        wallet = await taught(rig)
        wallet.tickets.clear()
        rig.rsa.failing = MemoryError("no memory")
        for number in range(6):
            peer = Peer(rig, f"P{number}", wallet)
            peer.connect()
            peer.send(request_of(peer))
            await settle()
            rig.links.closed(peer.id)
        assert rig.rsa_places_taken == 0
        rig.rsa.failing = None
        await taught(rig)


async def test_effects_have_a_ceiling_and_an_unseal_among_them_gives_its_place_back(
    rig: Rig,
) -> None:
    async with rig.serving():
        wallet = await taught(rig)
        wallet.tickets.clear()
        rig.radio.free.clear()
        peer = Peer(rig, "slow", wallet)
        peer.connect()
        request = request_of(peer)
        peer.send(request)  # its frames are acknowledged once, and that notification never leaves
        await settle()
        assert rig.rsa_places_taken == 1
        out = Outbound(peer.sid)
        out.load(bytes(4096))
        seq = len(request) // 236 + 1
        steps = rig.links._visits[peer.id]._steps
        for index in range(
            4 * EFFECTS_MAX + 8
        ):  # a long message in frames of one byte: each fourth asks for an ACK
            flags, head = (Flag.FIRST, (4096).to_bytes(2, "big")) if index == 0 else (Flag(0), b"")
            try:
                rig.links.frame(
                    peer.id, control_frame(flags, peer.sid, (seq + index) % 256) + head + b"x", 247
                )
            except PeerError:
                break
            assert steps.qsize() <= EFFECTS_MAX
        else:
            pytest.fail("who overfills the queue is told nothing")
        await settle()
        rig.radio.free.set()
        await settle()
        assert rig.rsa_places_taken == 0
        assert peer.id in rig.radio.dropped
        rig.links.closed(peer.id)
        await taught(rig)


async def test_a_notification_that_never_leaves_ends_its_link(rig: Rig) -> None:
    async with rig.serving():
        rig.radio.notify_fails = TimeoutError()
        peer = Peer(rig, "A")
        peer.connect()
        assert await peer.unlock() is None
        assert rig.radio.dropped[0] == peer.id
        rig.radio.notify_fails = None
        rig.links.closed(peer.id)
        await taught(rig)


async def test_a_stranger_makes_room_for_a_newcomer(rig: Rig) -> None:
    async with rig.serving():
        strangers = [LinkId(f"S{n}", 1) for n in range(LINKS_MAX)]
        for stranger in strangers:
            rig.links.opened(stranger)
        await taught(rig)
        await settle()
        assert rig.radio.dropped == [strangers[0]]
        assert len(rig.links) == LINKS_MAX - 1


@pytest.mark.parametrize("answer", ["yes", "revoked", "expired"])
async def test_an_answer_earns_no_place(rig: Rig, answer: str) -> None:
    """Who kept a place by a yes would show that it was one, and by any answer, that an ended grant
    holds the links.
    """
    async with rig.serving():
        first = Peer(
            rig,
            "answered",
            make_wallet(rig.hub.issuer, days=(-2, -1) if answer == "expired" else (-1, 30)),
        )
        if answer == "revoked":
            rig.hub.policy.credentials.add("c0ffee00c0ffee00")
        first.connect()
        decided = await first.unlock()
        assert decided is not None
        assert decided.verdict.allowed is (answer == "yes")
        for n in range(LINKS_MAX):
            rig.links.opened(LinkId(f"S{n}", 1))
            assert len(rig.links) <= LINKS_MAX
        await settle()
        assert rig.radio.dropped == [first.id]


async def test_who_failed_makes_room_before_an_older_one_that_did_not(rig: Rig) -> None:
    async with rig.serving():
        older = Peer(rig, "older")
        failed = Peer(rig, "failed")
        older.connect()
        failed.connect()
        failed.info()
        failed.send(b"nonsense")
        await settle()
        rig.links.opened(LinkId("third", 1))
        rig.links.opened(LinkId("newcomer", 1))
        await settle()
        assert rig.radio.dropped == [failed.id]


async def test_who_made_room_is_not_heard_until_it_comes_again(rig: Rig) -> None:
    """The radio takes its time to end a link; meanwhile its peer must not push the next one out."""
    async with rig.serving():
        strangers = [LinkId(f"S{n}", 1) for n in range(LINKS_MAX + 1)]
        for stranger in strangers:
            rig.links.opened(stranger)
        for _ in range(5):
            assert rig.links.info(strangers[0]) == b""
            with pytest.raises(SequenceError):
                rig.links.frame(strangers[0], b"more", 247)
            rig.links.opened(strangers[0])
        await settle()
        assert rig.radio.dropped == [strangers[0]]
        rig.links.closed(strangers[0])
        rig.links.closed(strangers[1])
        rig.links.opened(LinkId("S0", 2))
        assert rig.links.info(LinkId("S0", 2))


async def strikes_of_a_resume(
    rig: Rig, wallet: Wallet, stand_seconds: float, info_first: bool
) -> int:
    """Send a resume that was written before the loop stood still for so long, or after; return the
    strikes.
    """
    before = rig.hub.strikes
    peer = Peer(rig, f"after {stand_seconds} s, {info_first}", wallet)
    peer.connect()
    if not info_first:
        rig.hub.clock.advance(stand_seconds)
    request = request_of(peer)
    if info_first:
        rig.hub.clock.advance(stand_seconds)
    peer.send(request)
    await settle()
    rig.links.closed(peer.id)
    return rig.hub.strikes - before


async def test_a_request_that_waited_while_the_loop_stood_still_moves_nothing(rig: Rig) -> None:
    """Bytes bear no time: what is found after a standstill may be as old as that, unless it answers
    a new challenge.
    """
    async with rig.serving():
        wallet = await taught(rig)
        assert await strikes_of_a_resume(rig, wallet, 15.0, info_first=True) == 0
        wallet.tickets.clear()
        assert await strikes_of_a_resume(rig, (await taught(rig)), 15.0, info_first=False) == 1
        assert (
            await strikes_of_a_resume(rig, (await taught(rig)), LATE_SECONDS + 0.1, info_first=True)
            == 0
        )
        assert (
            await strikes_of_a_resume(rig, (await taught(rig)), LATE_SECONDS - 0.5, info_first=True)
            == 1
        )


async def test_the_loop_shows_that_it_comes_round(rig: Rig) -> None:
    """Else every request would count from the start, and none would open anything after a while."""
    async with rig.serving():
        for _ in range(2 * int(DRAIN_SECONDS / TURN_SECONDS)):
            rig.hub.clock.advance(TURN_SECONDS)
            await asyncio.sleep(TURN_SECONDS / 10)
        wallet = await taught(rig)
        assert wallet.tickets
        now = rig.hub.clock.monotonic()
        await until(lambda: rig.links._standstill._last_turn == now)


async def test_a_link_that_is_not_gone_is_dropped_again_with_a_ceiling_and_told() -> None:
    rig = Rig(DeskHub(site.make_key()), drop_pause_seconds=0.001)
    async with rig.serving():
        for link, fails in (
            (LinkId("A", 1), LinkError("radio: BlueZ refuses")),
            (LinkId("B", 1), None),
        ):
            rig.radio.drop_fails = fails
            rig.links.opened(link)
            with pytest.raises(PeerError):
                rig.links.frame(link, b"garbage", 247)
            await until(lambda: len([n for n in rig.names() if n == "drop_failed"]) == DROP_TRIES)
            assert rig.radio.dropped == DROP_TRIES * [link]
            assert [facts["attempt"] for _, facts in rig.told] == list(range(1, DROP_TRIES + 1))
            rig.radio.dropped.clear()
            rig.told.clear()


async def test_a_link_that_has_gone_is_dropped_once() -> None:
    rig = Rig(DeskHub(site.make_key()), drop_pause_seconds=0.05)
    async with rig.serving():
        sent_away = [LinkId(f"S{n}", 1) for n in range(2)]
        broken = LinkId("broken", 1)
        for link in [*sent_away, broken]:
            rig.links.opened(link)
        with pytest.raises(PeerError):
            rig.links.frame(broken, b"garbage", 247)
        for n in range(LINKS_MAX - 1):
            rig.links.opened(LinkId(f"new {n}", 1))
        await settle()
        for link in list(rig.radio.dropped):
            rig.links.closed(link)
        dropped = list(rig.radio.dropped)
        assert broken in dropped
        await asyncio.sleep(0.2)
        assert rig.radio.dropped == dropped
        assert "drop_failed" not in rig.names()


def short_of_rsa(rate: float, wait_seconds: float) -> Rig:
    """A hub with one RSA token; then a line that moves `rate` times a second."""
    hub = DeskHub(site.make_key())
    hub.budget = Budget(rate, burst=1, at_once=LINKS_MAX, wait_seconds=wait_seconds)
    hub.side = replace(hub.side, budget=hub.budget)
    return Rig(hub)


async def test_who_stands_in_line_gets_its_turn() -> None:
    rig = short_of_rsa(rate=20.0, wait_seconds=1.0)
    async with rig.serving():
        known = await taught(rig)
        peers = [Peer(rig, name) for name in ("first", "second", "third")]
        for peer in peers:
            peer.connect()
            peer.learn_epoch(known)
            peer.send(request_of(peer))
        assert rig.rsa_places_taken == 3
        async with asyncio.timeout(5):
            for peer in peers:
                while not (messages := await peer.messages()):
                    await rig.radio.more()
                (effect,) = peer.attempt.receive(messages[0], rig.hub.clock.wall())
                assert isinstance(effect, Decided)
                assert effect.verdict.allowed
        assert rig.rsa_places_taken == 0


async def test_who_leaves_the_line_costs_nothing() -> None:
    rig = short_of_rsa(rate=0.5, wait_seconds=60.0)  # a turn comes in 2 s
    async with rig.serving():
        known = await taught(rig)
        rig.rsa.at_once = False
        for visit in range(20):
            peer = Peer(rig, f"visit {visit}")
            peer.connect()
            peer.learn_epoch(known)
            peer.send(request_of(peer))
            await settle()
            rig.links.closed(peer.id)
            await settle()
            assert rig.rsa_places_taken == len(rig.rsa.jobs)
        assert len(rig.rsa.jobs) <= 1
        assert rig.hub.budget.take(rig.hub.clock.monotonic()) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("asks", "seconds", "why"),
    [
        (False, FIRST_READ_SECONDS, "nothing was asked"),
        (True, IDLE_SECONDS, "idle"),
    ],
)
async def test_deadlines_end_a_link(rig: Rig, asks: bool, seconds: float, why: str) -> None:
    peer = Peer(rig, "A")
    link = rig.hub.connect()
    if asks:
        link.challenge(rig.hub.clock.monotonic())
    assert link.expired(rig.hub.clock.monotonic() + seconds) is None
    assert link.expired(rig.hub.clock.monotonic() + seconds + 0.1) == why
    async with rig.serving():
        peer.connect()
        if asks:
            peer.info()
        rig.hub.clock.advance(seconds + 0.1)
        await until(lambda: len(rig.links) == 0 and bool(rig.radio.dropped))
        assert rig.radio.dropped == [peer.id]
        assert [str(cause) for cause in rig.refused] == [f"link: {why}"]


async def test_reading_instead_of_notifications(rig: Rig) -> None:
    async with rig.serving():
        peer = Peer(rig, "A")
        peer.connect()
        peer.begin()
        assert peer.out is not None
        peer.send(encode_to_hub(Open(Aead.A256GCM, bytes(12), b"", bytes(8), bytes(384))))
        frame = decode_frame(rig.links.next_frame(peer.id, 247))
        assert decode_to_phone(frame.payload) == Error(ErrorCode.UNKNOWN_EPOCH)


async def test_a_reader_is_answered_at_once_whether_there_is_something_or_not(rig: Rig) -> None:
    async with rig.serving():
        peer = Peer(rig, "A")
        peer.connect()
        peer.info()
        assert rig.links.next_frame(peer.id, 247) == b""
        peer.send(b"garbage")
        await settle()
        frame = decode_frame(rig.links.next_frame(peer.id, 247))
        assert decode_to_phone(frame.payload) == Error(ErrorCode.BAD_FRAME)


async def test_a_phone_that_reads_every_30_ms_gets_its_verdict_and_keeps_its_link(rig: Rig) -> None:
    """As a phone that hears no notification reads TXR in the first second after its request."""
    decided = asyncio.Event()

    async def decide(claim: Claim, alive: Callable[[], bool]) -> ClaimOutcome:
        await decided.wait()
        return await rig.hub.unlock.present(claim, alive)

    async with rig.serving():
        wallet = await taught(rig)
        rig.decide = decide
        peer = Peer(rig, "A", wallet)
        peer.connect()
        peer.send(request_of(peer))
        for _ in range(round(SOON_SECONDS / PULL_SOON_SECONDS)):
            assert rig.links.next_frame(peer.id, 247) == b""
            rig.hub.clock.advance(PULL_SOON_SECONDS)
            await settle()
        decided.set()
        await until(lambda: bool(rig.radio.sent.get(peer.id)))
        frame = decode_frame(rig.links.next_frame(peer.id, 247))
        message = decode_to_phone(frame.payload)
        assert isinstance(message, VerdictMessage)
        assert rig.radio.dropped == []
        assert rig.refused == []


async def test_a_denial_is_followed_by_a_door_state_like_a_release() -> None:
    rig = Rig(DeskHub(site.make_key()), strike_seconds=0.05)
    loop = asyncio.get_running_loop()
    async with rig.serving():
        wallet = await taught(rig)
        rig.hub.policy.credentials.add("c0ffee00c0ffee00")
        peer = Peer(rig, "A", wallet)
        peer.connect()
        decided = await peer.unlock()
        assert decided is not None
        assert decided.verdict.reason is Reason.REVOKED
        began = loop.time()
        messages: list[bytes] = []
        async with asyncio.timeout(5):
            while not (messages := await peer.messages()):
                await rig.radio.more()
        assert loop.time() - began >= 0.04
        (effect,) = peer.attempt.receive(messages[0], rig.hub.clock.wall())
        assert effect.state.door is DoorState.UNKNOWN  # type: ignore[union-attr]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.01)
