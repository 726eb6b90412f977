"""What a technician does to a door at the hub: beside the backend's orders, over restarts, and with
a disk that takes nothing. On a clock that only the test moves.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.access.precedence import DoorMode, DoorOrder
from hubcore.access.words import Denial, Mode
from hubcore.backend.uplink.from_backend import Release
from hubcore.backend.uplink.words import OrderOutcome, ReleaseOutcome
from hubcore.errors import AuditError, FrameError, HardwareError, StoreError
from hubcore.evidence.carried_orders import (
    HERE_CARRIED_MAX,
    ORDERS_CARRIED_MAX,
    UNREADABLE,
    CarriedOrder,
    read_orders,
    write_orders,
)
from hubcore.evidence.facts import EventName, Fact
from hubcore.evidence.records import Record, RecordKind
from hubcore.policy.policy import ALL_RIGHTS, Operator
from hubcore.ports.clock import ClockState
from hubd.doors.persons import Persons
from hubd.doors.rules import Point, SiteRules
from hubd.doors.unlock import LATE_SECONDS, Unlock
from hubd.orders.from_technician import Taken
from hubd.orders.standing import OrderSource
from hubd.technician.acts import DoorActs
from hubd.technician.names import DoorNames, Meant, NoSuchDoorError
from tests.facts_fit import misfits_of_record
from tests.pair import Watch
from tests.unit.test_door_orders import BACK, FRONT, POINTS, Doors

TECHNICIAN = "technician"
ANN = 1000
BOB = 1001


class Told(Watch):
    """A watch that says when a release was driven."""

    def __init__(self) -> None:
        super().__init__()
        self.told = asyncio.Event()

    def released(
        self, door: str, access_point: int, seconds: float, *, extended: bool = False
    ) -> None:
        super().released(door, access_point, seconds, extended=extended)
        self.told.set()


@dataclass
class Site(Doors):
    """The two doors of `Doors`, with who opens them."""

    ids: int = 0
    events: list[EventName] = field(default_factory=list)

    def start(self, found: tuple[CarriedOrder, ...]) -> None:
        super().start(found)
        self.policy.operators["boss"] = Operator(ALL_RIGHTS)
        points = {
            number: Point(number, door, False, 5.0)
            for door, numbers in POINTS.items()
            for number in numbers
        }
        self.watch = Told()
        self.unlock = Unlock(
            rules=SiteRules(points, UTC, 30 * 86_400),
            policy=self.policy,
            log=self.log,
            clock=self.clock,
            tell=lambda event, _facts: self.events.append(event),
            doors=self.movers,
            watch=self.watch,
            persons=Persons(self.clock),
            mode_at=self.standing.mode_at,
        )
        self.acts = DoorActs(
            release=self.unlock.release_here,
            orders=self.technician,
            secured=self.keeper.secured,
            clock=self.clock,
            new_id=self._new_id,
        )

    def _new_id(self) -> bytes:
        self.ids += 1
        return (1 << 64 | self.ids).to_bytes(16, "big")

    def restart(self) -> None:
        super().restart()
        self.unlock.remember(self.log.stored)

    async def lock_down(self, door: str = FRONT, uid: int = ANN) -> Taken:
        return await self.technician.lock_down(door, TECHNICIAN, uid, lambda: True)

    async def end(self, door: str = FRONT, uid: int = ANN) -> Taken:
        return await self.technician.end(door, uid, lambda: True)

    async def release(self, *points: int, uid: int = ANN) -> Denial | None:
        """Release by these access points, as the call does."""
        meant = Meant(_Named(FRONT), tuple(_Numbered(number) for number in points or (1, 2)))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.acts.run())
            await asyncio.sleep(0)
            why = await self.acts.release(meant, None, TECHNICIAN, uid)
            running.cancel()
        return why

    async def release_from_afar(self) -> ReleaseOutcome:
        order = Release(self._new_id(), 1, int(self.clock.wall()) + 30, None, "boss")
        return (await self.unlock.release(order)).outcome

    def moved(self, door: str = FRONT) -> int:
        return len(self.movers[door].given)

    def newest(self) -> Record:
        record = Record.decode(self.log.stored[-1].body)
        assert misfits_of_record(record.kind, record.detail) == []
        return record


class _Numbered:
    """An access point, as far as an act asks."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = f"point {number}"


class _Named:
    """A door, as far as an act asks."""

    def __init__(self, door: str, name: str = "") -> None:
        self.id = door
        self.name = name or door
        self.access_points = tuple(_Numbered(number) for number in POINTS.get(door, ()))


