"""A hub's life in any order: links and phones come and go, good and bad; clocks, epochs, disks and
restarts happen.

Effects are performed when the machine says so, not at once, as on a busy hub. Oracle: nothing but
effects comes out; a strike is released only after its own durable record says granted, and once for
an operation; every Unseal's place in the RSA budget comes back; ceilings hold; at the end an honest
phone is served and the evidence is whole.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import assert_never

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hubcore.access.claim import Claim, ClaimOutcome
from hubcore.access.once import OP_SECONDS
from hubcore.access.words import Action, Mode
from hubcore.errors import PeerError, ProofError, StoreError
from hubcore.evidence.records import Record, RecordKind, Walk
from hubcore.phone.effects import Drop, FollowUp, Presented, Refused, Unseal
from hubcore.phone.epochs import LIVE_MAX, EpochRing
from hubcore.phone.framing import Flag, Inbound, Outbound, control_frame, decode_frame
from hubcore.phone.link import HubLink, LinkEffect, Notify
from hubcore.phone.messages import GET_EPOCH, EpochAnswer, decode_challenge, encode_to_phone
from hubcore.phone.sealing import BLE_GATT, open_request
from hubcore.phone.tickets import TICKETS_A_CREDENTIAL, TicketTable
from hubcore.ports.clock import ClockState
from hubsim import site
from hubsim.phone.effects import Decided, SendMessage
from hubsim.phone.machine import Attempt, AttemptPhase
from tests.fakes.mover import FakeMover
from tests.fuzz.bytes.test_receive import check_ceilings, run
from tests.fuzz.common import effort, spoiled
from tests.pair import DAY, DeskHub, Phone, make_wallet

REACHED: Counter[str] = Counter()
"""How often the machine got how far, over all its lives: a machine that reaches nothing shows
nothing.
"""
ISSUER = site.make_key()
PHONES = 3
LINKS = 4
HOW_MANY = st.sampled_from([12, 0, 1, 2, 3])
"""How many effects of a request are performed at once; a dozen are all of them."""
OPS = [bytes([number]) * 8 for number in range(4)]


@dataclass
class Visit:
    """A link with the phone at its other end, and what is still to be performed."""

    link: HubLink
    phone: int
    effects: deque[LinkEffect] = field(default_factory=deque)
    info: bytes = b""
    seq: int = 0
    gone: bool = False
    inbound: Inbound | None = None
    attempt: Attempt | None = None


class Life(RuleBasedStateMachine):
    """The machine."""

    @initialize()
    def begin(self) -> None:
        self.hub = DeskHub(ISSUER)
        self.wallets = [make_wallet(ISSUER, f"phone-{number}") for number in range(PHONES)]
        self.real_doors = self.hub.doors
        self.hub.doors = {  # each asks at a release whether it may
            name: FakeMover(on_asked=self.about_to_release, behind=door)
            for name, door in self.hub.doors.items()
        }
        self.hub.start_unlock()
        self.links: list[Visit] = []
        self.recorded: list[bytes] = []
        self.unsealing = 0
        self.released: list[tuple[str, bytes, float]] = []
        self.verdicts = 0
        self.epoch = 0

    # What happens to links.

    @precondition(lambda self: len(self.links) < LINKS)
    @rule(phone=st.integers(0, PHONES - 1))
    def connect(self, phone: int) -> None:
        self.links.append(Visit(self.hub.connect(), phone))

    @precondition(lambda self: self.links)
    @rule(data=st.data())
    def read_info(self, data: st.DataObject) -> None:
        self._read(self._one(data))

    def _read(self, one: Visit) -> None:
        info = one.link.challenge(self.hub.clock.monotonic())
        if info:
            one.info = info
            one.seq = 0
            one.attempt = None
            one.inbound = Inbound(decode_challenge(info).sid, repeats=True)

    @precondition(lambda self: self.links)
    @rule(
        data=st.data(),
        op=st.sampled_from(OPS),
        point=st.sampled_from([1, 1, 1, 2, 9]),
        short=st.booleans(),
    )
    def ask(self, data: st.DataObject, op: bytes, point: int, short: bool) -> None:
        """Send what an honest phone sends, but for a ticket that may have been used before."""
        one = self._one(data)
        action = data.draw(
            st.sampled_from([Action.OPEN, Action.OPEN, Action.QUERY, Action.HOLD_OPEN])
        )
        request = self._request(one, op, point, action, short)
        if request:
            self._send(one, request)

    @precondition(lambda self: self.links)
    @rule(data=st.data(), op=st.sampled_from(OPS), short=st.booleans())
    def ask_spoiled(self, data: st.DataObject, op: bytes, short: bool) -> None:
        one = self._one(data)
        request = self._request(one, op, 1, Action.OPEN, short)
        if request:
            self._send(one, data.draw(spoiled(request))[:4096])

    @precondition(lambda self: self.links)
    @rule(data=st.data())
    def ask_epoch(self, data: st.DataObject) -> None:
        self._send(self._one(data), GET_EPOCH)

    @precondition(lambda self: self.links and self.recorded)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        self._send(self._one(data), data.draw(st.sampled_from(self.recorded)))

    @precondition(lambda self: self.links)
    @rule(data=st.data(), junk=st.binary(max_size=300))
    def write_junk(self, data: st.DataObject, junk: bytes) -> None:
        one = self._one(data)
        self._write(one, junk)

    @precondition(lambda self: self.links)
    @rule(
        data=st.data(),
        flag=st.sampled_from([Flag.BYE, Flag.BYE, Flag.ACK]),
        seq=st.integers(0, 255),
    )
    def write_control(self, data: st.DataObject, flag: Flag, seq: int) -> None:
        one = self._one(data)
        if one.info:
            self._write(one, control_frame(flag, decode_challenge(one.info).sid, seq))

    @precondition(lambda self: self.links)
    @rule(data=st.data(), seq=st.integers(1, 4096))
    def begin_long_message(self, data: st.DataObject, seq: int) -> None:
        one = self._one(data)
        if one.info:
            head = control_frame(Flag.FIRST, decode_challenge(one.info).sid, one.seq % 256)
            self._write(one, head + seq.to_bytes(2, "big") + b"x")

    @precondition(lambda self: self.links)
    @rule(data=st.data())
    def pull(self, data: st.DataObject) -> None:
        assert len(self._one(data).link.pull(247)) <= 244

    @precondition(lambda self: self.links)
    @rule(data=st.data())
    def disconnect(self, data: st.DataObject) -> None:
        self._end(self._one(data))

    @precondition(lambda self: self.links)
    @rule(data=st.data(), count=st.integers(1, 6))
    def work(self, data: st.DataObject, count: int) -> None:
        """Perform some of the effects that wait on a link."""
        one = self._one(data)
        for _ in range(count):
            if one.effects:
                self._perform(one, one.effects.popleft())

    # What happens to the hub.

    @rule(seconds=st.sampled_from([0.1, 1.0, 2.5, 6.0, 31.0, 121.0]))
    def time_passes(self, seconds: float) -> None:
        self.hub.clock.advance(seconds)
        for one in [*self.links]:
            if one.link.expired(self.hub.clock.monotonic()):
                self._end(one)

    @rule()
    def new_epoch(self) -> None:
        self.epoch += 1
        self.hub.new_epoch(self.epoch % 2)

    @rule()
    def restart(self) -> None:
        """Forget all that is in memory; the records and the doors stay."""
        hub = self.hub
        for one in [*self.links]:
            self._end(one)
        hub.epochs = EpochRing()
        hub.tickets = TicketTable(int(hub.clock.wall()) + 300 * DAY)
        hub.side = dataclasses.replace(hub.side, epochs=hub.epochs, tickets=hub.tickets)
        hub.start_unlock().remember(hub.log.newest(hub.log.last() + 1, 10_000))
        self.new_epoch()

    @rule(
        what=st.sampled_from(["revoke", "lockdown", "disk", "wire", "clock"]),
        phone=st.integers(0, PHONES - 1),
    )
    def trouble(self, what: str, phone: int) -> None:
        hub = self.hub
        match what:
            case "revoke":
                hub.policy.credentials.add(f"phone-{phone}")
                hub.tickets.drop_where(lambda grant: grant.credential == f"phone-{phone}")
            case "lockdown":
                hub.policy.modes[1] = Mode.LOCKDOWN
            case "disk":
                hub.log.failing = StoreError("the disk is full")
            case "wire":
                self.real_doors["front"].faults.broken = "the wire is cut"
            case "clock":
                hub.clock.trust = ClockState.BEHIND_RECORDS

    @rule()
    def mended(self) -> None:
        hub = self.hub
        hub.policy.credentials.clear()
        hub.policy.modes.clear()
        hub.log.failing = None
        self.real_doors["front"].faults.broken = ""
        hub.clock.trust = ClockState.TRUSTED

    @rule(
        phone=st.integers(0, PHONES - 1),
        op=st.sampled_from(OPS),
        short=st.booleans(),
        performed=HOW_MANY,
    )
    def visit(self, phone: int, op: bytes, short: bool, performed: int) -> None:
        """A phone comes and asks; so many effects are performed before anything else happens."""
        if len(self.links) >= LINKS:
            self._end(self.links[0])
        self.links.append(one := Visit(self.hub.connect(), phone))
        self._ask_and_work(one, op, short, performed)

    @precondition(lambda self: self.links)
    @rule(
        data=st.data(),
        op=st.sampled_from(OPS),
        short=st.booleans(),
        performed=HOW_MANY,
        bye=st.booleans(),
    )
    def begin_again(
        self, data: st.DataObject, op: bytes, short: bool, performed: int, bye: bool
    ) -> None:
        """A phone asks anew on its link, and may say BYE to what it asked before."""
        one = self._one(data)
        if bye and one.info:
            self._write(one, control_frame(Flag.BYE, decode_challenge(one.info).sid, 0))
        self._ask_and_work(one, op, short, performed)

    def _ask_and_work(self, one: Visit, op: bytes, short: bool, performed: int) -> None:
        self._read(one)
        self._send(one, self._request(one, op, 1, Action.OPEN, short))
        for _ in range(performed):
            if one.effects:
                self._perform(one, one.effects.popleft())

    # How it is done.

    def _one(self, data: st.DataObject) -> Visit:
        return self.links[data.draw(st.integers(0, len(self.links) - 1))]

    def _request(self, one: Visit, op: bytes, point: int, action: Action, short: bool) -> bytes:
        wallet = self.wallets[one.phone]
        epoch = self.hub.epochs.current
        if not one.info or epoch is None:
            return b""
        wall = self.hub.clock.wall()
        kept = dict(wallet.tickets)
        if not short:
            wallet.tickets.clear()
        attempt = one.attempt = Attempt(wallet, point, action, os.urandom, BLE_GATT)
        attempt.op = op
        effects = attempt.challenge(one.info, wall)
        if attempt.phase is AttemptPhase.EPOCH:
            effects = attempt.receive(
                encode_to_phone(EpochAnswer(self.hub.certificate, epoch.certificate)), wall
            )
        wallet.tickets = kept  # a phone that misbehaves keeps its tickets
        for effect in effects:
            if isinstance(effect, SendMessage):
                self.recorded = [*self.recorded[-8:], effect.message]
                return effect.message
        return b""

    def _hear(self, one: Visit, data: bytes) -> None:
        """Let the phone take a frame; what it would send next is the machine's to choose."""
        frame = decode_frame(data)
        if (
            one.inbound is None
            or frame.sid != one.inbound.sid
            or frame.flags & (Flag.ACK | Flag.BYE)
        ):
            return
        message, ack = one.inbound.accept(frame)
        if ack is not None:
            self._write(one, ack)
        if message is not None and one.attempt is not None:
            self.verdicts += sum(
                isinstance(effect, Decided)
                for effect in one.attempt.receive(message, self.hub.clock.wall())
            )

    def _send(self, one: Visit, message: bytes) -> None:
        if not one.info or not message:
            return
        out = Outbound(decode_challenge(one.info).sid)
        out._seq = one.seq
        out.load(message)
        while frame := out.pull(247):
            self._write(one, frame)
            one.seq = (one.seq + 1) % 256

    def _write(self, one: Visit, frame: bytes) -> None:
        effects = one.link.frame(frame, 247, self.hub.clock.monotonic(), self.hub.clock.wall())
        self._take(one, effects)

    def _take(self, one: Visit, effects: list[LinkEffect]) -> None:
        self.unsealing += sum(isinstance(effect, Unseal) for effect in effects)
        one.effects.extend(effects)

    def _end(self, one: Visit) -> None:
        """The peer has gone; what waits is still performed."""
        self.links = [other for other in self.links if other is not one]
        one.gone = True
        one.link.close()
        while one.effects:
            self._perform(one, one.effects.popleft())

    def _perform(self, one: Visit, effect: LinkEffect) -> None:
        clock = self.hub.clock
        match effect:
            case Notify(frame):
                assert len(frame) <= 244
                self._hear(one, frame)
            case Unseal(job):
                self.unsealing -= 1
                try:
                    result = open_request(job)
                except ProofError as error:
                    self._after(one, one.link.unsealed(error, clock.monotonic()))
                else:
                    self._after(one, one.link.unsealed(result, clock.monotonic()))
            case Presented(claim):
                self.claim = claim
                outcome = run(self._present(one, claim))
                self._after(one, one.link.answer(outcome, clock.monotonic(), clock.wall()))
            case FollowUp(session):
                self._take(
                    one, one.link.follow_up(session, self.hub.watch.state("front"), clock.wall())
                )
            case Refused(cause):
                assert isinstance(cause, PeerError)
            case Drop():
                self._end(one)
            case _:
                assert_never(effect)

    async def _present(self, one: Visit, claim: Claim) -> ClaimOutcome:
        return await self.hub.unlock.present(claim, lambda: not one.gone and one.link.at_work)

    def _after(self, one: Visit, effects: list[LinkEffect]) -> None:
        self.unsealing += sum(isinstance(effect, Unseal) for effect in effects)
        one.effects.extendleft(reversed(effects))

    def about_to_release(self, seconds: float) -> None:
        """Hold a release against the evidence at the moment it is done."""
        last = Record.decode(self.hub.log.stored[-1].body)
        claim = self.claim
        assert last.kind is RecordKind.ACCESS
        assert last.detail["why"] is None
        assert last.detail["asker"] == claim.credential
        assert (last.detail["op"], last.detail["point"], last.detail["action"]) == (
            claim.op,
            claim.access_point,
            1,
        )
        assert claim.credential not in self.hub.policy.credentials
        assert self.hub.policy.mode(1) not in (Mode.LOCKDOWN, Mode.NO_ENTRY)
        assert self.hub.clock.trust is ClockState.TRUSTED
        assert 0 < seconds <= 10
        now = self.hub.clock.monotonic()
        for asker, op, at in self.released:
            assert (asker, op) != (claim.credential, claim.op) or now - at > OP_SECONDS - 3
        self.released.append((claim.credential, claim.op, now))

    @invariant()
    def bounded(self) -> None:
        if not hasattr(self, "hub"):
            return
        assert self.hub.budget._taken == self.unsealing
        assert len(self.hub.epochs._live) <= LIVE_MAX
        assert len(self.hub.tickets) <= PHONES * TICKETS_A_CREDENTIAL
        assert {len(held) for held in self.hub.tickets._by_credential.values()} <= set(
            range(1, TICKETS_A_CREDENTIAL + 1)
        )
        assert len(self.hub.unlock._operations._tables[RecordKind.ACCESS]._ops) <= PHONES * len(OPS)
        assert not self.hub.unlock._operations._at_work
        for one in self.links:
            check_ceilings(one.link)
            assert sum(isinstance(effect, Unseal | Presented) for effect in one.effects) <= 1, (
                "one request at a time"
            )

    def teardown(self) -> None:
        if not hasattr(self, "hub"):
            return
        hub = self.hub
        for one in [*self.links]:
            self._end(one)
        assert hub.budget._taken == 0
        walk = Walk()
        for stored in hub.log.stored:
            walk.take(stored, Record.decode(stored.body).at_ms)
        walk.finish()
        self.mended()
        hub.doors = self.real_doors
        hub.start_unlock().remember(hub.log.newest(hub.log.last() + 1, 10_000))
        hub.clock.advance(20)
        self.new_epoch()
        visit = run(Phone(hub, make_wallet(ISSUER, "honest")).visit())
        assert visit.verdict is not None
        assert visit.verdict.allowed, visit.verdict
        REACHED.update(
            verdicts=self.verdicts, releases=len(self.released), records=len(hub.log.stored)
        )


def test_no_order_of_events_breaks_a_law() -> None:
    run_state_machine_as_test(Life, settings=effort(120, 60))
    assert min(REACHED["verdicts"], REACHED["releases"], REACHED["records"]) >= 5, REACHED
