"""A whole update from a stick to the end of its trial: real lists, a real disk, the real helper."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from hubcore.errors import ExpiredError, LinkError, TrustError
from hubcore.ports.clock import ClockState
from hubcore.update.director import CLOCK_SECONDS, Word
from hubcore.update.health import (
    LONGEST_SECONDS,
    Peer,
    Required,
    Verdict,
)
from hubcore.update.slots import STARTS_MAX, Event, Phase, Refusal, Slot, Slots, roll_back
from tests.unit.update.machine import ALL, OLD, Machine
from tests.unit.update.site import BYTES, CHANNEL, NAME


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


TO_THE_TRIAL = [
    Word.GO,
    Event.PROVEN_ON_DISK,
    Event.TEST_PASSED,
    Event.MAY_SWITCH,
    Event.TAKEN_OVER,
]


def test_an_update_from_a_stick_comes_to_its_end(machine: Machine) -> None:
    assert machine.steps(5) == TO_THE_TRIAL
    machine.pass_trial()
    assert machine.duties.step() is Event.FOUND_WELL
    slots = machine.disk.state()
    assert (slots.well, slots.running, slots.other) == (Slot.B, machine.site.image, OLD)
    assert machine.hub.running is Slot.B
    assert machine.duties.step() is Refusal.RUNS_ALREADY


@pytest.mark.parametrize("phase", list(Phase)[1:6])
def test_a_program_that_dies_in_a_phase_goes_on_as_another(machine: Machine, phase: Phase) -> None:
    machine.go_to(phase)
    machine.duties = machine.new_program()
    machine.go_to(Phase.TRIAL)
    machine.duties = machine.new_program()
    machine.pass_trial()
    assert machine.duties.step() is Event.FOUND_WELL


@pytest.mark.parametrize("phase", list(Phase)[1:])
def test_a_power_cut_in_a_phase_ends_in_a_slot_that_runs(machine: Machine, phase: Phase) -> None:
    if phase is Phase.RETURNING:
        machine.hub.bad = {Slot.B}
    machine.go_to(phase)
    machine.hub.start()
    slots = machine.disk.state()
    assert machine.hub.running is (Slot.B if slots.phase is Phase.TRIAL else Slot.A)
    machine.duties = machine.new_program()
    if phase is not Phase.RETURNING:
        machine.go_to(Phase.TRIAL)
        machine.pass_trial()
    machine.duties.step()
    assert machine.phase is Phase.RESTING
    assert machine.hub.running is machine.disk.state().well


def test_a_version_that_never_comes_up_is_undone(machine: Machine) -> None:
    machine.hub.bad = {Slot.B}
    machine.go_to(Phase.SWITCHING)
    assert machine.steps(2) == [Event.NOT_TAKEN_OVER, Event.BACK]
    assert machine.hub.running is Slot.A
    assert machine.duties.step() is Refusal.IN_QUARANTINE


def test_a_version_that_dies_again_and_again_is_undone_by_the_helper_alone(
    machine: Machine,
) -> None:
    machine.go_to(Phase.TRIAL)
    for _ in range(STARTS_MAX - 1):
        machine.hub.start()
        assert machine.hub.running is Slot.B
    machine.hub.start()
    assert machine.hub.running is Slot.A
    machine.duties = machine.new_program()
    assert machine.steps(2) == [Event.BACK, Refusal.IN_QUARANTINE]


def test_a_version_that_holds_no_radio_is_undone(machine: Machine) -> None:
    machine.go_to(Phase.TRIAL)
    machine.hub.right = ALL - {Required.ON_AIR}
    assert machine.duties.step() is Verdict.GOES_ON
    machine.clock.advance(100)
    assert machine.steps(2) == [Event.FOUND_ILL, Event.BACK]
    assert machine.hub.running is Slot.A
    assert machine.disk.state().quarantine == (machine.site.image.digest,)


def test_what_was_there_before_is_known_after_a_power_cut(machine: Machine) -> None:
    machine.go_to(Phase.SWITCHING)
    machine.hub.there = frozenset()
    machine.go_to(Phase.TRIAL)
    machine.hub.start()
    machine.duties = machine.new_program()
    machine.pass_trial()
    assert machine.duties.step() is Verdict.GOES_ON
    machine.hub.there = frozenset({Peer.BACKEND})
    assert machine.duties.step() is Event.FOUND_WELL


def test_an_outage_that_outlasts_a_trial_brings_the_old_version_back_and_no_blame(
    machine: Machine,
) -> None:
    machine.go_to(Phase.SWITCHING)
    machine.hub.there = frozenset()
    machine.go_to(Phase.TRIAL)
    assert machine.duties.step() is Verdict.GOES_ON
    machine.clock.advance(LONGEST_SECONDS)
    assert machine.steps(3) == [Event.FOUND_UNSEEN, Event.BACK, Refusal.IN_DOUBT]
    assert machine.disk.state().quarantine == ()
    machine.hub.there = frozenset({Peer.BACKEND})
    assert machine.steps(5) == TO_THE_TRIAL
    machine.pass_trial()
    assert machine.duties.step() is Event.FOUND_WELL
    assert machine.disk.state().doubt is None


def test_a_person_goes_back_without_a_plan_and_without_a_time(machine: Machine) -> None:
    machine.go_to(Phase.TRIAL)
    machine.pass_trial()
    assert machine.duties.step() is Event.FOUND_WELL
    back = roll_back(machine.disk.state())
    assert isinstance(back, Slots)
    machine.disk.keep_state(back)
    machine.hub.rests = False
    machine.clock.trust = ClockState.BEFORE_BUILD
    assert machine.steps(2) == [Event.TEST_PASSED, Word.GO]
    machine.hub.rests = True
    assert machine.steps(2) == [Event.MAY_SWITCH, Event.TAKEN_OVER]
    machine.pass_trial()
    assert machine.duties.step() is Event.FOUND_WELL
    assert (machine.hub.running, machine.disk.state().running) == (Slot.A, OLD)
    machine.clock.trust = ClockState.TRUSTED
    assert machine.duties.step() is Refusal.IN_QUARANTINE


def test_a_failed_self_test_changes_nothing(machine: Machine) -> None:
    machine.hub.test_passes = False
    machine.go_to(Phase.WRITTEN)
    assert machine.steps(2) == [Event.TEST_FAILED, Refusal.IN_QUARANTINE]
    assert (machine.disk.linked(), machine.hub.running) == (Slot.A, Slot.A)


@pytest.mark.parametrize(("data", "error"), [(BYTES[:-1], TrustError), (None, LinkError)])
def test_an_image_that_does_not_come_whole_may_come_again(
    machine: Machine, data: bytes | None, error: type[Exception]
) -> None:
    file = machine.site.images.file_of(machine.site.image.digest, NAME)
    file.unlink()
    if data is not None:
        file.write_bytes(data)
    machine.go_to(Phase.WRITING)
    with pytest.raises(error):
        machine.duties.step()
    assert (machine.phase, machine.disk.state().quarantine) == (Phase.RESTING, ())
    file.write_bytes(BYTES)
    assert machine.steps(5) == TO_THE_TRIAL


@pytest.mark.parametrize("phase", [Phase.WRITTEN, Phase.WAITING])
def test_a_slot_that_rots_before_its_switch_is_not_started(machine: Machine, phase: Phase) -> None:
    machine.go_to(phase)
    with open(machine.disk.image_file(Slot.B), "r+b") as file:
        file.seek(1000)
        file.write(os.urandom(64))
    assert machine.duties.step() is Event.NOT_WRITTEN
    assert (machine.phase, machine.hub.running) == (Phase.RESTING, Slot.A)


def test_a_switch_waits_for_rest_at_the_doors(machine: Machine) -> None:
    machine.hub.rests = False
    machine.go_to(Phase.WAITING)
    assert machine.duties.step() is Word.GO
    assert machine.phase is Phase.WAITING
    machine.hub.rests = True
    assert machine.duties.step() is Event.MAY_SWITCH


@pytest.mark.parametrize("other", ["held", "image", "none"])
def test_a_plan_that_changes_its_mind_gives_the_update_up(machine: Machine, other: str) -> None:
    machine.go_to(Phase.WAITING)
    site = machine.site
    if other == "held":
        site.director.publish_plan(CHANNEL, replace(site.plan, is_held=True))
    elif other == "image":
        newer = site.images.publish_image("hubd-3.0.squashfs", "3.0", BYTES[::-1])
        site.director.publish_plan(CHANNEL, replace(site.plan, image=newer))
    else:
        site.director.targets.targets.clear()
        site.director.next()
        site.director.publish()
    assert machine.duties.step() is Event.GIVEN_UP
    assert (machine.phase, machine.disk.state().quarantine) == (Phase.RESTING, ())


@pytest.mark.parametrize("phase", [Phase.RESTING, Phase.WAITING])
def test_a_hub_without_a_believed_time_stays_as_it_is(machine: Machine, phase: Phase) -> None:
    machine.go_to(phase)
    machine.clock.trust = ClockState.BEFORE_BUILD
    before = machine.disk.state()
    with pytest.raises(ExpiredError):
        machine.duties.step()
    assert machine.disk.state() == before


def test_a_trial_that_has_begun_needs_no_believed_time(machine: Machine) -> None:
    machine.go_to(Phase.TRIAL)
    machine.clock.trust = ClockState.CONTRADICTED
    machine.pass_trial()
    assert machine.duties.step() is Event.FOUND_WELL


def test_a_plan_of_a_later_time_than_the_clocks_is_refused(machine: Machine) -> None:
    site = machine.site
    later = int(machine.clock.wall()) + CLOCK_SECONDS + 60
    site.director.publish_plan(CHANNEL, replace(site.plan, issued=later))
    with pytest.raises(ExpiredError):
        machine.duties.step()
    assert machine.phase is Phase.RESTING


def test_a_carrier_that_is_away_changes_nothing(machine: Machine) -> None:
    (machine.site.top / "director").rename(machine.site.top / "away")
    with pytest.raises(LinkError):
        machine.duties.step()
    assert machine.phase is Phase.RESTING
