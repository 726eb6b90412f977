"""The orders that stand for doors: the policy's, a schedule's, the backend's, an input's; and what
each does to the doors. On a clock that only the test moves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.access.precedence import DoorMode, DoorOrder
from hubcore.access.words import Denial, Mode
from hubcore.backend.uplink.from_backend import Order
from hubcore.backend.uplink.from_hub import OrderResult
from hubcore.backend.uplink.words import OrderOutcome
from hubcore.calendar.schedule import Rule, Schedule
from hubcore.device.command import Verb
from hubcore.device.state import Position
from hubcore.errors import AuditError, HardwareError, StoreError
from hubcore.evidence.carried_orders import (
    ALL_DOORS,
    ORDERS_CARRIED_MAX,
    UNREADABLE,
    CarriedOrder,
    believed,
    is_about_orders,
    read_orders,
    write_orders,
)
from hubcore.evidence.facts import EventName, Fact
from hubcore.evidence.records import Record, RecordKind
from hubcore.policy.policy import HoldOpen, Operator, OperatorRight, PointRules
from hubcore.ports.clock import ClockState
from hubd.doors.judge import ORDER_SECONDS_MAX, Judge
from hubd.doors.persons import Persons
from hubd.doors.rules import Point, SiteRules
from hubd.orders import from_backend, memory
from hubd.orders.carried import MARK_RECORDS, CarriedOrders
from hubd.orders.from_backend import ORDERS, REFUSALS, BackendOrders
from hubd.orders.from_technician import TechnicianOrders
from hubd.orders.keeper import FIRE_QUIET_SECONDS, HOLD_SECONDS, RECORD_AGAIN_SECONDS, DoorKeeper
from hubd.orders.order_log import RECORD_SECONDS, OrderLog
from hubd.orders.schedules import HoldSchedules
from hubd.orders.standing import StandingOrders
from tests.facts_fit import misfits_of_event, misfits_of_record
from tests.fakes.audit import FakeAudit
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.mover import FakeMover
from tests.fakes.policy import FakePolicy
from tests.unit.test_lock_mover import LOCK, at_work

FRONT = "front"
BACK = "back"
POINTS = {FRONT: (1, 2), BACK: (3,)}
NOON_MINUTE = 720
BOSS = Operator(OperatorRight.HOLD_OPEN | OperatorRight.LOCK_DOWN)
GUARD_OF_BACK = Operator(OperatorRight.LOCK_DOWN, frozenset({3}))


@dataclass
class Doors:
    """Two doors: `front` with two access points may be held open, `back` may not."""

    clock: FakeClock = field(default_factory=FakeClock)
    log: FakeAudit = field(default_factory=FakeAudit)
    policy: FakePolicy = field(default_factory=FakePolicy)
    told: list[tuple[EventName, dict[Fact, object]]] = field(default_factory=list)
    modes_told: list[tuple[str, DoorMode]] = field(default_factory=list)
    cannot: set[str] = field(default_factory=set)
    faults: list[tuple[str, bool]] = field(default_factory=list)
    numbers: int = 0
    record_seconds: float = RECORD_SECONDS
    may_hold: set[str] = field(default_factory=lambda: {FRONT})
    has_backend: bool = True

    def __post_init__(self) -> None:
        self.clock.offset = NOON - self.clock.monotonic()
        self.policy.operators = {"boss": BOSS, "guard": GUARD_OF_BACK}
        self.movers = {door: FakeMover(timeline=self.clock.timeline) for door in POINTS}
        self.start(())

    def start(self, found: tuple[CarriedOrder, ...]) -> None:
        """Make the parts anew, as a start of hubd does."""
        self.standing = StandingOrders(POINTS, self.policy, self.clock, self._tell)
        self.schedules = HoldSchedules(POINTS, self.policy, self.clock, UTC)
        order_log = OrderLog(self.log, self.clock, self._tell, self.record_seconds)
        self.keeper = DoorKeeper(
            standing=self.standing,
            schedules=self.schedules,
            movers=self.movers,
            may_hold=lambda door: door in self.may_hold,
            watch=self,
            log=order_log,
            clock=self.clock,
            tell=self._tell,
            cannot_hold=self._cannot_hold,
        )
        self.carried = CarriedOrders(
            standing=self.standing,
            log=order_log,
            may_hold=lambda door: door in self.may_hold,
            found=found,
            has_backend=self.has_backend,
        )
        self.backend = BackendOrders(
            standing=self.standing,
            policy=self.policy,
            log=order_log,
            clock=self.clock,
            may_hold=lambda door: door in self.may_hold,
            changed=self.keeper.apply,
            carried=self.carried,
        )
        self.technician = TechnicianOrders(
            standing=self.standing,
            carried=self.carried,
            log=order_log,
            changed=self.keeper.apply,
        )

    def mode_is(self, door: str, mode: DoorMode) -> None:
        self.modes_told.append((door, mode))

    def failed(self, door: str) -> None:
        self.faults.append((door, True))

    def works(self, door: str) -> None:
        self.faults.append((door, False))

    def _tell(self, event: EventName, facts: dict[Fact, object]) -> None:
        assert misfits_of_event(event, facts) == []  # type: ignore[arg-type]
        self.told.append((event, facts))

    def _cannot_hold(self, doors: frozenset[str]) -> None:
        self.cannot = set(doors)

    async def look(self, seconds: float = 0.0) -> None:
        self.clock.advance(seconds)
        await self.backend.look()
        await self.keeper.look()

    def order(self, order: DoorOrder, on: bool = True, **more: object) -> Order:
        self.numbers += 1
        made = Order(
            id=self.numbers.to_bytes(16, "big"),
            by="boss",
            access_point=1,
            order=order,
            on=int(on),
            expires_at=int(self.clock.wall()) + 30,
            until=None,
        )
        return replace(made, **more)  # type: ignore[arg-type]

    async def give(self, order: DoorOrder, on: bool = True, **more: object) -> OrderResult:
        return await self.backend.take(self.order(order, on, **more))

    def records(self) -> list[Record]:
        found = [Record.decode(stored.body) for stored in self.log.stored]
        orders = [record for record in found if record.kind is RecordKind.ORDER]
        for record in orders:
            assert misfits_of_record(record.kind, record.detail) == []
        return orders

    def mode(self, door: str = FRONT) -> DoorMode:
        return self.standing.mode(door)

    def restart(self) -> None:
        """Start again with what the newest record about orders says, as `hubd.stores` does."""
        newest = None
        for stored in self.log.stored:
            record = Record.decode(stored.body)
            if is_about_orders(record):
                newest = record
        self.start(believed(newest, checked=True))
        self.backend.remember(self.log.stored)


@pytest.fixture
def doors() -> Doors:
    return Doors()


def office_hours(doors: Doors, first_person_in: bool = False, point: int = 1) -> None:
    """Hold a door open from noon to one o'clock, each day."""
    doors.policy.schedules[5] = Schedule((Rule(127, NOON_MINUTE, NOON_MINUTE + 60),))
    doors.policy.points[point] = PointRules(hold_open=HoldOpen(5, first_person_in))
    doors.policy.number += 1


