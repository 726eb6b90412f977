"""The two slots: the table, and a power cut at each step of an update."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.update.image import Image
from hubcore.update.slots import (
    DUTIES,
    QUARANTINE_MAX,
    STARTS_MAX,
    TABLE,
    TRIALS_MAX,
    Doubt,
    Event,
    Phase,
    Refusal,
    Slot,
    Slots,
    begin,
    let_out,
    roll_back,
    start,
    take,
)
from tests.unit.update.slots_world import NEW, OLD, Nature, World

REST = Slots(well=Slot.A, running=OLD)


def at(phase: Phase, starts: int = 0) -> Slots:
    return replace(REST, other=NEW, phase=phase, starts=starts)


def steps_of(nature: Nature) -> int:
    """How many steps a life without a cut has."""
    world = World(nature, cuts=[])
    world.live()
    return world.steps


def assert_came_to_its_end(world: World) -> None:
    slots = world.slots
    assert slots.phase is Phase.RESTING
    assert world.up is world.link is slots.well
    if world.nature is Nature.GOOD:
        assert (slots.running, slots.other, slots.quarantine) == (NEW, OLD, ())
    else:
        assert slots.running == OLD
        assert slots.quarantine == (NEW.digest,)


@pytest.mark.parametrize("nature", Nature)
@pytest.mark.parametrize("torn", [False, True])
def test_a_power_cut_at_each_step_ends_in_a_slot_that_runs(nature: Nature, torn: bool) -> None:
    count = steps_of(nature)
    assert count >= 5
    for cut in range(count):
        world = World(nature, cuts=[cut], torn=torn)
        world.live()
        assert world.steps > cut
        assert_came_to_its_end(world)


@pytest.mark.parametrize("nature", Nature)
def test_two_power_cuts_at_any_steps_do_too(nature: Nature) -> None:
    for cuts in combinations(range(steps_of(nature) + 8), 2):
        world = World(nature, cuts=list(cuts), torn=True)
        world.live()
        assert_came_to_its_end(world)


@given(
    st.sampled_from(Nature), st.lists(st.integers(0, 60), max_size=20, unique=True), st.booleans()
)
def test_any_number_of_power_cuts_ends_in_a_slot_that_runs(
    nature: Nature, cuts: list[int], torn: bool
) -> None:
    world = World(nature, cuts=cuts, torn=torn)
    world.live()
    slots = world.slots
    assert slots.phase is Phase.RESTING
    assert world.up is world.link is slots.well
    if nature is not Nature.GOOD:
        assert slots.running == OLD


def test_each_phase_has_a_duty_and_each_but_rest_a_way_out() -> None:
    assert set(DUTIES) == set(Phase)
    assert {phase for phase, _ in TABLE} == set(Phase) - {Phase.RESTING}


@given(st.sampled_from(Phase), st.sampled_from(Event))
def test_what_is_not_in_the_table_is_refused(phase: Phase, event: Event) -> None:
    after = take(at(phase), event)
    assert isinstance(after, Slots) is ((phase, event) in TABLE)


@given(st.lists(st.sampled_from(Event), max_size=30))
def test_no_order_of_events_changes_the_slot_found_well_without_a_trial(
    events: list[Event],
) -> None:
    slots: Slots = at(Phase.WRITING)
    for event in events:
        before = slots
        after = take(before, event)
        slots = after if isinstance(after, Slots) else before
        if slots.well is not before.well:
            assert (before.phase, event) == (Phase.TRIAL, Event.FOUND_WELL)
            assert slots.running == before.other


def test_two_updates_at_once_are_one() -> None:
    first = begin(REST, NEW)
    assert isinstance(first, Slots)
    other = Image("hubd-3.squashfs", "3.0", b"\x03" * 32, 3000)
    assert begin(first, other) is Refusal.BUSY
    assert roll_back(first) is Refusal.BUSY


def test_a_bad_image_stays_out_until_a_person_lets_it_in() -> None:
    bad = take(at(Phase.WRITTEN), Event.TEST_FAILED)
    assert isinstance(bad, Slots)
    assert begin(bad, NEW) is Refusal.IN_QUARANTINE
    assert isinstance(begin(let_out(bad, NEW.digest), NEW), Slots)


def test_an_image_in_doubt_waits_for_those_it_did_not_see_and_then_is_bad() -> None:
    slots = REST
    for trial in range(1, TRIALS_MAX):
        doubted = take(replace(at(Phase.TRIAL, starts=1), doubt=slots.doubt), Event.FOUND_UNSEEN)
        assert isinstance(doubted, Slots)
        assert (doubted.doubt, doubted.quarantine) == (Doubt(NEW.digest, trial), ())
        back = take(doubted, Event.BACK)
        assert isinstance(back, Slots)
        assert begin(back, NEW, sees_all=False) is Refusal.IN_DOUBT
        slots = back
    again = begin(slots, NEW, sees_all=True)
    assert isinstance(again, Slots)
    last = take(replace(again, phase=Phase.TRIAL), Event.FOUND_UNSEEN)
    assert isinstance(last, Slots)
    assert (last.doubt, last.quarantine) == (None, (NEW.digest,))


def test_a_doubt_is_of_one_image_and_ends_with_another_or_a_good_trial() -> None:
    doubted = replace(REST, doubt=Doubt(NEW.digest, 2))
    other = Image("hubd-3.squashfs", "3.0", b"\x03" * 32, 3000)
    begun = begin(doubted, other, sees_all=False)
    assert isinstance(begun, Slots)
    assert begun.doubt is None
    good = take(replace(at(Phase.TRIAL, 1), doubt=doubted.doubt), Event.FOUND_WELL)
    assert isinstance(good, Slots)
    assert good.doubt is None
    unlike = take(replace(at(Phase.TRIAL, 1), other=other, doubt=doubted.doubt), Event.FOUND_UNSEEN)
    assert isinstance(unlike, Slots)
    assert unlike.doubt == Doubt(other.digest, 1)


def test_an_image_that_was_written_badly_is_not_to_blame() -> None:
    unwritten = take(at(Phase.WRITING), Event.NOT_WRITTEN)
    assert isinstance(unwritten, Slots)
    assert (unwritten.other, unwritten.quarantine) == (None, ())
    assert isinstance(begin(unwritten, NEW), Slots)


def test_the_image_that_runs_is_not_written_again() -> None:
    assert begin(REST, OLD) is Refusal.RUNS_ALREADY


def test_a_person_rolls_back_to_the_version_before_by_the_same_way() -> None:
    assert roll_back(REST) is Refusal.NOTHING_TO_RETURN_TO
    settled = replace(REST, other=NEW)
    back = roll_back(settled)
    assert isinstance(back, Slots)
    assert (back.phase, back.by_person) == (Phase.WRITTEN, True)
    assert back.quarantine == (OLD.digest,)
    for event in (Event.TEST_PASSED, Event.MAY_SWITCH, Event.TAKEN_OVER, Event.FOUND_WELL):
        after = take(back, event)
        assert isinstance(after, Slots)
        back = after
    assert (back.well, back.running, back.other) == (Slot.B, NEW, OLD)
    assert not back.by_person
    assert begin(back, OLD) is Refusal.IN_QUARANTINE


def test_a_trial_has_so_many_starts_and_then_the_old_slot_comes_back() -> None:
    slots = at(Phase.SWITCHING)
    for number in range(1, STARTS_MAX + 1):
        slots, slot = start(slots, Slot.B)
        assert (slots.phase, slots.starts, slot) == (Phase.TRIAL, number, Slot.B)
    slots, slot = start(slots, Slot.B)
    assert (slots.phase, slot) == (Phase.RETURNING, Slot.A)
    assert slots.quarantine == (NEW.digest,)


def test_a_start_before_the_link_was_turned_waits_again() -> None:
    slots, slot = start(at(Phase.SWITCHING), Slot.A)
    assert (slots.phase, slot) == (Phase.WAITING, Slot.A)


def test_a_link_that_somebody_turned_back_in_a_trial_ends_it() -> None:
    slots, slot = start(at(Phase.TRIAL, starts=1), Slot.A)
    assert (slots.phase, slot) == (Phase.RETURNING, Slot.A)


@given(st.sampled_from([Phase.RESTING, Phase.WRITING, Phase.WRITTEN, Phase.WAITING]))
def test_a_link_that_points_to_a_slot_never_found_well_is_turned_back(phase: Phase) -> None:
    assert start(at(phase), Slot.B) == (at(phase), Slot.A)


def test_the_quarantine_forgets_the_oldest() -> None:
    full = replace(
        at(Phase.WRITTEN),
        quarantine=tuple(bytes([number]) * 32 for number in range(100, 100 + QUARANTINE_MAX)),
    )
    after = take(full, Event.TEST_FAILED)
    assert isinstance(after, Slots)
    assert after.quarantine == (*full.quarantine[1:], NEW.digest)


@pytest.mark.parametrize(
    "wrong",
    [
        {"phase": Phase.TRIAL},
        {"by_person": True},
        {"starts": STARTS_MAX + 1},
        {"quarantine": (NEW.digest,) * (QUARANTINE_MAX + 1)},
        {"quarantine": (NEW.digest[1:],)},
    ],
)
def test_a_state_that_cannot_be_is_none(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        replace(REST, **wrong)  # type: ignore[arg-type]
