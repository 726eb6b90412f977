"""Alarms of doors over restarts: raised once, ended once, whatever comes in between.

A case names the law of `evidence.carried_alarms`, or of `door.machine`, that it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.door.machine import SETTLE_SECONDS, DoorMachine
from hubcore.door.phases import Aspect, Event, Happening
from hubcore.door.state import DoorAlarm, DoorMasks, DoorState
from hubcore.evidence.carried_alarms import BEGUN_BY_END, standing_alarms
from hubcore.evidence.facts import Detail, Fact
from hubcore.evidence.records import Record, RecordKind, StoredRecord

HELD_SECONDS = 60.0
PRE_SECONDS = 10.0
MASKS = DoorMasks(released=True, forced=True, too_long=True)


def stored(kind: RecordKind, detail: Detail) -> StoredRecord:
    record = Record.at(kind, 1_800_000_000.0, 5.0, detail)
    return StoredRecord(1, record.encode(), bytes(32))


def of_door(what: str, door: str = "front", **more: str) -> StoredRecord:
    facts = {Fact(name): value for name, value in more.items()}
    return stored(RecordKind.DOOR, {Fact.DOOR: door, Fact.WHAT: what, **facts})


# What records say.


@pytest.mark.parametrize(("end", "begin"), BEGUN_BY_END.items())
def test_an_alarm_stands_from_its_beginning_to_its_end(end: Happening, begin: Happening) -> None:
    begun = of_door(begin)
    ended = of_door(end)
    assert standing_alarms([begun]) == {"front": {begin}}  # law 1
    assert standing_alarms([begun, ended]) == {}
    assert standing_alarms([ended, begun]) == {"front": {begin}}
    assert standing_alarms([begun, of_door(end, "back")]) == {"front": {begin}}
    assert standing_alarms([begun, of_door("closed"), of_door("of_a_later_version")]) == {
        "front": {begin}
    }


def test_a_sum_says_what_the_door_was_in_after_it() -> None:  # law 2
    forced = of_door("forced")

    def then(state: DoorState) -> dict[str, frozenset[Happening]]:
        return standing_alarms([forced, of_door("too_often", state=state.name.lower())])

    assert then(DoorState.SECURED) == then(DoorState.RELEASED) == {}
    assert then(DoorState.OPEN) == then(DoorState.UNKNOWN) == {"front": {Happening.FORCED}}
    assert then(DoorState.HELD_OPEN) == {"front": {Happening.FORCED, Happening.HELD_OPEN}}
    tamper = [of_door("tamper"), of_door("too_often", state="secured")]
    assert standing_alarms(tamper) == {"front": {Happening.TAMPER}}


def test_what_is_no_record_of_a_door_says_nothing() -> None:  # law 3
    strange = [
        StoredRecord(1, b"door", bytes(32)),
        StoredRecord(1, b"\xff" * 40, bytes(32)),
        stored(RecordKind.FAULT, {Fact.DOOR: "front", Fact.WHAT: "forced"}),
        stored(RecordKind.DOOR, {Fact.DOOR: 7, Fact.WHAT: "forced"}),
        stored(RecordKind.DOOR, {Fact.DOOR: "front", Fact.WHAT: b"forced"}),
        stored(RecordKind.DOOR, {Fact.WHAT: "forced"}),
    ]
    assert standing_alarms(strange) == {}


# What a door makes of them.


@dataclass
class Life:
    """A door over the restarts of its hub; `records` outlast them, its machine does not."""

    watched: bool = True
    now: float = 100.0
    is_open: bool = False
    is_tampered: bool = False
    records: list[StoredRecord] = field(default_factory=list)
    told: list[Happening] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.machine = DoorMachine(self.watched, HELD_SECONDS, PRE_SECONDS)
        self.machine.carry(standing_alarms(self.records).get("front", ()))
        if self.is_tampered:
            self.note(self.machine.notice(Aspect.TAMPERED))
        elif self.watched:
            self.position()

    def position(self) -> None:
        self.note(self.machine.see(Event.OPENED if self.is_open else Event.CLOSED, self.now))

    def note(self, happened: Sequence[Happening]) -> None:
        for happening in happened:
            self.told.append(happening)
            self.records.append(of_door(happening))

    def later(self, seconds: float) -> None:
        end = self.now + seconds
        while self.machine.deadline is not None and self.machine.deadline <= end:
            self.now = self.machine.deadline
            self.note(self.machine.see(Event.TIMEOUT, self.now))
        self.now = end

    def step(self, step: str) -> None:
        match step:
            case "restart":
                self.start()
            case "open" | "shut":
                self.is_open = step == "open"
                if not self.is_tampered:
                    self.position()
            case "tamper" | "mend":
                was = self.is_tampered
                self.is_tampered = step == "tamper"
                aspect = Aspect.TAMPERED if self.is_tampered else Aspect.UNTAMPERED
                self.note(self.machine.notice(aspect))
                if was and not self.is_tampered:
                    self.position()
            case "fault" | "works":
                aspect = Aspect.FAULTY if step == "fault" else Aspect.FAULTLESS
                self.note(self.machine.notice(aspect))
            case "release" | "rest" | "exit":
                event = {"release": Event.STRIKE_ON, "rest": Event.STRIKE_OFF, "exit": Event.REX}
                self.note(self.machine.see(event[step], self.now))
            case "hold" | "end of hold":
                masks = MASKS if step == "hold" else DoorMasks()
                self.note(self.machine.expect(masks, self.now))
            case "moment" | "long":
                self.later(SETTLE_SECONDS if step == "moment" else HELD_SECONDS + 1)


STEPS = (
    *("open", "open", "shut", "restart", "restart", "moment", "long", "release", "rest", "exit"),
    *("tamper", "mend", "fault", "works", "hold", "end of hold"),
)


@given(st.lists(st.sampled_from(STEPS), max_size=40))
def test_each_alarm_is_raised_once_and_ended_once_with_restarts_anywhere(steps: list[str]) -> None:
    """Law 5 and 8 of the machine."""
    life = Life()
    for step in steps:
        life.step(step)
    for step in ("mend", "shut", "moment", "moment", "works", "restart", "moment"):
        life.step(step)
    for end, begin in BEGUN_BY_END.items():
        story = [one for one in life.told if one in (end, begin)]
        assert story == [begin, end] * (len(story) // 2)
    aspects = life.machine.aspects
    assert (aspects.alarm, aspects.tamper, aspects.fault) == (DoorAlarm.NORMAL, False, False)


def play(*steps: str) -> Life:
    life = Life()
    for step in steps:
        life.step(step)
    return life


def test_a_forced_door_is_forced_after_a_restart_and_too_long_in_its_time() -> None:  # law 8
    life = play("moment", "open", "restart")
    assert life.machine.state is DoorState.FORCED
    assert life.told == [Happening.FORCED]
    life.step("long")
    life.step("restart")
    assert life.machine.state is DoorState.HELD_OPEN
    life.step("long")
    assert life.told == [Happening.FORCED, Happening.HELD_OPEN]


def test_a_door_that_was_shut_while_the_hub_was_away_ends_its_alarm_once_it_has_settled() -> None:
    life = play("moment", "open")
    life.is_open = False
    life.step("restart")
    assert life.told == [Happening.FORCED]
    life.step("open")  # it bounced
    life.step("restart")
    life.step("shut")
    life.step("moment")
    assert life.told == [Happening.FORCED, Happening.CLOSED, Happening.FORCED_ENDED]


def test_tamper_that_was_mended_while_the_hub_was_away_ends_with_the_first_position() -> None:
    life = play("moment", "tamper", "restart")  # law 9
    assert life.machine.tamper
    life.is_tampered = False
    life.step("restart")
    assert life.told == [Happening.TAMPER, Happening.TAMPER_ENDED]


def test_what_only_a_switch_can_end_does_not_stand_at_a_door_without_one() -> None:
    life = Life(watched=False, records=[of_door(one) for one in BEGUN_BY_END.values()])
    aspects = life.machine.aspects
    assert (aspects.alarm, aspects.tamper, aspects.fault) == (DoorAlarm.NORMAL, False, True)