@pytest.fixture
def site() -> Site:
    return Site()


# A lockdown by somebody at the hub.


async def test_a_lockdown_is_recorded_with_the_user_before_it_holds(site: Site) -> None:  # law 1
    seen: list[DoorMode] = []
    site.log.on_durable = lambda _record: seen.append(site.mode())
    assert await site.lock_down() is Taken.DONE
    assert seen == [DoorMode.LOCKED]
    assert (site.mode(), site.mode(BACK)) == (DoorMode.LOCKED_DOWN, DoorMode.LOCKED)
    detail = site.newest().detail
    assert (detail[Fact.GIVEN_BY], detail[Fact.UID]) == ("technician", ANN)
    assert (detail[Fact.ORDER], detail[Fact.ON], detail[Fact.DOOR]) == ("lockdown", True, FRONT)
    (shown,) = site.standing.shown(FRONT)
    assert (shown.source, shown.until) == ("technician", None)


async def test_a_lockdown_outlasts_restarts_and_many_other_records(site: Site) -> None:
    await site.lock_down()
    for _ in range(3):
        site.restart()
        assert site.mode() is DoorMode.LOCKED_DOWN
    assert await site.lock_down() is Taken.ALREADY
    assert await site.end(uid=BOB) is Taken.DONE
    site.restart()
    assert site.mode() is DoorMode.LOCKED


async def test_the_backend_ends_its_own_lockdown_and_never_a_technicians(site: Site) -> None:
    """Laws 2 and 3, both ways."""
    await site.lock_down()
    await site.give(DoorOrder.LOCKDOWN)
    assert (await site.give(DoorOrder.LOCKDOWN, on=False)).outcome is OrderOutcome.TAKEN
    ended = await site.give(DoorOrder.LOCKDOWN, on=False, access_point=None)
    assert ended.outcome is OrderOutcome.TAKEN
    assert site.mode() is DoorMode.LOCKED_DOWN
    assert (await site.give(DoorOrder.HOLD_OPEN)).outcome is OrderOutcome.REFUSED
    await site.give(DoorOrder.LOCKDOWN)
    assert await site.end() is Taken.DONE
    assert site.mode() is DoorMode.LOCKED_DOWN
    assert await site.end() is Taken.ALREADY
    (held,) = site.standing.shown(FRONT)
    assert held.source == OrderSource.BACKEND


async def test_every_record_of_the_backend_carries_the_technicians_orders_too(site: Site) -> None:
    await site.lock_down()
    await site.give(DoorOrder.LOCKDOWN, access_point=3)
    await site.give(DoorOrder.LOCKDOWN, on=False, access_point=3)
    carried = read_orders(site.newest().detail[Fact.ORDERS])  # type: ignore[arg-type]
    assert carried == (CarriedOrder(1, DoorOrder.LOCKDOWN, None, TECHNICIAN, ANN),)


async def test_what_is_so_already_leaves_no_record_and_costs_no_pace(site: Site) -> None:  # law 5
    assert await site.technician.end(FRONT, ANN, lambda: False) is Taken.ALREADY
    assert site.log.stored == []
    await site.lock_down()
    before = len(site.log.stored)
    assert await site.technician.lock_down(FRONT, TECHNICIAN, BOB, lambda: False) is Taken.ALREADY
    assert len(site.log.stored) == before


async def test_whoever_comes_too_fast_changes_nothing(site: Site) -> None:
    assert await site.technician.lock_down(FRONT, TECHNICIAN, ANN, lambda: False) is Taken.BUSY
    assert (site.mode(), site.log.stored) == (DoorMode.LOCKED, [])
    await site.lock_down()
    assert await site.technician.end(FRONT, ANN, lambda: False) is Taken.BUSY
    assert site.mode() is DoorMode.LOCKED_DOWN


async def test_a_disk_that_takes_nothing_locks_and_never_unlocks(site: Site) -> None:  # law 1
    site.log.failing = AuditError("full")
    assert await site.lock_down() is Taken.NOT_RECORDED
    assert site.mode() is DoorMode.LOCKED_DOWN
    assert await site.end() is Taken.NOT_RECORDED
    assert site.mode() is DoorMode.LOCKED_DOWN
    site.log.failing = None
    assert await site.lock_down() is Taken.DONE, "what has no record yet is recorded again"
    site.restart()
    assert site.mode() is DoorMode.LOCKED_DOWN
    site.log.failing = AuditError("full")
    assert await site.end() is Taken.NOT_RECORDED
    site.log.failing = None
    site.restart()
    assert site.mode() is DoorMode.LOCKED_DOWN


