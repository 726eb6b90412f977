"""A switch by which a new version takes a running hub over, and each way in which it breaks off."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.errors import StoreError
from hubcore.update.health import Verdict
from hubcore.update.slots import Event, Phase, Slot
from hubupdate.running.machine import SILENT_SECONDS
from hubupdate.running.orders import Order
from tests.unit.update.running.hands_world import NEW, OLD, TICK_SECONDS, Nature, World

pytestmark = pytest.mark.once

HAPPENINGS = ("step", "tick", "new_program", "kill_new", "kill_old", "cut_power", "ceiling")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def until_on_trial(world: World) -> None:
    while world.standing != "on-trial":
        world.step()
        world.tick()


def test_a_good_version_takes_over_and_stays_without_a_start(world: World) -> None:
    world.phones = 3
    assert world.machine.is_at_rest()
    slots = world.settle()
    assert (slots.well, slots.running, slots.other) == (Slot.B, NEW, OLD)
    assert world.ordered == [Order.MOUNT]


@pytest.mark.parametrize("nature", [Nature.NEVER, Nature.DIES, Nature.ILL])
def test_a_bad_version_is_given_back_without_a_start(world: World, nature: Nature) -> None:
    world.nature = nature
    slots = world.settle()
    assert (slots.well, slots.running, slots.quarantine) == (Slot.A, OLD, (NEW.digest,))
    assert Order.RESTART not in world.ordered


def test_a_version_that_cannot_take_over_has_two_tries(world: World) -> None:
    """machine, law 3"""
    world.nature = Nature.NEVER
    outcomes = []
    while world.disk.state().phase is Phase.SWITCHING:
        outcomes.append(world.step())
        world.tick()
    assert outcomes[-1] is Event.NOT_TAKEN_OVER
    assert world.ordered == [Order.MOUNT] * 2


def test_a_hub_without_a_quiet_moment_blames_nobody_and_waits_again(world: World) -> None:
    """machine, law 3"""
    world.is_quiet = False
    slots = world.settle()
    assert (slots.phase, slots.quarantine) == (Phase.WAITING, ())


def test_a_changed_unit_is_brought_in_by_a_start_when_no_phone_is_connected(world: World) -> None:
    """machine, law 2"""
    world.is_unit_changed = True
    world.phones = 1
    assert world.machine.is_at_rest()
    slots = world.settle()
    assert slots.phase is Phase.WAITING
    assert Order.RESTART not in world.ordered
    assert not world.machine.is_at_rest()
    world.phones = 0
    assert world.machine.is_at_rest()
    world.disk.keep_state(slots.__class__(Slot.A, OLD, NEW, Phase.SWITCHING))
    assert world.settle().well is Slot.B
    assert Order.RESTART in world.ordered


def test_a_hub_that_knows_no_change_of_hands_is_started_again(world: World) -> None:
    world.can_hand_over = False
    assert world.settle().well is Slot.B
    assert world.ordered == [Order.RESTART]


def test_a_trial_whose_program_died_goes_on_with_the_next(world: World) -> None:
    until_on_trial(world)
    world.new_program()
    assert world.step() is Event.TAKEN_OVER
    world.new_program()
    assert world.step() is Verdict.GOES_ON
    assert world.settle().well is Slot.B


def test_a_trial_of_which_nobody_spoke_is_over_when_the_next_program_comes(world: World) -> None:
    """hubd has gone back by its own ceiling (`hubd.takeover.changing`, law 3)."""
    until_on_trial(world)
    world.step()
    world.ceiling()
    world.new_program()
    assert world.step() is Event.NOT_TAKEN_OVER
    assert world.settle().well is Slot.A


def test_a_hub_that_is_silent_while_it_changes_hands_is_not_started(world: World) -> None:
    """machine, law 2"""
    world.nature = Nature.ILL
    world.silent_seconds = TICK_SECONDS + SILENT_SECONDS / 2
    assert world.settle().well is Slot.A
    assert Order.RESTART not in world.ordered


def test_a_hub_that_stays_silent_is_started(world: World) -> None:
    """machine, law 2"""
    until_on_trial(world)
    world.step()
    world.nature = Nature.ILL
    world.silent_seconds = SILENT_SECONDS * 10
    assert world.settle().well is Slot.A
    assert Order.RESTART in world.ordered


def test_a_trial_is_kept_only_once_the_new_version_drives_alone(world: World) -> None:
    """duties, law 10"""
    until_on_trial(world)
    while world.standing == "on-trial":
        world.step()
        world.clock.advance(60)
        assert world.disk.state().well is Slot.A
    assert world.disk.state().phase is Phase.TRIAL
    assert world.step() is Event.FOUND_WELL


def test_a_slot_that_is_not_mounted_and_a_root_that_does_nothing_blame_nobody(
    world: World,
) -> None:
    status: list[int | None] = [None]

    def give(order: Order) -> int | None:
        return status[0] if world.disk.linked() is Slot.B else World.give(world, order)

    world.machine._orders = type("Root", (), {"give": staticmethod(give)})()
    with pytest.raises(StoreError, match="nobody mounts"):
        world.step()
    assert world.disk.state().phase is Phase.SWITCHING
    status[0] = 1
    with pytest.raises(StoreError, match="slot B cannot be mounted now"):
        world.step()
    assert world.disk.state().phase is Phase.SWITCHING
    assert not world.disk.state().quarantine


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(Nature), st.lists(st.sampled_from(HAPPENINGS), max_size=25))
def test_whatever_dies_and_whenever_a_slot_drives_and_everything_agrees(
    nature: Nature, happenings: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), nature)
        for happening in happenings:
            getattr(world, happening)()
            assert world.drives is not None
        slots = world.settle()
        assert slots.well is Slot.A or nature is Nature.GOOD
        assert (slots.quarantine == (NEW.digest,)) or slots.well is Slot.B or _is_waiting(slots)
        if not {"kill_new", "kill_old", "cut_power", "ceiling"} & set(happenings):
            assert slots.well is (Slot.B if nature is Nature.GOOD else Slot.A)


def _is_waiting(slots: object) -> bool:
    return getattr(slots, "phase", None) is Phase.WAITING
