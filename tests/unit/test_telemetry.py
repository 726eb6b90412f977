"""What devices say, on its way up: one place each, the latest value, nothing twice."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from hubcore.device.state import UNIT_OF, DeviceState, Position, Quantity, Reading
from hubcore.device.telemetry import POSITION_NUMBERS, Datum, TelemetryTable


def test_a_device_that_says_the_same_a_thousand_times_waits_once() -> None:  # laws 1, 3
    table = TelemetryTable(refresh_seconds=600.0)
    for moment in range(1000):
        table.stands("light", DeviceState(Position.ON, moment), moment)
    assert table.batch(9) == (Datum("light", Quantity.POSITION, 3, 999),)
    table.sent(table.batch(9), 1000.0)
    table.stands("light", DeviceState(Position.ON, 1001.0), 1001.0)
    assert len(table) == 0
    table.stands("light", DeviceState(Position.ON, 1700.0), 1700.0)
    assert len(table) == 1, "after a while the same value is news again"


def test_a_value_that_changes_back_before_it_went_does_not_go() -> None:  # law 3
    table = TelemetryTable()
    table.read(Reading("light", Quantity.POWER, 1.0), 0.0)
    table.sent(table.batch(9), 1.0)
    table.read(Reading("light", Quantity.POWER, 2.0), 2.0)
    table.read(Reading("light", Quantity.POWER, 1.0), 3.0)
    assert table.batch(9) == ()


def test_what_changes_while_it_goes_waits_on() -> None:
    table = TelemetryTable()
    table.read(Reading("light", Quantity.POWER, 1.0), 0.0)
    batch = table.batch(9)
    table.read(Reading("light", Quantity.POWER, 2.0), 0.5)
    table.sent(batch, 1.0)
    assert [datum.value for datum in table.batch(9)] == [2000]


def test_who_waits_longest_goes_first_and_all_goes_again_to_a_new_listener() -> None:  # law 4
    table = TelemetryTable()
    for device in ("b", "a", "c"):
        table.read(Reading(device, Quantity.POWER, 1.0), 0.0)
    table.read(Reading("b", Quantity.POWER, 3.0), 1.0)
    assert [datum.device for datum in table.batch(2)] == ["b", "a"]
    table.sent(table.batch(3), 2.0)
    assert len(table) == 0
    table.all_again()
    assert len(table) == 3


def test_a_device_that_was_asked_goes_up_again_with_all_that_is_known() -> None:  # law 5
    table = TelemetryTable()
    for device in ("a", "b"):
        table.read(Reading(device, Quantity.POWER, 1.0), 0.0)
    table.read(Reading("a", Quantity.BATTERY, 80.0), 0.0)
    table.sent(table.batch(9), 1.0)
    table.read(Reading("a", Quantity.POWER, 1.0), 2.0)
    table.asked("a")
    table.read(Reading("a", Quantity.POWER, 1.0), 3.0)
    told = [(datum.device, datum.quantity, datum.at) for datum in table.batch(9)]
    assert told == [("a", Quantity.POWER, 3.0), ("a", Quantity.BATTERY, 0.0)]
    table.sent(table.batch(9), 4.0)
    table.read(Reading("a", Quantity.POWER, 1.0), 5.0)
    assert len(table) == 0, "once"
    table.asked("nobody")
    assert len(table) == 0


def test_there_are_so_many_places_and_no_more() -> None:  # law 2
    table = TelemetryTable(places_max=2)
    for device in ("a", "b", "c", "a"):
        table.read(Reading(device, Quantity.POWER, 1.0), 0.0)
    assert [datum.device for datum in table.batch(9)] == ["a", "b"]
    assert table.dropped == 1
    for value in (math.nan, math.inf, 1e300):
        table.read(Reading("a", Quantity.POWER, value), 0.0)
    assert table.dropped == 4


def test_tables_are_whole_and_numbers_stay() -> None:
    assert set(POSITION_NUMBERS) == set(Position)
    assert len(set(POSITION_NUMBERS.values())) == len(Position)
    assert set(UNIT_OF) == set(Quantity)
    assert POSITION_NUMBERS[Position.BETWEEN] == 7
    assert (Quantity.BATTERY, Quantity.WATER, Quantity.POSITION, Quantity.LEVEL) == (1, 10, 64, 65)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from([Quantity.POWER, Quantity.BATTERY]),
            st.floats(),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_whatever_is_said_what_waits_is_the_latest(
    said: list[tuple[str, Quantity, float, bool]],
) -> None:
    table = TelemetryTable(places_max=4)
    latest: dict[tuple[str, Quantity], float] = {}
    for moment, (device, quantity, value, goes) in enumerate(said):
        dropped = table.dropped
        table.read(Reading(device, quantity, value), moment)
        if table.dropped == dropped:
            latest[device, quantity] = value
        assert len(table) <= len(latest) <= 4
        for datum in table.batch(9):
            assert datum.value == round(1000 * latest[datum.device, datum.quantity])
        if goes:
            table.sent(table.batch(9), moment)
            assert len(table) == 0
