"""A guest's grant of N uses in any order: claims, repeats, old ids used again, a slow or failing
disk, a failing door, restarts, power cuts between a record and its strike.

Oracle: the door moves N times at most. And as long as fewer than N uses moved it, or may have as
far as the records say, the next claim in peace is let in.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
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
from hubcore.evidence.records import Record, RecordKind
from hubd.doors.persons import Persons
from hubd.doors.rules import Point, SiteRules
from hubd.doors.unlock import Unlock
from hubsim import site
from tests.fakes.audit import FakeAudit
from tests.fakes.mover import FakeMover
from tests.fakes.policy import FakePolicy
from tests.fuzz.common import effort
from tests.pair import DAY, SITE, Watch, make_wallet
from tests.virtualtime import VirtualLoop, virtual_clock

REACHED: Counter[str] = Counter()
OPS = [bytes([number]) * 8 for number in range(4)]
ISSUER = site.make_key()


def grant_of(uses: int) -> Grant:
    wallet = make_wallet(ISSUER, "guest", uses=uses)
    return read_grant(wallet.grant, ISSUER.verify_key, SITE)


GRANTS = {uses: grant_of(uses) for uses in (1, 2, 3)}


class Guest(RuleBasedStateMachine):
    """The machine."""

    @initialize(uses=st.sampled_from(sorted(GRANTS)))
    def begin(self, uses: int) -> None:
        self.grant = GRANTS[uses]
        self.uses = uses
        self.loop = VirtualLoop()
        self.clock = virtual_clock(self.loop)
        self.log = FakeAudit()
        self.door = FakeMover(on_asked=self.about_to_strike)
        self.moved = 0
        self.policy = FakePolicy()
        self.there: list[list[bool]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.asked: list[bytes] = []
        self.fresh = 100
        self.slow()
        self.start()

    def slow(self) -> None:
        self.log.hold()
        self.door.holding = True

    def start(self) -> None:
        self.unlock = Unlock(
            rules=SiteRules({1: Point(1, "front", False, 5.0)}, ZoneInfo("UTC"), 90 * DAY),
            policy=self.policy,
            log=self.log,
            clock=self.clock,
            tell=lambda _event, _facts: None,
            doors={"front": self.door},
            watch=Watch(),
            persons=Persons(self.clock),
        )

    @rule(op=st.sampled_from(OPS))
    def ask(self, op: bytes) -> None:
        self.present(op)

    @rule(count=st.integers(2, 4))
    def ask_several_at_once(self, count: int) -> None:
        for _ in range(count):
            self.present(self.new_op())

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def ask_again(self, data: st.DataObject) -> None:
        self.present(data.draw(st.sampled_from(self.asked)))

    @precondition(lambda self: self.there)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.there))[0] = False

    @precondition(lambda self: self.log.held)
    @rule(durable=st.sampled_from([True, True, True, False]))
    def disk(self, durable: bool) -> None:
        self.log.step(durable)
        self.settle()

    @precondition(lambda self: self.door.held)
    @rule(works=st.sampled_from([True, True, False]))
    def strike(self, works: bool) -> None:
        self.door.step(works)
        self.settle()

    @rule()
    def door_must_rest(self) -> None:
        """The next release finds the strike at rest: nothing moves."""
        self.door.rests = 1
        self.door.rest_seconds = 30.0

    @rule(seconds=st.sampled_from([0.1, 1.0, 1.9, 2.1, 30.0, OP_SECONDS + 1]))
    def time_passes(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))
        self.settle()

    @rule(mode=st.sampled_from([Mode.NORMAL, Mode.NORMAL, Mode.LOCKDOWN]))
    def policy_changes(self, mode: Mode) -> None:
        self.policy.modes[1] = mode

    @rule(data=st.data(), remembers=st.booleans())
    def restart(self, data: st.DataObject, remembers: bool) -> None:
        """A kill or a power cut: what was handed to the disk is durable up to some record.

        Not `remembers`: it also comes back so late that no operation is remembered.
        """
        for _ in range(data.draw(st.integers(0, len(self.log.held)))):
            self.log.step(True)
        self.log.held.clear()
        self.end_all()
        self.log.held.clear()
        self.door.held.clear()
        self.start()
        if remembers:
            self.unlock.remember(self.log.newest(self.log.last() + 1, 10_000))

    @rule()
    def ask_in_peace(self) -> None:
        """All is well, and the op is new: a use that is left lets the guest in."""
        self.policy.modes[1] = Mode.NORMAL
        self.door.rests = 0
        while self.log.held:
            self.disk(True)
        self.log.move_on()
        self.door.holding = False
        while self.door.held:
            self.door.step()
        self.settle()
        before = self.moved
        left = self.uses - self.may_have_moved()
        outcome = self.present(self.new_op())
        assert outcome, "in peace each claim has its answer at once"
        why = outcome[0].why
        if why is Denial.BUSY:
            assert len(self.asked) >= TRIES.burst, "busy, without so many tries in vain"
            REACHED["busy"] += 1
        elif left > 0:
            assert why is None, f"{left} uses are left, and yet: {why}"
            assert self.moved == before + 1
            REACHED["let in"] += 1
        else:
            assert why is Denial.USES_SPENT
            REACHED["spent"] += 1
        self.slow()

    @invariant()
    def moves_no_more_than_its_uses(self) -> None:
        assert self.moved <= self.uses

    @invariant()
    def the_records_and_their_table_agree(self) -> None:
        assert self.moved <= len(self.log.uses()) == self.may_have_moved() <= self.uses

    def may_have_moved(self) -> int:
        """Return how many yes are on record of which no record says that nothing moved."""
        said_yes: list[object] = []
        for record in map(Record.decode, (stored.body for stored in self.log.stored)):
            detail = record.detail
            if record.kind is RecordKind.ACCESS and detail["why"] is None:
                said_yes.append((detail["op"], detail["use"]))
            elif record.kind is RecordKind.FAULT and detail["moved"] is False:
                undone = (detail["of"], detail.get("use"))
                if undone in said_yes:
                    said_yes.remove(undone)
        return len(said_yes)

    def about_to_strike(self, _seconds: float) -> None:
        if self.door.rests:  # it refuses, and nothing moves
            return
        self.moved += 1

    def new_op(self) -> bytes:
        self.fresh += 1
        return self.fresh.to_bytes(8, "big")

    def present(self, op: bytes) -> list[ClaimOutcome]:
        there = [True]
        outcomes: list[ClaimOutcome] = []
        claim = Claim.under(
            self.grant,
            access_point=1,
            action=Action.OPEN,
            op=op,
            strength=Strength.FULL,
            arrived=self.loop.now,
        )

        async def begin() -> None:
            decided = self.unlock.present(claim, lambda: there[0])
            self.tasks.append(asyncio.create_task(ended(decided)))

        async def ended(decided: Awaitable[ClaimOutcome]) -> None:
            outcome = await decided
            outcomes.append(outcome)
            REACHED[outcome.why.name if outcome.why else "GRANTED"] += 1

        self.asked.append(op)
        self.there.append(there)
        self.loop.run_until_complete(begin())
        self.settle()
        return outcomes

    def settle(self) -> None:
        async def turns() -> None:
            for _ in range(40):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())

    def end_all(self) -> None:
        async def ended() -> None:
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)

        self.loop.run_until_complete(ended())
        self.tasks.clear()
        self.there.clear()

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        self.log.held.clear()
        self.end_all()
        self.loop.close()


def test_a_guest_is_let_in_so_often_and_no_more() -> None:
    REACHED.clear()
    run_state_machine_as_test(Guest, settings=effort(120, steps=40))
    assert {"GRANTED", "USES_SPENT", "DOOR_FAULT", "let in", "spent"} <= set(REACHED), REACHED
