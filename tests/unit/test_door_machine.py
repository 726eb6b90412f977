"""A door's machine: stories of one door line by line, and what holds in every order of events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.precedence import RULES_OF, DoorMode
from hubcore.door.machine import EGRESS_SECONDS, SETTLE_SECONDS, DoorMachine
from hubcore.door.phases import Aspect, DoorPhase, Event, Happening
from hubcore.door.state import (
    NO_MASKS,
    BoltState,
    DoorAlarm,
    DoorMasks,
    DoorPosition,
    DoorState,
)

HELD_SECONDS = 60.0
PRE_SECONDS = 10.0
FACTOR = 3.0
HOLD = DoorMasks(released=True, forced=True, too_long=True)
BEGUN = {
    Happening.FORCED: DoorAlarm.FORCED,
    Happening.HELD_OPEN: DoorAlarm.OPEN_TOO_LONG,
}
ENDED = {
    Happening.FORCED_ENDED: DoorAlarm.FORCED,
    Happening.HELD_OPEN_ENDED: DoorAlarm.OPEN_TOO_LONG,
}
Step = Event | Aspect | DoorMasks | float


@dataclass
class Story:
    """A door to which things happen; its own ends are served in time."""

    machine: DoorMachine = field(
        default_factory=lambda: DoorMachine(True, HELD_SECONDS, PRE_SECONDS, FACTOR)
    )
    now: float = 100.0
    told: list[Happening] = field(default_factory=list)

    def play(self, *steps: Step) -> list[str]:
        """Let the steps happen; return what was worth a record."""
        before = len(self.told)
        for step in steps:
            self.step(step)
        return [str(happening) for happening in self.told[before:]]

    def step(self, step: Step) -> None:
        match step:
            case Event():
                self.told += self.machine.see(step, self.now)
            case Aspect():
                self.told += self.machine.notice(step)
            case DoorMasks():
                self.told += self.machine.expect(step, self.now)
            case _:
                self._later(step)

    def _later(self, seconds: float) -> None:
        end = self.now + seconds
        while self.machine.deadline is not None and self.machine.deadline <= end:
            self.now = self.machine.deadline
            self.told += self.machine.see(Event.TIMEOUT, self.now)
        self.now = end


@pytest.fixture
def door() -> Story:
    story = Story()
    story.play(Event.CLOSED)
    return story


SETTLED = SETTLE_SECONDS
RELEASE = DoorMasks(released=True, forced=True)
"""What a release under way makes of an opening."""
STORIES: dict[str, tuple[Sequence[Step], list[str]]] = {
    "somebody goes in": (
        [Event.STRIKE_ON, Event.OPENED, Event.STRIKE_OFF, 1.0, Event.CLOSED, SETTLED],
        ["access_taken", "closed"],
    ),
    "nobody goes in": ([Event.STRIKE_ON, 5.0, Event.STRIKE_OFF], ["access_not_taken"]),
    "forced, and shut again": (
        [Event.OPENED, 1.0, Event.CLOSED, SETTLED],
        ["forced", "closed", "forced_ended"],
    ),
    "forced, and left open": (
        [Event.OPENED, 61.0, Event.CLOSED, SETTLED],
        ["forced", "held_open", "closed", "forced_ended", "held_open_ended"],
    ),
    "forced, and its contact bounces": (
        [Event.OPENED, Event.CLOSED, 0.1, Event.OPENED, 0.1, Event.CLOSED, SETTLED],
        ["forced", "closed", "forced_ended"],
    ),
    "open too long": (
        [Event.STRIKE_ON, Event.OPENED, Event.STRIKE_OFF, 50.0, 10.0, 30.0, Event.CLOSED, SETTLED],
        ["access_taken", "pre_alarm", "held_open", "closed", "held_open_ended"],
    ),
    "shut at the pre-alarm": (
        [Event.STRIKE_ON, Event.OPENED, Event.STRIKE_OFF, 55.0, Event.CLOSED, SETTLED],
        ["access_taken", "pre_alarm", "closed"],
    ),
    "two go in by one release": (
        [Event.STRIKE_ON, Event.OPENED, Event.CLOSED, SETTLED, Event.OPENED, Event.STRIKE_OFF],
        ["access_taken", "closed", "access_taken"],
    ),
    "in by one release, and nobody by the next": (
        [
            *(Event.STRIKE_ON, Event.OPENED, Event.CLOSED, SETTLED, Event.STRIKE_OFF),
            *(Event.STRIKE_ON, Event.STRIKE_OFF),
        ],
        ["access_taken", "closed", "access_not_taken"],
    ),
    "forced after a release that is over": (
        [Event.STRIKE_ON, Event.OPENED, Event.STRIKE_OFF, Event.CLOSED, SETTLED, Event.OPENED],
        ["access_taken", "closed", "forced"],
    ),
    "forced, and shut right before it is too long": (
        [Event.OPENED, HELD_SECONDS - 0.1, Event.CLOSED, SETTLED],
        ["forced", "closed", "forced_ended"],
    ),
    "forced, under an order that lets nobody in": (
        [Event.OPENED, 30.0, DoorMasks(), 30.0],
        ["forced", "held_open"],
    ),
    "open, under an order that lets nobody in": (
        [Event.STRIKE_ON, Event.OPENED, 30.0, DoorMasks(), 20.0],
        ["access_taken", "pre_alarm"],
    ),
    "forced, and released then": (
        [Event.OPENED, 30.0, RELEASE, 49.0, 1.0],
        ["forced", "forced_ended", "pre_alarm"],
    ),
    "open too long, and released then": (
        [Event.STRIKE_ON, Event.OPENED, 60.0, RELEASE, 10.0, Event.CLOSED, SETTLED],
        ["access_taken", "pre_alarm", "held_open", "closed", "held_open_ended"],
    ),
    "out by the button": (
        [Event.REX, 3.0, Event.OPENED, Event.CLOSED, SETTLED],
        ["exit", "closed"],
    ),
    "out too late": ([Event.REX, EGRESS_SECONDS, Event.OPENED], ["forced"]),
    "out right behind somebody": (
        [Event.REX, Event.OPENED, Event.CLOSED, 0.2, Event.REX, SETTLED, 1.0, Event.OPENED],
        ["exit", "closed", "exit"],
    ),
    "out at the last moment, asked while it fell shut": (
        [Event.REX, Event.OPENED, Event.CLOSED, 0.2, Event.REX, EGRESS_SECONDS - 0.1, Event.OPENED],
        ["exit", "closed", "exit"],
    ),
    "out too late, asked while it fell shut": (
        [Event.REX, Event.OPENED, Event.CLOSED, 0.2, Event.REX, EGRESS_SECONDS, Event.OPENED],
        ["exit", "closed", "forced"],
    ),
    "a button that was used excuses no second opening": (
        [Event.REX, Event.OPENED, Event.CLOSED, SETTLED, 1.0, Event.OPENED],
        ["exit", "closed", "forced"],
    ),
    "out while the strike is driven, after its end": (
        [Event.STRIKE_ON, 4.0, Event.REX, 1.0, Event.STRIKE_OFF, 1.0, Event.OPENED],
        ["access_not_taken", "exit"],
    ),
    "held open by its mode": (
        [HOLD, Event.OPENED, 1000.0, Event.CLOSED, SETTLED, Event.OPENED, Event.CLOSED, SETTLED],
        ["closed", "closed"],
    ),
    "held open, and still open when that ends": (
        [HOLD, Event.OPENED, 1000.0, NO_MASKS, 49.0, 1.0, 10.0],
        ["pre_alarm", "held_open"],
    ),
    "shut when the hold ends, and forced then": (
        [HOLD, Event.OPENED, Event.CLOSED, SETTLED, NO_MASKS, 1.0, Event.OPENED],
        ["closed", "forced"],
    ),
    "forced, and then held open by its mode": (
        [Event.OPENED, 61.0, HOLD, 1000.0, Event.CLOSED, SETTLED],
        ["forced", "held_open", "forced_ended", "held_open_ended", "closed"],
    ),
    "tampered with, twice told": (
        [Aspect.TAMPERED, Aspect.TAMPERED, Event.OPENED, Aspect.UNTAMPERED, Aspect.UNTAMPERED],
        ["tamper", "forced", "tamper_ended"],
    ),
    "faulty": ([Aspect.FAULTY, Aspect.FAULTY, Aspect.FAULTLESS], ["fault", "fault_ended"]),
}


@pytest.mark.parametrize("name", STORIES)
def test_a_story(door: Story, name: str) -> None:
    steps, told = STORIES[name]
    assert door.play(*steps) == told


def test_who_needs_longer_has_longer(door: Story) -> None:
    door.machine.extended = True
    assert door.play(Event.STRIKE_ON, Event.OPENED, 169.0) == ["access_taken"]
    assert door.play(1.0, 9.0) == ["pre_alarm"]
    assert door.play(1.0) == ["held_open"]
    door.play(Event.STRIKE_OFF, Event.CLOSED, SETTLED)
    assert not door.machine.extended  # and the next one has not


@pytest.mark.parametrize("event", [Event.REX, Event.OPENED])
def test_nobody_else_has_the_time_of_a_release_that_nobody_used(door: Story, event: Event) -> None:
    door.machine.extended = True
    assert door.play(Event.STRIKE_ON, Event.STRIKE_OFF, SETTLED) == ["access_not_taken"]
    door.play(event)
    assert not door.machine.extended


def test_a_door_without_a_pre_alarm_is_held_open_at_once() -> None:
    door = Story(DoorMachine(True, HELD_SECONDS))
    assert door.play(Event.OPENED, HELD_SECONDS - 0.1) == []
    assert door.play(0.1) == ["held_open"]


def test_a_pre_alarm_longer_than_the_time_comes_at_once() -> None:
    door = Story(DoorMachine(True, 5.0, PRE_SECONDS))
    assert door.play(Event.OPENED, 0.0) == ["pre_alarm"]
    assert door.play(4.9) == []
    assert door.play(0.1) == ["held_open"]


def test_a_door_without_a_switch_cannot_tell_that_nobody_went_in() -> None:
    door = Story(DoorMachine(False, HELD_SECONDS))
    assert door.play(Event.STRIKE_ON, Event.STRIKE_OFF) == []


def test_a_door_begins_unknown_and_its_first_opening_is_not_forced() -> None:
    door = Story()
    assert door.machine.state is DoorState.UNKNOWN
    assert door.play(Event.OPENED, 50.0) == ["pre_alarm"]


def test_a_fresh_door_has_had_its_time_from_its_opening(door: Story) -> None:
    door.play(Event.STRIKE_ON, Event.OPENED)
    assert door.machine.deadline == door.now + HELD_SECONDS - PRE_SECONDS
    door.play(Event.CLOSED)
    assert door.machine.deadline == door.now + SETTLE_SECONDS
    door.play(SETTLED)
    assert door.machine.deadline is None


def test_the_aspects_are_told_apart(door: Story) -> None:
    door.play(Event.OPENED, Aspect.TAMPERED, Aspect.BOLT_LOCKED)
    aspects = door.machine.aspects
    assert aspects.position is DoorPosition.OPEN
    assert aspects.alarm is DoorAlarm.FORCED
    assert aspects.bolt is BoltState.LOCKED
    assert (aspects.tamper, aspects.fault) == (True, False)
    door.play(61.0)
    assert door.machine.alarm is DoorAlarm.FORCED  # of two the graver one
    assert door.machine.alarms == {DoorAlarm.FORCED, DoorAlarm.OPEN_TOO_LONG}
    door.play(Event.CLOSED, SETTLED, Aspect.BOLT_FREE, Aspect.FAULTY)
    aspects = door.machine.aspects
    assert (aspects.position, aspects.alarm) == (DoorPosition.CLOSED, DoorAlarm.NORMAL)
    assert (aspects.bolt, aspects.fault) == (BoltState.FREE, True)


def test_a_door_without_a_switch_has_no_position() -> None:
    assert DoorMachine(False, HELD_SECONDS).aspects.position is DoorPosition.UNKNOWN


def test_a_door_that_is_held_open_is_shown_as_released(door: Story) -> None:
    door.play(HOLD)
    assert door.machine.state is DoorState.RELEASED
    door.play(NO_MASKS)
    assert door.machine.state is DoorState.SECURED


def masks_of(mode: DoorMode) -> DoorMasks:
    rules = RULES_OF[mode]
    return DoorMasks(rules.released, rules.forced_masked, rules.too_long_masked)


steps = st.lists(
    st.one_of(
        st.sampled_from([event for event in Event if event is not Event.TIMEOUT]),
        st.sampled_from(Aspect),
        st.sampled_from([masks_of(mode) for mode in DoorMode]),
        st.floats(0.0, 100.0),
    ),
    max_size=40,
)


# door machine, law 5
@given(steps, st.booleans(), st.booleans())
def test_an_alarm_stands_once_and_ends_with_its_cause(
    asked: list[Step], watched: bool, pre_alarm: bool
) -> None:
    pre_seconds = PRE_SECONDS if pre_alarm else 0.0
    door = Story(DoorMachine(watched, HELD_SECONDS, pre_seconds, FACTOR))
    standing: set[DoorAlarm] = set()
    for step in asked:
        before = len(door.told)
        door.step(step)
        for happening in door.told[before:]:
            if happening in BEGUN:
                assert BEGUN[happening] not in standing
                standing.add(BEGUN[happening])
            if happening in ENDED:
                assert ENDED[happening] in standing
                standing.remove(ENDED[happening])
        masks = door.machine.masks
        assert standing == door.machine.alarms
        assert not (masks.forced and DoorAlarm.FORCED in standing)
        assert not (masks.too_long and DoorAlarm.OPEN_TOO_LONG in standing)
        shut = door.machine.aspects.position is DoorPosition.CLOSED
        if shut and door.machine.phase is not DoorPhase.UNKNOWN:
            assert standing == set()  # its cause has ended


# door machine, law 5
@given(steps)
def test_no_alarm_ends_while_the_door_stands_open_and_its_mode_says_nothing(
    asked: list[Step],
) -> None:
    door = Story()
    is_open = False
    for step in asked:
        before = len(door.told)
        door.step(step)
        if step is Event.OPENED:
            is_open = True
        elif step is Event.CLOSED:
            is_open = False
        ended = [happening for happening in door.told[before:] if happening in ENDED]
        if ended and is_open:
            assert isinstance(step, DoorMasks)


# door machine, law 6
@given(steps)
def test_tamper_and_fault_alternate_whatever_the_leaf_does(asked: list[Step]) -> None:
    door = Story()
    door.play(*asked)
    counted = Counter(door.told)
    for begun, ended, stands in (
        (Happening.TAMPER, Happening.TAMPER_ENDED, door.machine.tamper),
        (Happening.FAULT, Happening.FAULT_ENDED, door.machine.fault),
    ):
        assert counted[begun] - counted[ended] == int(stands)


# door machine, law 2
@given(steps)
def test_forced_is_told_only_of_a_door_that_nothing_released(asked: list[Step]) -> None:
    door = Story()
    driven = False
    for step in asked:
        was_driven = driven
        before = len(door.told)
        masked = door.machine.masks.forced
        if step is Event.STRIKE_ON:
            driven = True
        elif step is Event.STRIKE_OFF:
            driven = False
        door.step(step)
        if Happening.FORCED in door.told[before:]:
            assert step is Event.OPENED
            assert not masked
            assert not was_driven