# What stands, and the mode that it makes.


def test_a_door_for_which_nothing_stands_is_locked(doors: Doors) -> None:
    assert (doors.mode(), doors.mode(BACK)) == (DoorMode.LOCKED, DoorMode.LOCKED)
    assert doors.standing.mode_at(99) is DoorMode.LOCKED


def test_a_lockdown_of_one_access_point_is_that_of_its_door(doors: Doors) -> None:
    doors.policy.modes[2] = Mode.LOCKDOWN
    assert doors.mode() is DoorMode.LOCKED_DOWN
    assert doors.standing.mode_at(1) is DoorMode.LOCKED_DOWN
    assert doors.mode(BACK) is DoorMode.LOCKED


def test_no_entry_at_one_access_point_shuts_that_direction_alone(doors: Doors) -> None:
    doors.policy.modes[1] = Mode.NO_ENTRY
    assert doors.mode() is DoorMode.BLOCKED
    assert doors.standing.mode_at(1) is DoorMode.BLOCKED
    assert doors.standing.mode_at(2) is DoorMode.LOCKED


async def test_a_policy_that_cannot_be_read_is_a_lockdown_told_once(doors: Doors) -> None:
    doors.policy.failing = StoreError("the disk is away")
    await doors.look()
    await doors.look(1.0)
    assert doors.mode() is DoorMode.LOCKED_DOWN
    unreadable = [name for name, _ in doors.told if name is EventName.POLICY_UNREADABLE]
    assert len(unreadable) == 1
    with pytest.raises(StoreError):
        doors.standing.mode_at(1)


async def test_an_order_at_one_access_point_is_ended_at_another_of_the_door(doors: Doors) -> None:
    await doors.give(DoorOrder.LOCKDOWN, access_point=1)
    assert doors.mode() is DoorMode.LOCKED_DOWN
    await doors.give(DoorOrder.LOCKDOWN, on=False, access_point=2)
    assert doors.mode() is DoorMode.LOCKED
    doors.restart()
    assert doors.mode() is DoorMode.LOCKED


async def test_an_order_for_all_doors_leaves_that_of_one_door_when_it_ends(doors: Doors) -> None:
    await doors.give(DoorOrder.LOCKDOWN, access_point=3)
    await doors.give(DoorOrder.LOCKDOWN, access_point=None)
    assert (doors.mode(), doors.mode(BACK)) == (DoorMode.LOCKED_DOWN, DoorMode.LOCKED_DOWN)
    await doors.give(DoorOrder.LOCKDOWN, on=False, access_point=None)
    assert (doors.mode(), doors.mode(BACK)) == (DoorMode.LOCKED, DoorMode.LOCKED_DOWN)


async def test_what_stood_before_a_lockdown_is_there_again_after_it(doors: Doors) -> None:
    await doors.give(DoorOrder.HOLD_OPEN)
    await doors.give(DoorOrder.NO_ENTRY)
    await doors.give(DoorOrder.LOCKDOWN)
    modes = [doors.mode()]
    for order in (DoorOrder.LOCKDOWN, DoorOrder.NO_ENTRY, DoorOrder.HOLD_OPEN):
        await doors.give(order, on=False)
        modes.append(doors.mode())
    assert modes == [
        DoorMode.LOCKED_DOWN,
        DoorMode.BLOCKED,
        DoorMode.UNLOCKED,
        DoorMode.LOCKED,
    ]


