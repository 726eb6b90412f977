"""What a bridge tells a program that looks again and again: shared by hubs, and never too long."""

from __future__ import annotations

import json

import pytest

from hubbridge.hubs.doors import DOORS_MAX, NAME_CHARS_MAX, NOT_KNOWN, DoorSeen
from hubbridge.hubs.state import ALARM_CHARS_MAX, ALARMS_MAX, Alarm, HubState
from hubbridge.local.report.now import now_of
from hubcore.door.phases import Happening
from hubcore.evidence.facts import Fact, RecordKind
from hubcore.evidence.records import StoredRecord
from hublocal.calls import ANSWER_BYTES_MAX
from tests.unit.test_bridge_seen import NOW, body, door, record_of

pytestmark = pytest.mark.once


def alarming(sign: str, count: int = ALARMS_MAX) -> HubState:
    """A hub that says as much as it can, in this sign."""
    state = HubState(connected=True, heard_at=NOW)
    for number in range(1, count + 1):
        words = sign * ALARM_CHARS_MAX
        state.alarms[number] = Alarm(number, int(1000 * NOW), words, False, bytes(32))
    for number in range(DOORS_MAX):
        name = f"{number:02}".ljust(NAME_CHARS_MAX, sign)
        state.doors.doors[name] = DoorSeen("forced", 1, frozenset(map(str, Happening)))
    return state


@pytest.mark.parametrize("sign", ["\x01", "a", '"', "\N{SNOWMAN}", "\N{GRINNING FACE}"])
def test_hubs_that_say_much_leave_the_first_word_of_each_hub_in(sign: str) -> None:
    """now, laws 1 and 2"""
    loud = {f"a-{number:02}": alarming(sign) for number in range(60)}
    quiet = {f"z-{number}": alarming("x", count=1) for number in range(3)}
    states = {**loud, **quiet}
    said = now_of(sorted(states), states, NOW)
    assert len(json.dumps(said).encode()) < ANSWER_BYTES_MAX
    for rows in ("hubs", "doors", "alarms"):
        assert {one["hub"] for one in said[rows]} == set(states), rows
    whole = sum(len(state.alarms) for state in states.values())
    assert len(said["alarms"]) + said["alarms_left_out"] == whole
    newest = [one["record"] for one in said["alarms"][: len(loud)]]
    assert set(newest) == {ALARMS_MAX}, "law 3"


def test_an_alarm_names_its_record_by_number_and_hash_whichever_way_it_comes() -> None:
    state = HubState()
    chain_hash = bytes(range(32))
    state.alarmed(7, door(Happening.FORCED), chain_hash, ahead=True)
    record = StoredRecord(8, door(Happening.HELD_OPEN), chain_hash)
    state.records([record])
    said = now_of(["hub-1", "hub-2"], {"hub-1": state}, NOW)
    assert [(one["record"], one["ahead"]) for one in said["alarms"]] == [(8, False), (7, True)]
    assert {one["hash"] for one in said["alarms"]} == {chain_hash.hex()}
    assert [(one["hub"], one["connected"]) for one in said["hubs"]] == [
        ("hub-1", False),
        ("hub-2", False),
    ]


def test_when_a_hub_starts_nothing_is_known_of_its_doors_and_its_alarms_go_on() -> None:
    """doors, law 5"""
    state = HubState()
    record_of(state, 1, door(Happening.FORCED))
    record_of(state, 2, body(RecordKind.STARTED, {}))
    seen = state.doors.doors["front"]
    assert (seen.what, seen.alarms) == (NOT_KNOWN, {str(Happening.FORCED)})


def test_a_sum_of_what_was_left_out_ends_what_the_door_cannot_have() -> None:
    """doors, law 4"""
    state = HubState()
    record_of(state, 1, door(Happening.FORCED))
    said = {Fact.DOOR: "front", Fact.WHAT: str(Happening.TOO_OFTEN), Fact.STATE: "secured"}
    record_of(state, 2, body(RecordKind.DOOR, said))
    assert state.doors.doors["front"].alarms == frozenset()