@pytest.mark.parametrize("state", ClockState)
async def test_no_clock_is_asked(site: Site, state: ClockState) -> None:  # law 4
    site.clock.trust = state
    assert await site.release() is None
    assert await site.lock_down() is Taken.DONE
    site.restart()
    assert site.mode() is DoorMode.LOCKED_DOWN
    assert await site.release() is Denial.LOCKDOWN
    assert await site.end() is Taken.DONE


async def test_a_hub_without_a_backend_keeps_the_technicians_orders_alone(site: Site) -> None:
    await site.give(DoorOrder.LOCKDOWN, access_point=3)
    await site.lock_down()
    site.has_backend = False
    site.restart()
    assert (site.mode(), site.mode(BACK)) == (DoorMode.LOCKED_DOWN, DoorMode.LOCKED)


async def test_orders_that_cannot_be_read_can_be_ended_where_no_backend_is(site: Site) -> None:
    """Law 4 of `orders.carried`."""
    site.has_backend = False
    site.start((UNREADABLE,))
    assert (site.mode(), site.mode(BACK)) == (DoorMode.LOCKED_DOWN, DoorMode.LOCKED_DOWN)
    assert await site.end() is Taken.DONE
    assert await site.end(BACK) is Taken.DONE
    assert (site.mode(), site.mode(BACK)) == (DoorMode.LOCKED, DoorMode.LOCKED)


def test_the_orders_of_all_fit_and_are_read_as_they_were_written() -> None:
    orders = [
        CarriedOrder(number, DoorOrder.LOCKDOWN, None, "x" * 32)
        for number in range(1, ORDERS_CARRIED_MAX + 1)
    ]
    orders += [
        CarriedOrder(number, DoorOrder.LOCKDOWN, None, TECHNICIAN, (1 << 32) - 1)
        for number in range(1, HERE_CARRIED_MAX + 1)
    ]
    data = write_orders(orders)
    assert set(read_orders(data)) == set(orders)
    detail = {Fact.ORDERS: data, Fact.WHY: "y" * 200, Fact.ASKER: "x" * 32}
    Record(RecordKind.ORDER, 1, 1, detail).encode()


@pytest.mark.parametrize(
    "order",
    [
        CarriedOrder(1, DoorOrder.HOLD_OPEN, None, TECHNICIAN, 0),
        CarriedOrder(1, DoorOrder.FIRE, None, TECHNICIAN, 0),
        CarriedOrder(0, DoorOrder.LOCKDOWN, None, TECHNICIAN, 0),
    ],
)
def test_no_technicians_order_that_opens_is_read(order: CarriedOrder) -> None:
    with pytest.raises(FrameError):
        read_orders(write_orders([order]))


# A release by somebody at the hub.


async def test_a_release_is_decided_recorded_then_moved(site: Site) -> None:
    seen: list[int] = []
    site.log.on_durable = lambda _record: seen.append(site.moved())
    assert await site.release() is None
    assert (seen, site.moved()) == ([0], 1)
    record = site.newest()
    assert record.kind is RecordKind.REMOTE
    assert (record.detail[Fact.ASKER], record.detail[Fact.UID]) == (TECHNICIAN, ANN)
    assert (record.detail[Fact.POINT], record.detail[Fact.ALLOWED]) == (1, True)


async def test_what_cannot_be_recorded_moves_nothing(site: Site) -> None:
    site.log.failing = AuditError("full")
    assert await site.release() is Denial.DOOR_FAULT
    assert site.moved() == 0


async def test_lockdown_and_no_entry_refuse_it_whoever_ordered_them(site: Site) -> None:
    await site.lock_down()
    assert await site.release() is Denial.LOCKDOWN
    await site.end()
    await site.give(DoorOrder.NO_ENTRY)
    assert await site.release() is Denial.NO_ENTRY
    await site.give(DoorOrder.NO_ENTRY, on=False)
    site.policy.failing = StoreError("the disk is away")
    assert await site.release() is Denial.DOOR_FAULT
    site.policy.failing = None
    assert site.moved() == 0
    assert await site.release() is None