async def test_the_judge_refuses_by_the_mode_of_the_door(doors: Doors) -> None:
    judge = Judge(
        SiteRules({1: Point(1, FRONT, False, 5.0)}, UTC, 1),
        policy=doors.policy,
        clock=doors.clock,
        tell=lambda *_: None,
        persons=Persons(doors.clock),
        offline_seconds=lambda: 0.0,
        used=lambda _claim: 0,
        mode_at=doors.standing.mode_at,
    )
    assert judge.why_shut(1) is None
    await doors.give(DoorOrder.NO_ENTRY)
    assert judge.why_shut(1) is Denial.NO_ENTRY
    await doors.give(DoorOrder.LOCKDOWN)
    assert judge.why_shut(1) is Denial.LOCKDOWN


# The backend's orders.


async def test_an_order_is_recorded_with_who_gave_it_before_it_holds(doors: Doors) -> None:
    seen: list[DoorMode] = []
    doors.log.on_durable = lambda _record: seen.append(doors.mode())
    result = await doors.give(DoorOrder.LOCKDOWN)
    assert (result.outcome, result.detail) == (OrderOutcome.TAKEN, "")
    assert seen == [DoorMode.LOCKED]
    assert doors.mode() is DoorMode.LOCKED_DOWN
    (record,) = doors.records()
    assert record.detail[Fact.ASKER] == "boss"
    assert record.detail[Fact.ALLOWED] is True
    assert read_orders(record.detail[Fact.ORDERS]) == (  # type: ignore[arg-type]
        CarriedOrder(1, DoorOrder.LOCKDOWN, None, "boss"),
    )


