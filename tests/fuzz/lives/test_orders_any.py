"""Orders for doors in any order of events, against a model that is only the words of the table.

Whatever came before: the highest order that stands decides, the end of one gives back what stood
before it, nothing opens by an order that was given while something higher kept the door shut, and a
restart changes nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.access.precedence import MODE_OF, DoorMode, DoorOrder, opens
from hubcore.access.words import Mode
from hubcore.backend.uplink.words import OrderOutcome
from tests.unit.test_door_orders import BACK, FRONT, Doors

DOORS = (FRONT, BACK)
POINT_OF = {FRONT: 1, BACK: 3}
BY_BACKEND = (DoorOrder.HOLD_OPEN, DoorOrder.NO_ENTRY, DoorOrder.LOCKDOWN)
BY_POLICY = {
    Mode.NORMAL: None,
    Mode.LOCKDOWN: DoorOrder.LOCKDOWN,
    Mode.NO_ENTRY: DoorOrder.NO_ENTRY,
}
PLACES = (FRONT, BACK, None)
UNTILS = (None, 40, 90)


@dataclass
class Model:
    """Which orders stand: by the door (None: all) and the order, until when."""

    now: int
    given: dict[tuple[str | None, DoorOrder], int | None] = field(default_factory=dict)
    policy: dict[str, Mode] = field(default_factory=dict)
    fire: set[str] = field(default_factory=set)

    def standing(self, door: str) -> set[DoorOrder]:
        found = {
            order
            for (place, order), until in self.given.items()
            if place in (door, None) and (until is None or self.now < until)
        }
        by_policy = BY_POLICY[self.policy.get(door, Mode.NORMAL)]
        if by_policy is not None:
            found.add(by_policy)
        if door in self.fire:
            found.add(DoorOrder.FIRE)
        return found

    def mode(self, door: str) -> DoorMode:
        highest = max(self.standing(door), default=None)
        return DoorMode.LOCKED if highest is None else MODE_OF[highest]

    def may_hold(self, place: str | None) -> bool:
        doors = DOORS if place is None else (place,)
        if BACK in doors:
            return False  # its mover is not made for that
        shut = (
            order > DoorOrder.HOLD_OPEN and not opens(order)
            for door in doors
            for order in self.standing(door)
        )
        return not any(shut)

    def give(self, place: str | None, order: DoorOrder, on: bool, until: int | None) -> bool:
        if not on:
            self.given.pop((place, order), None)
            return True
        if order is DoorOrder.HOLD_OPEN and not self.may_hold(place):
            return False
        self.given[place, order] = until
        return True


orders = st.tuples(
    st.just("order"),
    st.sampled_from(PLACES),
    st.sampled_from(BY_BACKEND),
    st.booleans(),
    st.sampled_from(UNTILS),
)
events = st.one_of(
    orders,
    orders,
    orders,
    orders,
    st.tuples(st.just("policy"), st.sampled_from(DOORS), st.sampled_from(list(Mode))),
    st.tuples(st.just("fire"), st.sampled_from(DOORS), st.booleans()),
    st.tuples(st.just("time"), st.integers(1, 60)),
    st.tuples(st.just("restart")),
    st.tuples(st.just("look")),
)


async def play(happened: list[tuple[object, ...]]) -> None:
    doors = Doors()
    model = Model(int(doors.clock.wall()))
    for event in happened:
        await take(doors, model, event)
        for door in DOORS:
            assert doors.standing.mode(door) is model.mode(door), (door, event)
        await doors.look()
        for door in DOORS:
            assert doors.standing.mode(door) is model.mode(door), (door, event, "looked")
            held = doors.movers[door].driven
            if model.mode(door) in (DoorMode.LOCKED_DOWN, DoorMode.BLOCKED):
                assert not held
            if model.mode(door) is DoorMode.UNLOCKED:
                assert held is (door == FRONT)


async def take(doors: Doors, model: Model, event: tuple[object, ...]) -> None:
    match event:
        case ("order", place, order, on, until):
            end = None if until is None else model.now + until  # type: ignore[operator]
            point = None if place is None else POINT_OF[place]  # type: ignore[index]
            doors.clock.advance(3.0)  # orders have a pace
            model.now += 3
            answer = await doors.give(
                order,  # type: ignore[arg-type]
                on=bool(on),
                access_point=point,
                until=end,
            )
            taken = model.give(place, order, bool(on), end)  # type: ignore[arg-type]
            assert (answer.outcome is OrderOutcome.TAKEN) is taken, (event, answer)
        case ("policy", door, mode):
            doors.policy.modes[POINT_OF[door]] = mode  # type: ignore[index, assignment]
            doors.policy.number += 1
            model.policy[door] = mode  # type: ignore[index, assignment]
        case ("fire", door, burns):
            doors.keeper.fire(door, bool(burns))  # type: ignore[arg-type]
            if not burns:
                doors.clock.advance(11.0)
                model.now += 11
            await doors.look()
            (model.fire.add if burns else model.fire.discard)(door)  # type: ignore[arg-type]
        case ("time", seconds):
            doors.clock.advance(float(seconds))  # type: ignore[arg-type]
            model.now += seconds  # type: ignore[operator]
        case ("restart",):
            doors.restart()
            for door in model.fire:
                doors.keeper.fire(door, True)
            await doors.look()
        case ("look",):
            await doors.look()


@settings(deadline=None)
@given(st.lists(events, min_size=8, max_size=24))
def test_orders_in_any_order_of_events(happened: list[tuple[object, ...]]) -> None:
    asyncio.run(play(happened))
