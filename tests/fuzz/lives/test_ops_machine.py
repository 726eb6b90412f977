"""One wish in any order: tries and retries on many links, leavings, a slow or failing disk, a
failing door, restarts.

Oracle: an operation strikes at most once, and only after its own durable yes; one for which nothing
was done is not refused for having been asked.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable
from dataclasses import dataclass, field
from functools import cache
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hubcore.access.claim import Claim, ClaimOutcome, Strength
from hubcore.access.grant import Grant, read_grant
from hubcore.access.once import OP_SECONDS, TRIES
from hubcore.access.words import Action, Denial, Mode
from hubcore.door.state import DoorState
from hubcore.evidence.records import Record, RecordKind
from hubd.doors.persons import Persons
from hubd.doors.rules import Point, SiteRules
from hubd.doors.unlock import LATE_SECONDS, Unlock
from hubsim import site
from tests.fakes.audit import FakeAudit
from tests.fakes.mover import FakeMover
from tests.fakes.policy import FakePolicy
from tests.fuzz.common import effort
from tests.pair import DAY, SITE, Watch, make_wallet
from tests.virtualtime import VirtualLoop, virtual_clock

REACHED: Counter[str] = Counter()
WHO = ("anna", "ben")
OPS = [bytes([number]) * 8 for number in range(3)]
Key = tuple[str, bytes]


@cache
def grant_of(credential: str) -> Grant:
    issuer = site.make_key()
    return read_grant(make_wallet(issuer, credential).grant, issuer.verify_key, SITE)


@dataclass
class Try:
    """One presentation of an operation."""

    key: Key
    came: float
    there: bool = True
    outcome: ClaimOutcome | None = None
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Wishes(RuleBasedStateMachine):
    """The machine."""

    @initialize()
    def begin(self) -> None:
        self.loop = VirtualLoop()
        self.clock = virtual_clock(self.loop)
        self.log = FakeAudit()
        self.log.on_taken = self.count
        self.door = FakeMover(on_asked=self.about_to_strike)
        self.striking: deque[Key] = deque()
        self.slow()
        self.policy = FakePolicy()
        self.tries: list[Try] = []
        self.struck: dict[Key, float] = {}
        self.works: set[Key] = set()
        self.denied: dict[Key, float] = {}
        self.unknown: dict[Key, float] = {}
        self.start()

    def slow(self) -> None:
        """Have records and strikes wait for `disk` and `strike`."""
        self.log.hold()
        self.door.holding = True

    def start(self) -> None:
        self.in_vain: Counter[str] = Counter()
        points = {1: Point(1, "front", False, 5.0)}
        self.unlock = Unlock(
            rules=SiteRules(points, ZoneInfo("Europe/Berlin"), 90 * DAY),
            policy=self.policy,
            log=self.log,
            clock=self.clock,
            tell=lambda _event, _facts: None,
            doors={"front": self.door},
            watch=Watch(),
            persons=Persons(self.clock),
        )

    # What phones do.

    @rule(who=st.sampled_from(WHO), op=st.sampled_from(OPS))
    def ask(self, who: str, op: bytes) -> None:
        self.present((who, op))

    @precondition(lambda self: self.tries)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.tries)).there = False

    @precondition(lambda self: self.tries)
    @rule(data=st.data())
    def ask_again(self, data: st.DataObject) -> None:
        self.present(data.draw(st.sampled_from(self.tries)).key)

    @rule(
        who=st.sampled_from(WHO),
        op=st.sampled_from(OPS),
        recorded=st.booleans(),
        retries=st.integers(0, 2),
    )
    def ask_in_vain(self, who: str, op: bytes, recorded: bool, retries: int) -> None:
        """The link breaks before the strike; others may be asking the same meanwhile."""
        one = self.present((who, op))
        for _ in range(retries):
            self.present(one.key)
        one.there = False
        if recorded and self.log.held:
            self.disk(True)

    @rule(who=st.sampled_from(WHO), op=st.sampled_from(OPS))
    def ask_in_vain_too_often(self, who: str, op: bytes) -> None:
        """A phone that leaves before each strike; then it stays."""
        for _ in range(int(TRIES.burst) + 1):
            self.ask_in_vain(who, op, recorded=True, retries=0)
            while self.log.held:
                self.disk(True)
        self.ask_in_peace(who, op)

    @rule(who=st.sampled_from(WHO), op=st.sampled_from(OPS))
    def ask_at_a_broken_door(self, who: str, op: bytes) -> None:
        """The door's guard says that it failed; what the line did nobody knows."""
        while self.log.held:
            self.disk(True)
        self.log.move_on()
        self.present((who, op))
        while self.door.held:
            self.strike(False)
        self.slow()

    # What the hub's world does.

    @precondition(lambda self: self.log.held)
    @rule(durable=st.sampled_from([True, True, True, False]))
    def disk(self, durable: bool) -> None:
        self.log.step(durable)
        self.settle()

    @precondition(lambda self: self.door.held)
    @rule(works=st.sampled_from([True, True, False]))
    def strike(self, works: bool) -> None:
        key = self.striking.popleft()
        self.in_vain[key[0]] -= 1
        if not works and not self.door.held[0].done():
            self.works.discard(key)
        self.door.step(works)
        self.settle()

    @rule(seconds=st.sampled_from([0.1, 1.0, 1.9, 2.1, 30.0, OP_SECONDS + 1]))
    def time_passes(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))
        self.settle()

    @rule(mode=st.sampled_from([Mode.NORMAL, Mode.NORMAL, Mode.LOCKDOWN]), revoked=st.booleans())
    def policy_changes(self, mode: Mode, revoked: bool) -> None:
        self.policy.modes[1] = mode
        self.policy.credentials = {"ben"} if revoked else set()

    @rule(data=st.data())
    def restart(self, data: st.DataObject) -> None:
        """The daemon is killed: what it had handed to the disk is durable up to some record."""
        for _ in range(data.draw(st.integers(0, len(self.log.held)))):
            self.log.step(True)
        self.log.held.clear()
        self.end_all()  # a strike that a dying daemon still asked for is nobody's any more
        self.log.held.clear()
        self.door.held.clear()
        self.striking.clear()
        self.works.clear()
        self.unknown = self.unknown_now()
        self.start()
        self.unlock.remember(self.log.newest(self.log.last() + 1, 10_000))

    @rule(who=st.sampled_from(WHO), op=st.sampled_from(OPS))
    def ask_in_peace(self, who: str, op: bytes) -> None:
        """All is well and the phone stays: what it is told follows from what was done before."""
        key = who, op
        self.policy_changes(Mode.NORMAL, revoked=False)
        while self.log.held:
            self.disk(True)
        self.log.move_on()
        self.door.holding = False
        while self.door.held:
            self.strike(True)
        self.settle()
        before = self.struck.get(key)
        now = self.loop.now
        one = self.present(key)
        assert one.outcome is not None
        if before is not None and now - before <= OP_SECONDS - LATE_SECONDS - 2:
            assert one.outcome.why is (None if key in self.works else Denial.DOOR_FAULT)
        elif (
            before is None
            and not self.lately(self.denied, key)
            and not self.lately(self.unknown, key)
        ):
            if one.outcome.why in (Denial.BUSY, Denial.TOO_LATE) and self.too_often(who):
                assert key not in self.struck
            else:
                assert one.outcome.allowed, f"nothing was done, and yet: {one.outcome}"
                assert self.struck[key] == now
            REACHED["after nothing"] += any(
                other.key == key and other is not one for other in self.tries
            )
        self.slow()

    # How it is done.

    def unknown_now(self) -> dict[Key, float]:
        """The operations of which the records say yes, and not that nothing came of it: nobody can
        know more.
        """
        unknown: dict[Key, float] = {}
        for record in (Record.decode(stored.body) for stored in self.log.stored):
            key = str(record.detail["asker"]), record.detail.get("op", record.detail.get("of"))
            if record.kind is RecordKind.ACCESS and record.detail["why"] is None:
                unknown[key] = record.mono_ms / 1000  # type: ignore[index]
            elif record.kind is RecordKind.FAULT and record.detail["moved"] is False:
                unknown.pop(key, None)  # type: ignore[arg-type]
        return unknown

    def count(self, record: Record) -> None:
        """Count a yes as in vain, until its strike is driven or fails."""
        if record.kind is RecordKind.ACCESS and record.detail["why"] is None:
            self.in_vain[str(record.detail["asker"])] += 1

    def too_often(self, credential: str) -> bool:
        """Whether the credential may have had too many a yes that came to nothing."""
        return self.in_vain[credential] >= TRIES.burst

    def lately(self, times: dict[Key, float], key: Key) -> bool:
        return self.loop.now - times.get(key, -OP_SECONDS) <= OP_SECONDS + 1

    def present(self, key: Key) -> Try:
        credential, op = key
        one = Try(key, self.loop.now)
        claim = Claim.under(
            grant_of(credential),
            access_point=1,
            action=Action.OPEN,
            op=op,
            strength=Strength.FULL,
            arrived=one.came,
        )

        async def begin() -> None:
            decided = self.unlock.present(claim, lambda: one.there)
            one.task = asyncio.create_task(ended(decided))

        async def ended(decided: Awaitable[ClaimOutcome]) -> None:
            one.outcome = await decided
            REACHED[one.outcome.why.name if one.outcome.why else "GRANTED"] += 1
            if one.outcome.allowed:
                assert one.key in self.struck, "told yes, and nothing moved"
                assert one.outcome.door is DoorState.SECURED
            if one.outcome.why in (Denial.BUSY, Denial.TOO_LATE):
                late = self.loop.now - one.came > LATE_SECONDS
                assert not one.there or late or self.too_often(credential), (
                    "told busy, and it is there in time"
                )
                REACHED["too often"] += one.there and not late
            if one.outcome.why in (Denial.LOCKDOWN, Denial.CREDENTIAL_REVOKED):
                self.denied[one.key] = self.loop.now

        self.tries.append(one)
        self.loop.run_until_complete(begin())
        self.settle()
        return one

    def settle(self) -> None:
        async def turns() -> None:
            for _ in range(30):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())
        for one in self.tries:
            if one.task is not None and one.task.done() and not one.task.cancelled():
                one.task.result()

    def about_to_strike(self, _seconds: float) -> None:
        """Hold a strike against the evidence at the moment it is asked for."""
        now = self.loop.now
        one = next(one for one in self.tries if one.task is asyncio.current_task())
        records = [Record.decode(stored.body).detail for stored in self.log.stored]
        yes = [
            record
            for record in records
            if record.get("op") == one.key[1] and record["asker"] == one.key[0]
        ]
        assert yes[-1]["why"] is None, "a strike without its own durable yes"
        since = now - self.struck.get(one.key, -OP_SECONDS)
        assert since > OP_SECONDS - LATE_SECONDS - 2, f"{one.key} strikes twice within {since} s"
        assert one.there
        assert now - one.came <= LATE_SECONDS
        assert one.key[0] not in self.policy.credentials
        assert self.policy.mode(1) is Mode.NORMAL
        self.struck[one.key] = now
        self.works.add(one.key)
        REACHED["struck"] += 1
        if self.door.holding:
            self.striking.append(one.key)
        else:
            self.in_vain[one.key[0]] -= 1

    def end_all(self) -> None:
        tasks = [one.task for one in self.tries if one.task is not None]

        async def ended() -> None:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.loop.run_until_complete(ended())
        self.tries = []

    @invariant()
    def bounded(self) -> None:
        if not hasattr(self, "unlock"):
            return
        for table in self.unlock._operations._tables.values():
            assert len(table._ops) <= len(WHO) * len(OPS)
        waiting = {one.key for one in self.tries if one.task is not None and not one.task.done()}
        assert {
            (asker.removeprefix("access/"), op) for asker, op in self.unlock._operations._at_work
        } <= waiting

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.end_all()
            self.loop.close()


def test_no_order_of_wishes_breaks_a_law() -> None:
    run_state_machine_as_test(Wishes, settings=effort(150, 40))
    reached = ("GRANTED", "BUSY", "DOOR_FAULT", "LOCKDOWN", "CREDENTIAL_REVOKED")
    wanted = ("struck", "after nothing", "too often", *reached)
    assert min(REACHED[name] for name in wanted) >= 3, REACHED
