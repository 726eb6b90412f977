"""A door with two strikes: released together, each within its own cap and rest, and never left half
released.

The laws are those of `hubd.wiring.mover_group`; what any mover does stands in
tests/ports/test_mover.py.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hubcore.door.state import BoltState
from hubcore.errors import HardwareError, RestingError
from hubcore.ports.doors import Input, InputEvent
from hubd.wiring.mover_group import MoverGroup
from hubsim.door.door import SimDoor, Times
from hubsim.timeline import VirtualTime

pytestmark = pytest.mark.asyncio

LEFT = Times(cap_seconds=2.0, rest_seconds=0.5)
RIGHT = Times(cap_seconds=10.0, rest_seconds=6.0)


class Unforeseen(SimDoor):
    """A door that knows of no rest until it is asked to move."""

    def must_rest_seconds(self, seconds: float) -> float:
        return 0.0


class Pair:
    """A door with a left strike that tires soon and rests shortly, and a right one that does
    neither.
    """

    def __init__(self, kind: type[SimDoor] = SimDoor) -> None:
        self.kind = kind
        self.time = VirtualTime(1000.0)
        self.edges: list[InputEvent] = []
        self.strikes: list[SimDoor] = []
        self.door = MoverGroup([self.make(LEFT), self.make(RIGHT)], self.edges.append)
        self.left, self.right = self.strikes

    def make(self, times: Times) -> Callable[[Callable[[InputEvent], None]], SimDoor]:
        def made(publish: Callable[[InputEvent], None]) -> SimDoor:
            self.strikes.append(self.kind("front", self.time, publish, times))
            return self.strikes[-1]

        return made

    def driven(self) -> tuple[bool, bool]:
        return self.left.active, self.right.active

    def told(self) -> list[tuple[Input, float]]:
        moves = (Input.STRIKE_ACTIVE, Input.STRIKE_INACTIVE)
        return [(edge.what, edge.at) for edge in self.edges if edge.what in moves]


# mover_group, law 1
async def test_both_are_released_together_each_within_its_own_cap() -> None:
    pair = Pair()
    await pair.door.release(5.0)
    assert pair.driven() == (True, True)
    pair.time.advance(2.0)
    assert pair.driven() == (False, True)
    assert pair.door.driven
    assert pair.door.bolt_state is BoltState.AT_REST  # the left strike rests, and should hold
    pair.time.advance(3.0)
    assert pair.driven() == (False, False)
    assert not pair.door.driven


async def test_the_door_is_driven_from_the_first_to_the_last_as_one_release() -> (
    None
):  # mover_group, law 6
    pair = Pair()
    assert pair.told() == [(Input.STRIKE_INACTIVE, 1000.0)]
    await pair.door.release(5.0)
    pair.time.advance(5.0)
    assert pair.told()[1:] == [(Input.STRIKE_ACTIVE, 1000.0), (Input.STRIKE_INACTIVE, 1005.0)]


# mover_group, law 6
async def test_what_is_no_level_is_passed_on() -> None:
    pair = Pair()
    pair.edges.clear()
    pair.right.push_rex()
    assert [edge.what for edge in pair.edges] == [Input.REX]


async def test_the_door_waits_for_the_longest_rest_and_drives_none_before_it() -> (
    None
):  # mover_group, law 2
    pair = Pair()
    await pair.door.release(10.0)
    pair.time.advance(10.0)
    assert pair.left.must_rest_seconds(1.0) == 0.0, "it has rested meanwhile"
    assert pair.door.must_rest_seconds(1.0) == pair.right.must_rest_seconds(1.0) == 6.0
    with pytest.raises(RestingError) as caught:
        await pair.door.release(1.0)
    assert caught.value.seconds == 6.0
    assert pair.driven() == (False, False)
    pair.time.advance(6.0)
    await pair.door.release(1.0)
    assert pair.driven() == (True, True)


# mover_group, law 3
async def test_when_one_cannot_be_driven_none_stays_driven() -> None:
    for broken in (0, 1):
        pair = Pair()
        pair.strikes[broken].faults.broken = "Strike front cannot be driven."
        with pytest.raises(HardwareError, match=r"\AStrike front cannot be driven\.\Z"):
            await pair.door.release(1.0)
        assert pair.driven() == (False, False)
        assert pair.strikes[1 - broken].strikes == 1, (
            "it was driven for a moment, so the release counts as moved"
        )


async def test_a_rest_of_one_that_nobody_knew_is_a_fault_once_another_was_driven() -> (
    None
):  # mover_group, law 4
    pair = Pair(Unforeseen)
    await pair.right.release(10.0)
    pair.time.advance(10.0)
    with pytest.raises(HardwareError, match="rests for another 6000 ms") as caught:
        await pair.door.release(1.0)
    assert not isinstance(caught.value, RestingError), "that would say that nothing has moved"
    assert pair.driven() == (False, False)


# mover_group, law 2
async def test_a_rest_of_all_that_nobody_knew_is_the_longest_rest() -> None:
    pair = Pair(Unforeseen)
    await pair.door.release(10.0)
    pair.time.advance(2.0)
    await pair.right.secure()
    await pair.right.release(10.0)
    pair.time.advance(8.0)
    await pair.left.release(2.0)
    pair.time.advance(2.0)
    with pytest.raises(RestingError) as caught:
        await pair.door.release(1.0)
    assert caught.value.seconds == pytest.approx(4.0)


# mover_group, law 3
async def test_a_sentence_that_all_have_is_said_once() -> None:
    pair = Pair()
    for strike in pair.strikes:
        strike.faults.broken = "No strike can be driven: the guard has gone."
    with pytest.raises(HardwareError, match=r"\ANo strike can be driven: the guard has gone\.\Z"):
        await pair.door.release(1.0)


async def test_secure_tries_every_one_and_says_what_could_not_be_done() -> (
    None
):  # mover_group, law 5
    class Stuck(SimDoor):
        async def secure(self) -> None:
            raise HardwareError(f"It cannot be secured after {self.strikes} strikes.")

    pair = Pair()
    await pair.door.release(1.0)
    await pair.door.secure()
    assert pair.driven() == (False, False)

    pair = Pair()
    stuck = MoverGroup(
        [pair.make(RIGHT), lambda hear: Stuck("front", pair.time, hear, LEFT), pair.make(RIGHT)],
        print,
    )
    await stuck.release(1.0)
    with pytest.raises(HardwareError, match="It cannot be secured after 1 strikes"):
        await stuck.secure()
    assert [strike.active for strike in pair.strikes] == [False, False, False, False]
