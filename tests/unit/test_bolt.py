"""What is said of a door's bolt: never more than a mover, or a contact, has proof of.

The laws are those of `hubcore.ports.doors`; the strikes' and relays' share is in tests/ports.
"""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.lock.mover import LockAtDoor, LockMover
from drivers.strike.guard_client import StrikeGuard
from drivers.strike.strike import Strike
from drivers.strike.wire import StrikeLine
from hubcore.device.state import DeviceFault, Position
from hubcore.door.state import BoltState, bolt_of_several
from tests.fakes.commands import FakeCommands

LOCK = "front-lock"
SURE = frozenset({DeviceFault.REFUSED, DeviceFault.TAMPERED, DeviceFault.BATTERY_LOW})
"""Faults by which a lock still tells how its bolt stands."""


def lock_of(commands: FakeCommands) -> LockMover:
    at_door = LockAtDoor(LOCK, "front", cap_seconds=2.0, rest_seconds=0.5)
    return LockMover(at_door, commands, lambda _edge: None, lambda: False)


@pytest.mark.parametrize(("position", "fault"), list(product(Position, [None, *DeviceFault])))
@pytest.mark.parametrize("was_driven", [False, True])
async def test_a_lock_is_locked_only_by_its_own_word_of_now(
    position: Position, fault: DeviceFault | None, was_driven: bool
) -> None:  # lock.mover, law 8
    commands = FakeCommands(position)
    mover = lock_of(commands)
    if was_driven:
        await mover.release(1.0)
    if fault is not None:
        commands.standing = frozenset({fault})
    bolt = mover.bolt_state
    is_sure = fault is None or fault in SURE
    if bolt is BoltState.LOCKED:
        assert position is Position.LOCKED
        assert is_sure
        assert not was_driven
    if not is_sure:
        assert bolt is BoltState.UNKNOWN
    elif position is Position.UNLOCKED:
        assert bolt is BoltState.FREE
    elif position is Position.LOCKED and not was_driven:
        assert bolt is BoltState.LOCKED
    else:
        assert bolt is BoltState.UNKNOWN


def test_a_strike_tells_nothing_before_a_guard_holds_its_line() -> None:
    lines = {"bolt": StrikeLine("gpiochip0", 17, cap_ms=1000, rest_ms=500)}
    guard = StrikeGuard(lines, lambda _up, _why: None)
    strike = Strike(guard, "bolt", "front", lambda _edge: None)
    assert not strike.driven
    assert strike.bolt_state is BoltState.UNKNOWN


@given(st.lists(st.sampled_from(BoltState), min_size=1, max_size=4))
def test_several_movers_say_no_more_than_each_of_them(bolts: list[BoltState]) -> None:
    """hubd.wiring.mover_group, law 6: one that holds is enough, and all must have let go."""
    together = bolt_of_several(bolts)
    assert together in bolts
    assert (together is BoltState.LOCKED) is (BoltState.LOCKED in bolts)
    assert (together is BoltState.FREE) is (set(bolts) == {BoltState.FREE})
    if BoltState.UNKNOWN in bolts:
        assert together in (BoltState.UNKNOWN, BoltState.LOCKED)
    assert bolt_of_several([*bolts, *bolts]) is together
    assert bolt_of_several(bolts[::-1]) is together