async def test_by_the_door_all_points_must_let_somebody_in_by_a_point_that_one(site: Site) -> None:
    site.policy.modes[2] = Mode.NO_ENTRY
    assert await site.release(1, 2) is Denial.NO_ENTRY
    assert await site.release(2) is Denial.NO_ENTRY
    assert await site.release(1) is None


async def test_a_lockdown_that_comes_while_it_is_recorded_keeps_the_door_shut(site: Site) -> None:
    site.log.hold()
    taken = asyncio.Event()
    site.log.on_taken = lambda _record: taken.set()
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(site.release())
        await taken.wait()
        site.policy.modes[1] = Mode.LOCKDOWN
        site.log.move_on()
    assert (asked.result(), site.moved()) == (Denial.LOCKDOWN, 0)


async def test_it_moves_nothing_late(site: Site) -> None:
    site.log.hold()
    taken = asyncio.Event()
    site.log.on_taken = lambda _record: taken.set()
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(site.release())
        await taken.wait()
        site.clock.advance(LATE_SECONDS + 0.1)
        site.log.move_on()
    assert (asked.result(), site.moved()) == (Denial.TOO_LATE, 0)


async def test_each_user_has_a_pace_and_the_backend_its_own(site: Site) -> None:
    answers = [await site.release() for _ in range(25)]
    assert answers[0] is None
    assert answers[-1] is Denial.BUSY
    before = len(site.log.stored)
    assert await site.release() is Denial.BUSY
    assert len(site.log.stored) == before, "whoever comes too fast leaves no record"
    assert await site.release(uid=BOB) is None
    assert await site.release_from_afar() is ReleaseOutcome.RELEASED


async def test_an_act_goes_on_when_its_caller_has_gone(site: Site) -> None:
    """Law 1 of `technician.acts`."""
    site.movers[FRONT].holding = True
    driving = asyncio.Event()
    site.movers[FRONT].on_asked = lambda _seconds: driving.set()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(site.acts.run())
        await asyncio.sleep(0)
        meant = Meant(_Named(FRONT), (_Numbered(1),))  # type: ignore[arg-type]
        asked = tasks.create_task(site.acts.release(meant, None, TECHNICIAN, ANN))
        await driving.wait()
        asked.cancel()
        await asyncio.wait([asked])
        site.movers[FRONT].step()
        await site.watch.told.wait()
        running.cancel()
    assert site.moved() == 1
    kinds = [Record.decode(stored.body).kind for stored in site.log.stored]
    assert kinds == [RecordKind.REMOTE]


async def test_an_act_that_fails_is_its_callers_and_ends_nothing_else(site: Site) -> None:
    def broken() -> bytes:
        raise HardwareError("no chance")

    site.acts._new_id = broken
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(site.acts.run())
        await asyncio.sleep(0)
        meant = Meant(_Named(FRONT), (_Numbered(1),))  # type: ignore[arg-type]
        with pytest.raises(HardwareError):
            await site.acts.release(meant, None, TECHNICIAN, ANN)
        outcome = await site.acts.lock_down(meant, TECHNICIAN, ANN)
        running.cancel()
    assert (outcome.taken, outcome.secured) == (Taken.DONE, True)


async def test_before_the_hub_runs_nothing_is_done(site: Site) -> None:
    meant = Meant(_Named(FRONT), (_Numbered(1),))  # type: ignore[arg-type]
    with pytest.raises(HardwareError):
        await site.acts.release(meant, None, TECHNICIAN, ANN)
    assert (site.moved(), site.log.stored) == (0, [])


async def test_a_lockdown_waits_for_its_movers_and_says_when_they_stay_mute(site: Site) -> None:
    """Law 2 of `technician.acts`."""

    async def mute(_door: str) -> None:
        await asyncio.get_running_loop().create_future()

    site.acts._secured = mute
    site.acts._secured_seconds = 0.01
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(site.acts.run())
        await asyncio.sleep(0)
        meant = Meant(_Named(FRONT), (_Numbered(1),))  # type: ignore[arg-type]
        outcome = await site.acts.lock_down(meant, TECHNICIAN, ANN)
        running.cancel()
    assert (outcome.taken, outcome.secured) == (Taken.DONE, False)
    assert site.mode() is DoorMode.LOCKED_DOWN


async def test_a_door_is_secured_once_its_mover_has_said_so(site: Site) -> None:
    await site.release()
    assert site.movers[FRONT].driven
    await site.lock_down()
    async with asyncio.timeout(5):
        await site.keeper.secured(FRONT)
    assert not site.movers[FRONT].driven


# Whatever happens, in whatever order.

