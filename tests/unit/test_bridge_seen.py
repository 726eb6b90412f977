"""What a bridge knows of its hubs by their records: alarms, doors, orders that stand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbridge.hubs.doors import DOORS_MAX, NAME_CHARS_MAX, ORDERS_MAX, DoorsSeen, OrderPlace
from hubbridge.hubs.state import ALARM_CHARS_MAX, ALARMS_MAX, Alarm, HubState
from hubbridge.local.events import EACH, WHOLE, SiteEvents
from hubcore.backend.uplink.from_hub import Measured, Telemetry
from hubcore.bridge.from_hub import HubHello
from hubcore.device.state import Quantity
from hubcore.door.phases import Happening
from hubcore.evidence.carried_alarms import BEGUN_BY_END
from hubcore.evidence.facts import Fact, RecordKind
from hubcore.evidence.records import GENESIS, Record, StoredRecord
from hublocal.tail.events import EventTail, Filter
from tests.fakes.clock import FakeClock

NOW = 1_800_000_000.0
LOCKDOWN = OrderPlace("lockdown", "site", "all doors")


def body(kind: RecordKind, detail: dict[Fact, Any], at: float = NOW) -> bytes:
    return Record.at(kind, at, 1.0, detail).encode()


def door(what: Happening, name: str = "front", at: float = NOW) -> bytes:
    return body(RecordKind.DOOR, {Fact.DOOR: name, Fact.WHAT: str(what)}, at)


def order(on: bool, until: int | None, **more: Any) -> bytes:
    facts = {
        Fact.GIVEN_BY: "site",
        Fact.ORDER: "lockdown",
        Fact.ON: on,
        Fact.UNTIL: until,
        Fact.POINT: 0,
    }
    return body(RecordKind.ORDER, {**facts, **{Fact(name): one for name, one in more.items()}})


def hello(last: int) -> HubHello:
    return HubHello(
        protocol=1,
        hub="hub-1",
        site="site-1",
        boot_id=bytes(16),
        software="1",
        policy_version=0,
        policy_digest=bytes(32),
        durable=0,
        durable_hash=GENESIS,
        last_record=last,
        head_hash=GENESIS if not last else bytes([1]) * 32,
        time_ms=0,
    )


def record_of(state: HubState, number: int, body: bytes) -> Alarm | None:
    """Let one record be held; return its alarm."""
    found = state.records([StoredRecord(number, body, bytes(32))])
    return found[0] if found else None


def test_among_many_records_that_tell_nothing_what_tells_is_found() -> None:
    plain = body(RecordKind.ACCESS, {Fact.ASKER: "somebody"})
    bodies = [plain] * 5 + [door(Happening.FORCED)] + [plain] * 5
    state = HubState()
    alarms = state.records([StoredRecord(at, one, bytes(32)) for at, one in enumerate(bodies, 1)])
    assert [one.number for one in alarms] == [6]
    assert set(state.doors.doors) == {"front"}
    assert state.told_of == len(bodies)
    assert state.records([StoredRecord(12, plain, bytes(32))]) == []
    assert state.told_of == 12


def test_an_alarm_is_one_by_notice_by_record_and_by_both() -> None:
    """state, law 3"""
    state = HubState()
    forced = door(Happening.FORCED)
    told = state.alarmed(7, forced, ahead=True)
    assert told is not None
    assert told.ahead
    assert state.alarmed(7, forced, ahead=True) is None
    assert record_of(state, 7, forced) is None
    assert [one.ahead for one in state.alarms.values()] == [False]
    assert state.alarmed(7, forced, ahead=True) is None
    assert not state.alarms[7].ahead, "a late Notice takes nothing back"
    plain = record_of(state, 8, door(Happening.HELD_OPEN))
    assert plain is not None
    assert (plain.number, plain.ahead, "held_open" in plain.what) == (8, False, True)


@given(
    st.lists(
        st.tuples(st.integers(1, ALARMS_MAX), st.booleans()), min_size=1, max_size=4 * ALARMS_MAX
    )
)
def test_in_whatever_order_they_come_each_alarm_is_told_once(
    events: list[tuple[int, bool]],
) -> None:
    """state, law 3; holding, law 4"""
    state = HubState()
    told: list[int] = []
    for number, ahead in events:
        alarm_body = door(Happening.FORCED, at=NOW + number)
        found = (
            state.alarmed(number, alarm_body, ahead=True)
            if ahead
            else record_of(state, number, alarm_body)
        )
        if found is not None:
            told.append(found.number)
    assert sorted(told) == sorted({number for number, _ in events})
    proven = {number for number, ahead in events if not ahead}
    assert {one.number for one in state.alarms.values() if not one.ahead} == proven


@given(st.permutations(range(3 * ALARMS_MAX)), st.integers(0, (1 << 3 * ALARMS_MAX) - 1))
def test_the_newest_alarms_stay_in_whatever_order_they_come(numbers: list[int], ahead: int) -> None:
    """state, law 2; each bit of `ahead` is for one alarm"""
    state = HubState()
    body = door(Happening.FORCED, at=NOW)
    for number in numbers:
        state.alarmed(number, body, ahead=bool(ahead >> number & 1))
    assert sorted(state.alarms) == sorted(numbers)[-ALARMS_MAX:]


def test_what_is_no_alarm_is_none() -> None:
    state = HubState()
    assert state.alarmed(1, b"alarm forced", ahead=True) is None
    assert record_of(state, 2, door(Happening.CLOSED)) is None
    assert state.alarms == {}


def test_older_alarms_that_come_late_push_out_no_newer_one() -> None:
    """state, law 2"""
    state = HubState()
    state.alarmed(1000, door(Happening.FORCED), ahead=True)
    for number in range(1, 3 * ALARMS_MAX):
        record_of(state, number, door(Happening.FORCED))
    assert len(state.alarms) == ALARMS_MAX
    assert 1000 in state.alarms
    assert min(state.alarms) == 2 * ALARMS_MAX + 1


def test_a_hub_that_begins_anew_leaves_its_old_alarms() -> None:
    state = HubState()
    record_of(state, 5000, door(Happening.FORCED))
    state.greeted(hello(3), NOW)
    assert state.alarms == {}
    record_of(state, 1, door(Happening.HELD_OPEN, "back"))
    assert set(state.doors.doors) == {"front", "back"}


def test_a_long_alarm_is_cut() -> None:
    state = HubState()
    alarm = record_of(state, 1, door(Happening.FORCED, "x" * 2000))
    assert alarm is not None
    assert len(alarm.what) == ALARM_CHARS_MAX


def test_a_value_grows_old() -> None:
    state = HubState()
    state.measures(Telemetry((Measured("boiler", Quantity.TEMPERATURE, 61_000, 5),)), 100.0)
    (heard,) = state.measured.values()
    assert heard.age_seconds(110.0) == 15
    assert heard.age_seconds(90.0) == 5


@pytest.mark.parametrize("end", BEGUN_BY_END)
def test_an_alarm_of_a_door_stands_until_its_end(end: Happening) -> None:
    """doors, law 4"""
    seen = DoorsSeen()
    begin = BEGUN_BY_END[end]
    seen.take(door(begin, at=NOW))
    assert seen.doors["front"].alarms == {str(begin)}
    seen.take(door(Happening.EXIT, at=NOW + 1))
    assert seen.doors["front"].alarms == {str(begin)}
    seen.take(door(end, at=NOW + 2))
    found = seen.doors["front"]
    assert (found.alarms, found.what) == (frozenset(), str(end))
    assert found.at_ms == int(1000 * (NOW + 2))


def test_a_record_that_comes_again_changes_nothing() -> None:
    state = HubState()
    record_of(state, 1, door(Happening.FORCED))
    record_of(state, 2, door(Happening.FORCED_ENDED))
    record_of(state, 1, door(Happening.FORCED))
    assert state.doors.doors["front"].alarms == frozenset()


def test_an_order_stands_until_its_record_of_the_end_or_its_time() -> None:
    seen = DoorsSeen()
    seen.take(order(True, int(NOW) + 60))
    assert set(seen.standing(NOW)) == {LOCKDOWN}
    assert seen.standing(NOW + 60) == {}
    seen.take(order(True, None, point=3))
    assert OrderPlace("lockdown", "site", "access point 3") in seen.standing(NOW + 10**9)
    seen.take(order(False, None))
    assert LOCKDOWN not in seen.standing(NOW)


def test_an_order_that_was_refused_does_not_stand() -> None:
    seen = DoorsSeen()
    seen.take(order(True, None, allowed=False))
    assert seen.standing(NOW) == {}


def test_doors_and_orders_have_ceilings() -> None:
    """doors, law 2"""
    seen = DoorsSeen()
    for number in range(1, 3 * DOORS_MAX):
        seen.take(door(Happening.FORCED, f"door-{number}"))
        seen.take(order(True, None, point=number))
    assert len(seen.doors) == DOORS_MAX
    assert len(seen.orders) == ORDERS_MAX
    assert f"door-{3 * DOORS_MAX - 1}" in seen.doors


@given(st.binary(max_size=64), st.text(max_size=2 * NAME_CHARS_MAX), st.data())
def test_whatever_comes_tells_something_in_shape_or_nothing(
    noise: bytes, name: str, data: st.DataObject
) -> None:
    """doors, law 3"""
    seen = DoorsSeen()
    seen.take(noise)
    seen.take(b"what" + noise + b"order")
    seen.take(door(data.draw(st.sampled_from(Happening)), name or "x"))
    seen.take(body(RecordKind.DOOR, {Fact.DOOR: 7, Fact.WHAT: name}))
    seen.take(order(True, None, given_by=name, order=name))
    assert set(seen.doors) <= {name or "x"}
    assert all(len(one) <= NAME_CHARS_MAX for one in seen.doors)
    assert seen.standing(NOW) == {}


def _told(tail: EventTail) -> list[bytes]:
    with tail.subscribe(Filter(since=0.0)) as onlooker:
        return list(onlooker.past)


def test_no_hub_sets_the_pace_of_events_and_coming_hides_no_alarm() -> None:
    """events, laws 1 and 2"""
    clock = FakeClock()
    tail = EventTail()
    events = SiteEvents(tail, clock, hubs_max=4)
    for _ in range(10 * int(EACH.burst)):
        events.came("hub-1")
    assert len(_told(tail)) == EACH.burst
    alarm = HubState().alarmed(1, door(Happening.FORCED), ahead=True)
    assert alarm is not None
    events.alarmed("hub-1", alarm)
    assert len(_told(tail)) == EACH.burst + 1
    assert b'"left_out_before":%d' % (9 * EACH.burst) in _told(tail)[-1]
    events.alarmed("hub-2", replace(alarm, number=2))
    assert b"left_out" not in _told(tail)[-1]


def test_many_hubs_together_have_a_pace_too() -> None:
    """events, law 1"""
    clock = FakeClock()
    counted = 0
    tail = EventTail()
    events = SiteEvents(tail, clock, hubs_max=10_000)
    with tail.subscribe(Filter()) as onlooker:
        for number in range(2 * int(WHOLE.burst)):
            before = events.left_out
            events.gone(f"hub-{number}")
            counted += events.left_out == before
        assert onlooker is not None
    assert counted == WHOLE.burst