REFUSED: dict[str, tuple[Callable[[Doors], Order], OrderOutcome, str]] = {
    "late": (
        lambda doors: doors.order(DoorOrder.LOCKDOWN, expires_at=int(NOON) - 1),
        OrderOutcome.LATE,
        from_backend.LATE,
    ),
    "lives too long": (
        lambda doors: doors.order(DoorOrder.LOCKDOWN, expires_at=int(NOON) + ORDER_SECONDS_MAX + 1),
        OrderOutcome.LATE,
        from_backend.LIVES_TOO_LONG,
    ),
    "over already": (
        lambda doors: doors.order(DoorOrder.LOCKDOWN, until=int(NOON)),
        OrderOutcome.LATE,
        from_backend.LATE,
    ),
    "no such point": (
        lambda doors: doors.order(DoorOrder.LOCKDOWN, access_point=99),
        OrderOutcome.REFUSED,
        from_backend.NO_SUCH_POINT,
    ),
    "point 0": (
        lambda doors: doors.order(DoorOrder.LOCKDOWN, access_point=0),
        OrderOutcome.REFUSED,
        from_backend.NO_SUCH_POINT,
    ),
    "an operator that the policy does not name": (
        lambda doors: doors.order(DoorOrder.LOCKDOWN, by="stranger"),
        OrderOutcome.REFUSED,
        from_backend.NOT_ALLOWED,
    ),
    "an operator of another access point": (
        lambda doors: doors.order(DoorOrder.LOCKDOWN, by="guard"),
        OrderOutcome.REFUSED,
        from_backend.NOT_ALLOWED,
    ),
    "an operator of one door for all doors": (
        lambda doors: doors.order(DoorOrder.LOCKDOWN, by="guard", access_point=None),
        OrderOutcome.REFUSED,
        from_backend.NOT_ALLOWED,
    ),
    "an operator without that right": (
        lambda doors: doors.order(DoorOrder.HOLD_OPEN, by="guard", access_point=3),
        OrderOutcome.REFUSED,
        from_backend.NOT_ALLOWED,
    ),
    "a door that cannot be held open": (
        lambda doors: doors.order(DoorOrder.HOLD_OPEN, access_point=3),
        OrderOutcome.REFUSED,
        from_backend.cannot_be_held(BACK),
    ),
    "all doors, of which one cannot be held open": (
        lambda doors: doors.order(DoorOrder.HOLD_OPEN, access_point=None),
        OrderOutcome.REFUSED,
        from_backend.cannot_be_held(BACK),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_an_order_that_may_not_be_is_refused_in_words_and_recorded(
    doors: Doors, name: str
) -> None:
    make, outcome, detail = REFUSED[name]
    result = await doors.backend.take(make(doors))
    assert (result.outcome, result.detail) == (outcome, detail)
    assert (doors.mode(), doors.mode(BACK)) == (DoorMode.LOCKED, DoorMode.LOCKED)
    (record,) = doors.records()
    assert (record.detail[Fact.ALLOWED], record.detail[Fact.WHY]) == (False, detail)
    assert Fact.ORDERS not in record.detail
    assert doors.movers[FRONT].given == []


async def test_an_untrusted_clock_takes_no_order(doors: Doors) -> None:
    doors.clock.trust = ClockState.BEHIND_RECORDS
    result = await doors.give(DoorOrder.LOCKDOWN)
    assert (result.outcome, result.detail) == (OrderOutcome.REFUSED, from_backend.CLOCK_UNTRUSTED)


async def test_a_policy_that_cannot_be_read_takes_no_order(doors: Doors) -> None:
    doors.policy.failing = StoreError("the disk is away")
    result = await doors.give(DoorOrder.LOCKDOWN)
    assert result.outcome is OrderOutcome.FAILED


async def test_nothing_opens_later_by_an_order_given_under_a_lockdown(doors: Doors) -> None:
    await doors.give(DoorOrder.LOCKDOWN)
    result = await doors.give(DoorOrder.HOLD_OPEN)
    assert (result.outcome, result.detail) == (OrderOutcome.REFUSED, from_backend.OVERRULED)
    await doors.give(DoorOrder.LOCKDOWN, on=False)
    assert doors.mode() is DoorMode.LOCKED


async def test_the_same_id_is_the_same_order(doors: Doors) -> None:
    lockdown = doors.order(DoorOrder.LOCKDOWN)
    await doors.backend.take(lockdown)
    await doors.give(DoorOrder.LOCKDOWN, on=False)
    again = await doors.backend.take(lockdown)
    assert again.outcome is OrderOutcome.TAKEN
    assert doors.mode() is DoorMode.LOCKED  # answered again, not done again
    other = await doors.backend.take(replace(lockdown, order=DoorOrder.NO_ENTRY))
    assert (other.outcome, other.detail) == (OrderOutcome.REFUSED, memory.OTHER_ORDER)
    assert len(doors.records()) == 2


async def test_the_same_id_is_the_same_order_after_a_restart(doors: Doors) -> None:
    lockdown = doors.order(DoorOrder.LOCKDOWN)
    await doors.backend.take(lockdown)
    await doors.give(DoorOrder.LOCKDOWN, on=False)
    doors.restart()
    assert (await doors.backend.take(lockdown)).outcome is OrderOutcome.TAKEN
    assert doors.mode() is DoorMode.LOCKED
    assert len(doors.records()) == 2


async def test_an_order_that_opens_and_cannot_be_recorded_does_not_hold(doors: Doors) -> None:
    doors.log.failing = StoreError("full")
    result = await doors.give(DoorOrder.HOLD_OPEN)
    assert (result.outcome, result.detail) == (OrderOutcome.FAILED, from_backend.NOT_RECORDED)
    assert doors.mode() is DoorMode.LOCKED
    assert doors.movers[FRONT].given == []


async def test_a_lockdown_that_cannot_be_recorded_holds_and_its_end_does_not(doors: Doors) -> None:
    doors.log.failing = StoreError("full")
    result = await doors.give(DoorOrder.LOCKDOWN)
    assert result.detail == from_backend.NOT_RECORDED_BUT_HOLDS
    assert (result.outcome, doors.mode()) == (OrderOutcome.FAILED, DoorMode.LOCKED_DOWN)
    ended = await doors.give(DoorOrder.LOCKDOWN, on=False)
    assert (ended.outcome, doors.mode()) == (OrderOutcome.FAILED, DoorMode.LOCKED_DOWN)


async def test_a_record_that_came_too_late_does_not_hold_a_door_open_after_a_restart(
    doors: Doors,
) -> None:
    doors.record_seconds = 0.01
    doors.start(())
    doors.log.hold()
    hold = doors.order(DoorOrder.HOLD_OPEN)
    result = await doors.backend.take(hold)
    assert result.outcome is OrderOutcome.FAILED
    doors.log.move_on()  # the disk takes both now
    doors.restart()
    assert doors.mode() is DoorMode.LOCKED
    again = await doors.backend.take(hold)
    assert again.outcome is OrderOutcome.TAKEN  # memory, law 1: one that failed is new


async def test_a_flood_of_orders_makes_records_at_a_pace(doors: Doors) -> None:
    outcomes = []
    for number in range(200):
        result = await doors.give(DoorOrder.LOCKDOWN, on=bool(number % 2))
        outcomes.append(result.outcome)
    assert outcomes.count(OrderOutcome.TAKEN) == ORDERS.burst
    assert set(outcomes) == {OrderOutcome.TAKEN, OrderOutcome.BUSY}
    assert len(doors.log.stored) == ORDERS.burst
    assert len(doors.backend._memory) == ORDERS.burst


# from_backend, law 4
async def test_who_has_no_right_keeps_no_order_of_another_waiting(doors: Doors) -> None:
    answers = [await doors.give(DoorOrder.LOCKDOWN, by="nobody") for _ in range(200)]
    outcomes = [answer.outcome for answer in answers]
    assert outcomes.count(OrderOutcome.REFUSED) == len(doors.records()) == REFUSALS.burst
    assert outcomes[-1] is OrderOutcome.BUSY
    assert (await doors.give(DoorOrder.LOCKDOWN)).outcome is OrderOutcome.TAKEN
    assert doors.mode() is DoorMode.LOCKED_DOWN


async def test_a_lockdown_ends_a_release_at_once(doors: Doors) -> None:
    await doors.movers[FRONT].release(10.0)
    await doors.give(DoorOrder.LOCKDOWN)
    assert not doors.movers[FRONT].driven


async def test_a_lockdown_locks_a_lock_that_a_release_has_unlocked(doors: Doors) -> None:
    async with at_work() as rig:
        doors.movers[FRONT] = rig.mover  # type: ignore[assignment]
        rig.driver.say(LOCK, Position.LOCKED)
        await rig.mover.release(2.0)
        await doors.give(DoorOrder.LOCKDOWN)
        assert rig.sent() == [Verb.UNLOCK, Verb.LOCK]
        assert not rig.mover.driven


async def test_a_door_that_could_not_be_secured_is_secured_at_the_next_look(doors: Doors) -> None:
    mover = doors.movers[FRONT]
    tries: list[str] = []

    async def secure() -> None:
        tries.append("secure")
        if len(tries) < 3:
            raise HardwareError("the guard has gone")

    mover.secure = secure  # type: ignore[method-assign]
    await doors.give(DoorOrder.LOCKDOWN)
    for _ in range(4):
        await doors.look(1.0)
    assert len(tries) == 3
    assert [name for name, _ in doors.told].count(EventName.NOT_SECURED) == 1


# The end of an order, and a restart.


async def test_an_order_ends_at_its_end_and_that_is_recorded(doors: Doors) -> None:
    await doors.give(DoorOrder.LOCKDOWN, until=int(NOON) + 100)
    await doors.look(99.0)
    assert doors.mode() is DoorMode.LOCKED_DOWN
    doors.clock.advance(1.0)
    assert doors.mode() is DoorMode.LOCKED  # also before anybody looks
    await doors.look()
    ended = doors.records()[-1].detail
    assert (ended[Fact.ON], ended[Fact.ORDERS]) == (False, write_orders([]))


@pytest.mark.parametrize(
    ("order", "mode"),
    [(DoorOrder.LOCKDOWN, DoorMode.LOCKED_DOWN), (DoorOrder.HOLD_OPEN, DoorMode.LOCKED)],
)
async def test_without_a_trusted_clock_nothing_opens_and_nothing_shut_ends(
    doors: Doors, order: DoorOrder, mode: DoorMode
) -> None:
    await doors.give(order, until=int(NOON) + 100)
    doors.clock.trust = ClockState.BEHIND_RECORDS
    await doors.look(200.0)
    assert doors.mode() is mode


async def test_orders_outlast_a_restart_whatever_came_after_them(doors: Doors) -> None:
    await doors.give(DoorOrder.HOLD_OPEN)
    await doors.give(DoorOrder.LOCKDOWN, until=int(NOON) + 1000)
    await doors.log.fill(50)
    doors.restart()
    assert doors.mode() is DoorMode.LOCKED_DOWN
    await doors.give(DoorOrder.LOCKDOWN, on=False)
    assert doors.mode() is DoorMode.UNLOCKED
    doors.restart()
    assert doors.mode() is DoorMode.UNLOCKED


async def test_an_order_that_was_over_by_the_restart_does_not_stand(doors: Doors) -> None:
    await doors.give(DoorOrder.HOLD_OPEN, until=int(NOON) + 100)
    doors.clock.advance(101.0)
    doors.restart()
    await doors.look()
    assert doors.mode() is DoorMode.LOCKED
    assert doors.movers[FRONT].given == [HOLD_SECONDS]  # before the restart


async def test_a_door_that_may_no_longer_be_held_is_not_after_a_restart(doors: Doors) -> None:
    doors.start((CarriedOrder(3, DoorOrder.HOLD_OPEN, None, "boss"),))
    await doors.look()
    assert doors.mode(BACK) is DoorMode.LOCKED


async def test_the_orders_are_recorded_again_before_their_record_is_too_old(doors: Doors) -> None:
    await doors.give(DoorOrder.LOCKDOWN)
    await doors.log.fill(MARK_RECORDS)
    await doors.look()
    await doors.look()
    marks = [record for record in doors.records() if Fact.ASKER not in record.detail]
    assert len(marks) == 1
    assert set(marks[0].detail) == {Fact.ORDERS}


def test_what_may_not_be_believed() -> None:
    orders = [
        CarriedOrder(1, DoorOrder.HOLD_OPEN, None, "boss"),
        CarriedOrder(ALL_DOORS, DoorOrder.LOCKDOWN, 7, "boss"),
    ]
    record = Record(RecordKind.ORDER, 1, 1, {Fact.ORDERS: write_orders(orders)})
    assert set(believed(record, checked=True)) == set(orders)
    assert believed(record, checked=False) == (orders[1],)
    assert believed(None, checked=True) == ()
    damaged = Record(RecordKind.ORDER, 1, 1, {Fact.ORDERS: b"\x81\x00"})
    assert believed(damaged, checked=True) == (UNREADABLE,)


def test_as_many_orders_as_may_stand_fit_in_one_record() -> None:
    most = [
        CarriedOrder(0xFFFF - number, DoorOrder.LOCKDOWN, 2**62, "x" * 32)
        for number in range(ORDERS_CARRIED_MAX)
    ]
    carried = {Fact.ORDERS: write_orders(most), Fact.ASKER: "x" * 32, Fact.WHY: "y" * 200}
    record = Record.at(RecordKind.ORDER, 1.0, 1.0, carried)
    assert len(record.encode()) < 4096
    assert len(read_orders(carried[Fact.ORDERS])) == ORDERS_CARRIED_MAX  # type: ignore[arg-type]


# Held open by a schedule.


async def test_a_schedule_holds_open_and_lets_fall_shut_at_its_end(doors: Doors) -> None:
    office_hours(doors)
    await doors.look()
    assert doors.mode() is DoorMode.UNLOCKED
    assert doors.movers[FRONT].given == [HOLD_SECONDS]
    for _ in range(5):
        await doors.look(1.0)
        assert doors.movers[FRONT].driven
    await doors.look(3594.0)
    assert doors.movers[FRONT].driven
    await doors.look(1.0)  # one o'clock
    assert doors.mode() is DoorMode.LOCKED
    doors.clock.advance(HOLD_SECONDS)
    assert not doors.movers[FRONT].driven
    assert [record.detail[Fact.ON] for record in doors.records()] == [True, False]
    assert doors.records()[0].detail[Fact.GIVEN_BY] == "schedule"


# schedules, law 1
async def test_a_schedule_is_asked_once_a_minute_and_after_each_policy(doors: Doors) -> None:
    office_hours(doors)
    asked: list[int] = []
    schedule = doors.policy.schedule

    def counted(number: int) -> Schedule | None:
        asked.append(number)
        return schedule(number)

    doors.policy.schedule = counted  # type: ignore[method-assign]
    for _ in range(59):
        await doors.look(1.0)
    assert len(asked) == 1
    await doors.look(1.0)
    assert len(asked) == 2
    doors.policy.number += 1
    await doors.look()
    assert len(asked) == 3


# keeper, law 5
async def test_the_watch_knows_the_mode_before_anything_moves(doors: Doors) -> None:
    known: list[list[tuple[str, DoorMode]]] = []
    doors.movers[FRONT].on_asked = lambda _seconds: known.append(list(doors.modes_told))
    await doors.give(DoorOrder.HOLD_OPEN)
    assert known == [[(FRONT, DoorMode.UNLOCKED)]]


# keeper, law 4
async def test_a_door_that_was_locked_down_meanwhile_is_not_held(doors: Doors) -> None:
    office_hours(doors)
    await doors.look()
    doors.policy.modes[2] = Mode.LOCKDOWN  # nobody has said so yet
    doors.clock.advance(HOLD_SECONDS)
    await doors.keeper.apply([FRONT])
    assert not doors.movers[FRONT].driven


async def test_a_hold_is_recorded_before_anything_moves(doors: Doors) -> None:
    office_hours(doors)
    doors.log.failing = StoreError("full")
    await doors.look()
    await doors.look(1.0)
    assert doors.mode() is DoorMode.LOCKED
    assert doors.movers[FRONT].given == []
    assert [name for name, _ in doors.told].count(EventName.AUDIT_FAILED) == 1
    doors.log.failing = None
    await doors.look(RECORD_AGAIN_SECONDS)
    assert doors.mode() is DoorMode.UNLOCKED


async def test_an_untrusted_clock_holds_nothing_open(doors: Doors) -> None:
    office_hours(doors)
    doors.clock.trust = ClockState.BEHIND_RECORDS
    await doors.look()
    assert doors.mode() is DoorMode.LOCKED
    doors.clock.trust = ClockState.TRUSTED
    await doors.look()
    assert doors.mode() is DoorMode.UNLOCKED
    doors.clock.trust = ClockState.BEFORE_BUILD
    await doors.look()
    assert doors.mode() is DoorMode.LOCKED


async def test_a_schedule_waits_for_the_first_person_in_where_it_should(doors: Doors) -> None:
    office_hours(doors, first_person_in=True)
    await doors.look()
    assert doors.mode() is DoorMode.LOCKED
    doors.schedules.came_in(2)  # by the other access point of the door
    await doors.look()
    assert doors.mode() is DoorMode.LOCKED
    doors.schedules.came_in(1)
    await doors.look()
    assert doors.mode() is DoorMode.UNLOCKED
    await doors.look(3600.0)
    assert doors.mode() is DoorMode.LOCKED
    await doors.look(23 * 3600.0)  # the next day's span needs a first person of its own
    assert doors.mode() is DoorMode.LOCKED


async def test_somebody_who_came_before_the_span_is_not_its_first_person(doors: Doors) -> None:
    office_hours(doors, first_person_in=True)
    doors.clock.offset -= 60.0
    doors.schedules.came_in(1)
    await doors.look(60.0)
    assert doors.mode() is DoorMode.LOCKED


async def test_a_door_that_cannot_be_held_is_told_and_not_held(doors: Doors) -> None:
    office_hours(doors, point=3)
    await doors.look()
    assert doors.cannot == {BACK}
    assert doors.mode(BACK) is DoorMode.LOCKED
    assert doors.movers[BACK].given == []
    doors.policy.points.clear()
    doors.policy.number += 1
    await doors.look()
    assert doors.cannot == set()


async def test_a_lockdown_ends_a_hold_at_once_and_the_schedule_holds_again_after_it(
    doors: Doors,
) -> None:
    office_hours(doors)
    await doors.look()
    await doors.give(DoorOrder.LOCKDOWN)
    assert not doors.movers[FRONT].driven
    await doors.look(1.0)
    assert not doors.movers[FRONT].driven
    await doors.give(DoorOrder.LOCKDOWN, on=False)
    assert doors.movers[FRONT].driven


# keeper, law 1
async def test_a_hold_is_renewed_while_a_record_waits_and_another_door_does(
    doors: Doors,
) -> None:
    await doors.give(DoorOrder.HOLD_OPEN)
    doors.log.hold()
    doors.keeper.fire(BACK, True)
    doors.movers[BACK].holding = True
    front = doors.movers[FRONT]
    before = len(front.given)
    running = asyncio.create_task(doors.keeper.run(doors.backend.look))
    async with asyncio.timeout(10):
        while len(front.given) < before + 2:  # noqa: ASYNC110 - the loop renews by itself
            await asyncio.sleep(0.01)
    assert doors.log.held  # the record of the fire still waits
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


# keeper, law 7
async def test_a_lock_that_does_not_answer_keeps_no_other_door_waiting(doors: Doors) -> None:
    await doors.give(DoorOrder.HOLD_OPEN)
    front = doors.movers[FRONT]
    never = asyncio.get_running_loop().create_future()

    async def secure() -> None:
        await never

    doors.movers[BACK].secure = secure  # type: ignore[method-assign]
    running = asyncio.create_task(doors.keeper.run(doors.backend.look))
    try:
        async with asyncio.timeout(10):
            while len(front.given) < 2:  # noqa: ASYNC110 - the loop renews by itself
                await asyncio.sleep(0.01)
            answered = await doors.give(DoorOrder.LOCKDOWN, access_point=3)
            before = len(front.given)
            while len(front.given) < before + 2:  # noqa: ASYNC110 - the loop renews by itself
                await asyncio.sleep(0.01)
            doors.keeper.fire(FRONT, True)
            while doors.mode() is not DoorMode.LOCKED_OPEN:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        assert answered.outcome is OrderOutcome.TAKEN
        assert doors.mode(BACK) is DoorMode.LOCKED_DOWN
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert never.cancelled()


async def test_a_door_is_secured_while_the_release_of_its_hold_is_under_way(doors: Doors) -> None:
    await doors.give(DoorOrder.HOLD_OPEN)
    front = doors.movers[FRONT]
    front.holding = True
    renewing = asyncio.create_task(doors.keeper.look())
    async with asyncio.timeout(10):
        while not front.held:  # noqa: ASYNC110 - the keeper asks by itself
            await asyncio.sleep(0)
        await doors.give(DoorOrder.LOCKDOWN)
        assert not front.driven
        front.step()
        await renewing


async def test_what_was_given_before_a_lockdown_stands_below_it(doors: Doors) -> None:
    """The policy locks the door down while the record of a hold is being written."""

    def lock_down(record: Record) -> None:
        doors.policy.modes[1] = Mode.LOCKDOWN

    doors.log.on_taken = lock_down
    result = await doors.give(DoorOrder.HOLD_OPEN)
    assert result.outcome is OrderOutcome.TAKEN
    assert doors.mode() is DoorMode.LOCKED_DOWN
    assert doors.movers[FRONT].given == []
    doors.policy.modes.clear()
    assert doors.mode() is DoorMode.UNLOCKED


async def test_a_schedule_without_its_rules_holds_nothing(doors: Doors) -> None:
    doors.policy.points[1] = PointRules(hold_open=HoldOpen(77))
    await doors.look()
    assert doors.mode() is DoorMode.LOCKED


async def test_a_mover_that_fails_is_told_once_and_tried_again(doors: Doors) -> None:
    office_hours(doors)
    doors.movers[FRONT].failing = HardwareError("the guard has gone")
    for _ in range(3):
        await doors.look(1.0)
    assert [name for name, _ in doors.told].count(EventName.NOT_HELD) == 1
    doors.movers[FRONT].failing = None
    await doors.look(1.0)
    assert doors.movers[FRONT].driven
    assert doors.faults == [(FRONT, True), (FRONT, False)]


# Fire.


async def test_fire_goes_before_everything_and_moves_nothing(doors: Doors) -> None:
    await doors.give(DoorOrder.LOCKDOWN)
    doors.keeper.fire(FRONT, True)
    await doors.look()
    assert (doors.mode(), doors.mode(BACK)) == (DoorMode.LOCKED_OPEN, DoorMode.LOCKED)
    assert doors.movers[FRONT].given == []
    doors.keeper.fire(FRONT, False)
    await doors.look(FIRE_QUIET_SECONDS - 1)
    assert doors.mode() is DoorMode.LOCKED_OPEN
    await doors.look(1.0)
    assert doors.mode() is DoorMode.LOCKED_DOWN
    assert doors.modes_told == [
        (FRONT, DoorMode.LOCKED_DOWN),
        (FRONT, DoorMode.LOCKED_OPEN),
        (FRONT, DoorMode.LOCKED_DOWN),
    ]


async def test_a_fire_alarm_stands_at_all_doors_while_the_disk_hangs() -> None:  # keeper, law 8
    doors = Doors(record_seconds=60.0)
    doors.log.hold()
    for door in POINTS:
        doors.keeper.fire(door, True)
    running = asyncio.create_task(doors.keeper.run(doors.backend.look))
    try:
        async with asyncio.timeout(10):
            while len(doors.modes_told) < len(POINTS):  # noqa: ASYNC110 - the keeper looks itself
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert doors.modes_told == [(door, DoorMode.LOCKED_OPEN) for door in POINTS]


async def test_a_fire_input_that_chatters_makes_no_record_each_time(doors: Doors) -> None:
    for number in range(1000):
        doors.keeper.fire(FRONT, number % 2 == 0)
        await doors.look(0.001)
    by_input = [r for r in doors.records() if r.detail.get(Fact.GIVEN_BY) == "input"]
    assert len(by_input) == 1


# A disk that takes nothing holds nothing up, and what happened is recorded once it takes it again.


async def test_what_is_over_ends_at_all_doors_while_the_disk_hangs(doors: Doors) -> None:
    doors.policy.points[3] = PointRules(hold_open=HoldOpen(5))
    office_hours(doors)
    doors.may_hold = {FRONT, BACK}
    await doors.look()
    assert [doors.mode(door) for door in POINTS] == [DoorMode.UNLOCKED] * 2
    doors.log.hold()
    doors.clock.advance(3600)
    looking = asyncio.create_task(doors.keeper.look())
    await asyncio.sleep(0)
    assert [doors.mode(door) for door in POINTS] == [DoorMode.LOCKED] * 2
    doors.log.move_on()
    await looking


async def test_a_lockdown_waits_for_no_end_of_another_order(doors: Doors) -> None:
    until = int(doors.clock.wall()) + 60
    await doors.give(DoorOrder.NO_ENTRY, access_point=None, until=until)
    doors.clock.advance(61)
    doors.log.hold()
    looking = asyncio.create_task(doors.backend.look())
    await asyncio.sleep(0)
    assert doors.log.held  # the ends wait to be recorded
    taking = asyncio.create_task(doors.give(DoorOrder.LOCKDOWN))
    await asyncio.sleep(0)
    doors.log.move_on()
    async with asyncio.timeout(10):
        assert (await taking).outcome is OrderOutcome.TAKEN
        await looking
    carried = believed(Record.decode(doors.log.stored[-1].body), checked=True)
    assert [one.order for one in carried] == [DoorOrder.LOCKDOWN]


async def test_nothing_ends_in_the_records_while_an_order_is_being_recorded(doors: Doors) -> None:
    """The records of both would hold what stands, and the older could be the newer one's."""
    until = int(doors.clock.wall()) + 60
    await doors.give(DoorOrder.NO_ENTRY, until=until)
    doors.clock.advance(61)
    doors.log.hold()
    taking = asyncio.create_task(doors.give(DoorOrder.LOCKDOWN))
    await asyncio.sleep(0)
    await doors.backend.look()
    assert len(doors.log.held) == 1
    assert doors.mode() is DoorMode.LOCKED  # what is over does not stand, recorded or not
    doors.log.move_on()
    await taking


steps = st.lists(st.sampled_from(["on", "off", "full", "well"]), max_size=30)


@settings(deadline=None)
@given(steps)
def test_a_fire_alarm_is_recorded_once_the_disk_takes_it(happens: list[str]) -> None:
    """keeper, law 9: over all orders of alarms and of a disk that is full."""

    async def play() -> None:
        doors = Doors()
        burnt = False
        for step in happens:
            if step in ("full", "well"):
                doors.log.failing = AuditError("full") if step == "full" else None
            else:
                doors.keeper.fire(FRONT, step == "on")
                burnt = burnt or step == "on"
            await doors.look(FIRE_QUIET_SECONDS)
        doors.log.failing = None
        await doors.look(RECORD_AGAIN_SECONDS)
        recorded = [record.detail[Fact.ON] for record in doors.records()]
        assert recorded == [number % 2 == 0 for number in range(len(recorded))]
        assert bool(recorded) is burnt
        assert (doors.mode() is DoorMode.LOCKED_OPEN) is bool(recorded and recorded[-1])

    asyncio.run(play())


async def test_a_second_lockdown_is_secured_though_the_first_ones_comes_to_its_end(
    doors: Doors,
) -> None:
    mover = doors.movers[FRONT]
    secured: list[asyncio.Future[None]] = []

    async def secure() -> None:
        secured.append(asyncio.get_running_loop().create_future())
        await secured[-1]

    mover.secure = secure  # type: ignore[method-assign]
    running = asyncio.create_task(doors.keeper.run(doors.backend.look))
    try:
        async with asyncio.timeout(10):
            await asyncio.sleep(0)
            await doors.give(DoorOrder.LOCKDOWN)
            await doors.give(DoorOrder.LOCKDOWN, on=False)
            await doors.give(DoorOrder.LOCKDOWN)
            secured[0].set_result(None)
            while len(secured) < 2:  # noqa: ASYNC110 - the keeper looks by itself
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_an_order_that_failed_is_new_after_a_restart_and_a_late_one_is_late(
    doors: Doors,
) -> None:
    doors.policy.failing = StoreError("the disk is away")
    failed = doors.order(DoorOrder.LOCKDOWN)
    assert (await doors.backend.take(failed)).outcome is OrderOutcome.FAILED
    doors.policy.failing = None
    late = doors.order(DoorOrder.LOCKDOWN, expires_at=int(doors.clock.wall()) - 5)
    answered = await doors.backend.take(late)
    doors.restart()
    assert await doors.backend.take(late) == answered
    assert answered.outcome is OrderOutcome.LATE
    assert (await doors.backend.take(failed)).outcome is OrderOutcome.TAKEN