STEPS = (
    "lock",
    "normal",
    "backend locks",
    "backend unlocks",
    "backend locks all",
    "backend unlocks all",
    "backend holds open",
    "backend ends the hold",
    "release",
    "release from afar",
    "restart",
    "disk fails",
    "disk works",
    "clock is doubted",
    "clock is trusted",
    "look",
)


class Model:
    """What must be so: who keeps the front door shut, and what the newest record has of that.

    An order of the backend that the hub did not take is none.
    """

    def __init__(self) -> None:
        self.locked: set[str] = set()
        self.recorded: set[str] = set()

    def began(self, who: str, recorded: bool) -> None:
        self.locked.add(who)
        if recorded:
            self.recorded = set(self.locked)

    def ended(self, who: str) -> None:
        self.locked.discard(who)
        self.recorded = set(self.locked)


async def play(site: Site, steps: list[str]) -> None:
    model = Model()
    for step in steps:
        before = site.moved()
        works = site.log.failing is None
        site.clock.advance(60.0)
        await take(site, model, step, works)
        if model.locked:
            assert site.moved() == before, step
        if step.startswith("release") and not works:
            assert site.moved() == before, "a failure to record opens nothing"
        assert (site.mode() is DoorMode.LOCKED_DOWN) is bool(model.locked), step


async def take(site: Site, model: Model, step: str, works: bool) -> None:
    match step:
        case "lock":
            taken = await site.lock_down()
            assert taken is not Taken.BUSY
            model.began("technician", recorded=taken is Taken.DONE)
        case "normal":
            if await site.end() is Taken.DONE:
                model.ended("technician")
        case "backend locks" | "backend locks all":
            point = None if step.endswith("all") else 1
            result = await site.give(DoorOrder.LOCKDOWN, access_point=point)
            holds = result.outcome is OrderOutcome.TAKEN or "it holds" in result.detail
            if holds:
                model.began(f"backend {point}", recorded=result.outcome is OrderOutcome.TAKEN)
        case "backend unlocks" | "backend unlocks all":
            point = None if step.endswith("all") else 1
            result = await site.give(DoorOrder.LOCKDOWN, on=False, access_point=point)
            if result.outcome is OrderOutcome.TAKEN:
                model.ended(f"backend {point}")
        case "backend holds open":
            result = await site.give(DoorOrder.HOLD_OPEN)
            assert not (model.locked and result.outcome is OrderOutcome.TAKEN)
            if result.outcome is OrderOutcome.TAKEN:
                model.recorded = set(model.locked)
        case "backend ends the hold":
            result = await site.give(DoorOrder.HOLD_OPEN, on=False)
            if result.outcome is OrderOutcome.TAKEN:
                model.recorded = set(model.locked)
        case "release":
            await site.release()
        case "release from afar":
            await site.release_from_afar()
        case "restart":
            site.restart()
            model.locked = set(model.recorded)
        case "disk fails":
            site.log.failing = AuditError("full")
        case "disk works":
            site.log.failing = None
        case "clock is doubted":
            site.clock.trust = ClockState.BEHIND_RECORDS
        case "clock is trusted":
            site.clock.trust = ClockState.TRUSTED
        case "look":
            await site.look(0.0)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(STEPS), max_size=30))
def test_nothing_opens_a_door_in_lockdown_and_nothing_loses_a_lockdown(steps: list[str]) -> None:
    asyncio.run(play(Site(), steps))


# By which word a door is meant.


def test_a_door_is_found_by_id_by_name_and_by_access_point() -> None:
    front = _Named("front", "Front door")
    back = _Named("back", "front")
    names = DoorNames((front, back))  # type: ignore[arg-type]
    assert names.find("front").door is front, "an id goes before a name"
    assert names.find("Front door").numbers == (1, 2)
    assert names.find("2").numbers == (2,)
    assert names.find("point 3").door is back


@pytest.mark.parametrize("word", ["", "x" * 129, "garage", None, 7, "\x1b[2J", ["front"]])
def test_a_word_that_is_no_door_is_none(word: object) -> None:
    with pytest.raises(NoSuchDoorError):
        DoorNames((_Named("front"),)).find(word)  # type: ignore[arg-type]


def test_a_name_of_two_doors_is_none() -> None:
    doors = (_Named("a", "Door"), _Named("b", "Door"))
    with pytest.raises(NoSuchDoorError, match="several doors: a, b"):
        DoorNames(doors).find("Door")  # type: ignore[arg-type]
