"""The simulated door: each piece of its physics, on a virtual time."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from hubcore.errors import HardwareError, RestingError
from hubcore.ports.doors import Input, InputEvent, Mover
from hubsim.door.door import Bolt, Leaf, SimDoor, Times
from hubsim.timeline import VirtualTime

LEVELS = [Input.STRIKE_INACTIVE, Input.DOOR_CLOSED]
ACTIVE = Input.STRIKE_ACTIVE
INACTIVE = Input.STRIKE_INACTIVE
OPEN = Input.DOOR_OPEN
CLOSED = Input.DOOR_CLOSED
REX = Input.REX


def do(step: Coroutine[Any, Any, None]) -> None:
    """Run a step that never waits."""
    with pytest.raises(StopIteration):
        step.send(None)


class Bench:
    def __init__(self) -> None:
        self.time = VirtualTime(1000.0)
        self.edges: list[InputEvent] = []
        self.door = SimDoor(
            "front", self.time, self.edges.append, Times(cap_seconds=10.0, close_seconds=1.5)
        )
        self.port: Mover = self.door
        assert self.told() == LEVELS

    def bolts(self) -> list[Bolt]:
        return [self.door.bolt]

    def told(self) -> list[Input]:
        """Return what was reported since the last call."""
        told = [event.what for event in self.edges]
        self.edges.clear()
        return told


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_release_drives_the_strike_once_and_falls_back_by_itself(bench: Bench) -> None:
    do(bench.port.release(5.0))
    assert bench.door.active
    assert bench.door.strikes == 1
    assert bench.door.last_drive_ns == 1000 * 10**9
    bench.time.advance(4.999)
    assert bench.door.active
    bench.time.advance(0.001)
    assert not bench.door.active
    assert [(event.what, event.at) for event in bench.edges] == [
        (ACTIVE, 1000.0),
        (INACTIVE, 1005.0),
    ]
    assert {event.door for event in bench.edges} == {"front"}


def test_a_release_is_capped(bench: Bench) -> None:
    do(bench.port.release(3600.0))
    bench.time.advance(9.99)
    assert bench.door.active
    bench.time.advance(0.01)
    assert not bench.door.active


def test_releases_that_prolong_each_other_end_at_the_cap_and_go_on_after_a_rest(
    bench: Bench,
) -> None:
    for _ in range(3):
        do(bench.port.release(5.0))
        bench.time.advance(4.0 if bench.time.time() < 1008.0 else 1.9)
    assert bench.door.active
    bench.time.advance(0.2)
    assert not bench.door.active
    with pytest.raises(RestingError) as caught:
        do(bench.port.release(5.0))
    assert 0 < caught.value.seconds <= 0.5
    bench.time.advance(0.5)
    assert bench.door.active
    bench.time.advance(2.5)  # 13 s after the first, 5 s after the third
    assert not bench.door.active
    assert [event.at for event in bench.edges] == pytest.approx([1000.0, 1010.0, 1010.5, 1013.0])


def test_a_door_tells_how_long_it_must_rest_before_it_is_asked_to_move(bench: Bench) -> None:
    assert bench.port.must_rest_seconds(5.0) == 0.0
    do(bench.port.release(10.0))
    bench.time.advance(10.0)
    assert bench.port.must_rest_seconds(5.0) == pytest.approx(0.5)
    with pytest.raises(RestingError) as caught:
        do(bench.port.release(5.0))
    assert caught.value.seconds == bench.port.must_rest_seconds(5.0)
    bench.time.advance(0.5)
    assert bench.port.must_rest_seconds(5.0) == 0.0


def test_a_release_during_a_release_ends_at_the_later_end_and_is_one_strike(bench: Bench) -> None:
    do(bench.port.release(5.0))
    bench.time.advance(3.0)
    do(bench.port.release(4.0))
    do(bench.port.release(1.0))
    bench.time.advance(3.9)
    assert bench.door.active
    bench.time.advance(0.1)
    assert not bench.door.active
    assert bench.door.strikes == 1
    assert bench.told() == [ACTIVE, INACTIVE]


def test_secure_ends_a_release_and_leaves_no_timer_to_cut_the_next_one_short(bench: Bench) -> None:
    do(bench.port.release(5.0))
    bench.time.advance(1.0)
    do(bench.port.secure())
    do(bench.port.secure())
    assert bench.told() == [ACTIVE, INACTIVE]
    do(bench.port.release(8.0))
    bench.time.advance(4.5)
    assert bench.door.active
    assert bench.door.strikes == 2


def test_a_short_release_after_a_secured_long_one_still_ends(bench: Bench) -> None:
    do(bench.port.release(9.0))
    do(bench.port.secure())
    do(bench.port.release(1.0))
    bench.time.advance(1.0)
    assert not bench.door.active


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_release_that_is_none_is_refused(bench: Bench, seconds: float) -> None:
    with pytest.raises(HardwareError, match="positive number"):
        do(bench.port.release(seconds))
    assert bench.told() == []


def test_the_leaf_opens_only_while_something_frees_the_bolt(bench: Bench) -> None:
    assert bench.bolts() == [Bolt.HELD]
    assert not bench.door.pull()
    do(bench.port.release(5.0))
    assert bench.bolts() == [Bolt.FREE]
    assert bench.door.pull()
    assert bench.door.leaf is Leaf.OPEN
    assert bench.told() == [ACTIVE, OPEN]


def test_an_open_leaf_falls_shut_and_its_latch_holds_again(bench: Bench) -> None:
    do(bench.port.release(1.0))
    bench.door.pull()
    bench.door.let_go()
    bench.time.advance(1.49)
    assert bench.door.leaf is Leaf.FALLING_SHUT
    bench.time.advance(0.01)
    assert bench.told() == [ACTIVE, OPEN, INACTIVE, CLOSED]
    assert bench.door.bolt is Bolt.HELD
    assert not bench.door.pull()


def test_a_leaf_caught_while_falling_shut_reports_nothing_new(bench: Bench) -> None:
    do(bench.port.release(1.0))
    bench.door.pull()
    bench.door.let_go()
    bench.time.advance(1.2)
    assert bench.door.pull()
    bench.time.advance(5.0)
    assert bench.told() == [ACTIVE, OPEN, INACTIVE]


def test_a_stuck_keeper_keeps_the_leaf_shut_though_the_strike_is_driven(bench: Bench) -> None:
    bench.door.faults.sticks = True
    do(bench.port.release(5.0))
    assert bench.door.active
    assert bench.door.bolt is Bolt.HELD
    assert not bench.door.pull()
    bench.time.advance(5.0)
    assert bench.told() == [ACTIVE, INACTIVE]


def test_a_bouncing_contact_chatters_and_ends_closed(bench: Bench) -> None:
    bench.door.faults.bounces = 3
    do(bench.port.release(1.0))
    bench.door.pull()
    bench.door.let_go()
    bench.time.advance(1.4)
    bench.told()
    bench.time.advance(1.0)
    assert [event.what for event in bench.edges] == [
        CLOSED,
        OPEN,
        CLOSED,
        OPEN,
        CLOSED,
        OPEN,
        CLOSED,
    ]
    gaps = [b.at - a.at for a, b in zip(bench.edges, bench.edges[1:], strict=False)]
    assert gaps == pytest.approx([0.002] * 6)


def test_a_leaf_pulled_amid_the_bounces_ends_open(bench: Bench) -> None:
    bench.door.faults.bounces = 3
    do(bench.port.release(5.0))
    bench.door.pull()
    bench.door.let_go()
    bench.time.advance(1.5035)  # closed, opened, not yet closed again
    assert bench.door.pull()
    bench.time.advance(2.0)
    assert bench.told() == [ACTIVE, OPEN, CLOSED, OPEN]


def test_a_forced_leaf_opens_with_the_strike_inactive(bench: Bench) -> None:
    bench.door.force()
    assert bench.door.leaf is Leaf.OPEN
    assert not bench.door.active
    assert bench.told() == [OPEN]
    assert bench.door.strikes == 0


def test_a_wedged_leaf_stays_open_until_the_wedge_is_removed(bench: Bench) -> None:
    do(bench.port.release(1.0))
    bench.door.pull()
    bench.door.hold_open()
    bench.door.let_go()
    bench.time.advance(600.0)
    assert bench.told() == [ACTIVE, OPEN, INACTIVE]
    bench.door.remove_wedge()
    bench.time.advance(1.5)
    assert bench.told() == [CLOSED]


def test_a_wedge_stops_a_falling_leaf(bench: Bench) -> None:
    bench.door.force()
    bench.door.let_go()
    bench.time.advance(1.0)
    bench.door.hold_open()
    bench.time.advance(60.0)
    assert bench.told() == [OPEN]


def test_a_broken_strike_raises_and_is_inactive(bench: Bench) -> None:
    do(bench.port.release(5.0))
    bench.door.faults.broken = "The relay board does not answer: check its plug."
    with pytest.raises(HardwareError, match="check its plug"):
        do(bench.port.release(5.0))
    assert not bench.door.active
    bench.door.faults.broken = ""
    do(bench.port.release(5.0))
    assert bench.told() == [ACTIVE, INACTIVE, ACTIVE]


def test_a_request_to_exit_frees_the_bolt_in_hardware_without_the_strike(bench: Bench) -> None:
    bench.door.faults.sticks = True  # the inside handle draws the latch itself
    bench.door.push_rex()
    assert bench.door.pull()
    assert bench.told() == [REX, OPEN]
    assert bench.door.strikes == 0


def test_a_request_to_exit_does_not_last(bench: Bench) -> None:
    bench.door.push_rex()
    bench.time.advance(5.0)
    assert not bench.door.pull()


async def played() -> list[InputEvent]:
    bench = Bench()
    bench.door.faults.bounces = 2
    await bench.door.release(3.0)
    bench.door.pull()
    bench.door.let_go()
    bench.time.advance(10.0)
    bench.door.force()
    return bench.edges


@pytest.mark.asyncio
async def test_the_same_steps_give_the_same_edges() -> None:
    assert await played() == await played()


@pytest.mark.asyncio
async def test_the_loop_itself_is_a_timeline() -> None:
    fell = asyncio.Event()
    edges: list[InputEvent] = []

    def hear(event: InputEvent) -> None:
        edges.append(event)
        if event.what is INACTIVE and len(edges) > len(LEVELS):
            fell.set()

    door = SimDoor("front", asyncio.get_running_loop(), hear)
    await door.release(0.05)
    assert door.active
    async with asyncio.timeout(10):
        await fell.wait()
    assert edges[-1].at - edges[-2].at >= 0.05


def test_virtual_time_fires_in_order_and_at_each_callbacks_own_time() -> None:
    time = VirtualTime(0.0)
    fired: list[tuple[str, float]] = []
    time.call_at(2.0, lambda: fired.append(("b", time.time())))
    time.call_at(1.0, lambda: time.call_at(1.5, lambda: fired.append(("nested", time.time()))))
    time.call_at(2.0, lambda: fired.append(("c", time.time())))
    time.call_at(1.9, lambda: fired.append(("never", time.time()))).cancel()
    time.advance(2.0)
    assert fired == [("nested", 1.5), ("b", 2.0), ("c", 2.0)]
