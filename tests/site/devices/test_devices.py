"""What devices say, from Telemetry at the engine to the page."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.backend.uplink import codec
from hubcore.backend.uplink.from_hub import Measured, Ping, Telemetry
from hubcore.device.state import Position, Quantity
from hubcore.device.telemetry import POSITION_NUMBERS
from hubgateway.rules import names
from hubsite.fleet.models import DeviceValue
from hubsite.fleet.said import values, words
from hubsite.fleet.said.values import SAME_SECONDS, Devices, Place, Row, Value
from tests.site.browser import at_work
from tests.site.fleetbench import fleet, in_thread

pytestmark = pytest.mark.once

HUBS = frozenset({"front-1", "yard-1"})
NOW = 1_000_000.0


def said(*rows: Measured) -> bytes:
    return codec.encode(Telemetry(rows))


def subject(hub: str) -> str:
    return names.subject(names.TELEMETRY, hub)


async def test_what_devices_say_comes_to_the_page(tmp_path: Path) -> None:
    shutter = [
        Measured("shutter-2", Quantity.POSITION, POSITION_NUMBERS[Position.BETWEEN], 3),
        Measured("shutter-2", Quantity.LEVEL, 40_000, 3),
    ]
    lock = [
        Measured("lock-1", Quantity.POSITION, POSITION_NUMBERS[Position.UNKNOWN], 9),
        Measured("lock-1", Quantity.BATTERY, 12_500, 9),
        Measured("lock-1", Quantity.TEMPERATURE, -3_250, 9),
        Measured("lock-1", Quantity.SMOKE, 0, 9),
    ]
    async with fleet(tmp_path) as site:
        await site.enrol("front-1", 1)
        await site.shows("/devices", "No device has said anything yet", "front-1")
        publish = site.bench.client.publish
        await publish(subject("front-1"), b"\xff")
        await publish(subject("front-1"), codec.encode(Ping(bytes(8))))
        await publish(subject("stranger"), said(*shutter))
        await publish(subject("front-1"), said(*shutter, *lock))
        text = await site.shows("/devices", "between", "40 %", "12.5 %")
        assert "temperature -3.25 °C, smoke no" in text
        assert "It has not said how it stands since" in text
        assert "Its battery is nearly empty: change it." in text
        assert text.index("lock-1") < text.index("shutter-2")  # it needs somebody
        assert "stranger" not in text
        assert "between" not in await site.text("/devices?hub=nobody")
        await publish(subject("front-1"), said(Measured("lock-1", Quantity.BATTERY, 99_000, 0)))
        await site.shows("/devices", "99 %", without="nearly empty")
        assert await in_thread(DeviceValue.objects.count) == 6
        await site.buckets.put(names.KEYS_BUCKET, f"{1:064x}", b"revoked front-1")
        await site.shows("/devices", "No device has said anything yet")


MESSAGES = st.lists(
    st.tuples(
        st.sampled_from([*sorted(HUBS), "stranger"]),
        st.lists(
            st.builds(
                Measured,
                st.sampled_from(["lock-1", "lamp-1", "x"]),
                st.sampled_from([Quantity.BATTERY, Quantity.POWER]),
                st.integers(0, 3),
                st.integers(0, 900),
            ),
            min_size=1,
            max_size=4,
        ),
        st.booleans(),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(MESSAGES)
def test_over_all_orders_the_last_value_is_kept_and_ceilings_hold(
    messages: list[tuple[str, list[Measured], bool]],
) -> None:
    """values, laws 1 to 4"""
    devices = Devices()
    kept: dict[Place, Value] = {}
    last: dict[Place, int] = {}
    wall = NOW
    for hub, rows, is_turn in messages:
        wall += SAME_SECONDS / 3
        devices.hear(subject(hub), said(*rows), HUBS, wall)
        if hub in HUBS:
            last.update({Place(hub, row.device, int(row.quantity)): row.value for row in rows})
        if is_turn:
            kept.update(devices.take(HUBS))
            assert {place: one.value for place, one in kept.items()} == last
    kept.update(devices.take(HUBS))
    assert {place: one.value for place, one in kept.items()} == last
    assert devices.take(HUBS) == {}
    assert devices.junk == sum(hub not in HUBS for hub, _, _ in messages)


def test_the_same_again_is_written_seldom() -> None:
    """values, law 4"""
    devices = Devices()
    row = Measured("lock-1", Quantity.BATTERY, 5, 0)
    devices.begin([(Place("front-1", "lock-1", 1), Value(5, NOW))])
    devices.hear(subject("front-1"), said(row), HUBS, NOW + SAME_SECONDS - 1)
    assert devices.take(HUBS) == {}
    devices.hear(subject("front-1"), said(row), HUBS, NOW + SAME_SECONDS)
    assert len(devices.take(HUBS)) == 1


def test_each_ceiling_holds() -> None:
    """values, laws 2 and 3"""
    devices = Devices(places_a_hub=3, places_max=4, rows_a_turn=2)
    rows = [Measured(f"lamp-{number}", Quantity.POWER, 1, 0) for number in range(5)]
    devices.hear(subject("front-1"), said(*rows), HUBS, NOW)
    devices.hear(subject("yard-1"), said(*rows), HUBS, NOW)
    assert devices.left_out == 2 + 4
    taken = [len(devices.take(HUBS)) for _ in range(3)]
    assert taken == [2, 2, 0]
    assert devices.take(frozenset()) == {}  # both have ended: there is room again
    devices.hear(subject("yard-1"), said(*rows[:3]), HUBS, NOW)
    assert len(devices.take(HUBS)) == 2
    devices.hear(subject("front-1"), bytes(values.MESSAGE_BYTES_MAX + 1), HUBS, NOW)
    assert devices.junk == 1


def test_each_quantity_has_a_name_and_a_number_that_nobody_knows_is_left_out() -> None:
    """words, laws 1 to 3"""
    assert set(words.NAMES) == set(Quantity)
    rows = [
        Row("h", "d", 9999, value=1, at=1.0),
        Row("h", "d", int(Quantity.POSITION), value=77, at=1.0),
    ]
    (one,) = words.devices(rows)
    assert one.readings == ()
    assert one.stands == "it does not say"
    assert "hubctl devices" in one.trouble


def test_of_very_many_values_the_page_says_that_some_are_missing() -> None:
    rows = [
        DeviceValue(hub="h", device=f"d-{number}", quantity=5, value=1, at=time.time())
        for number in range(2001)
    ]
    DeviceValue.objects.bulk_create(rows, 200)
    assert "There are more than are shown here" in at_work().get("/devices").text


def test_what_said_nothing_for_long_makes_room_and_what_is_left_out_is_counted_anew() -> None:
    """values, law 5"""
    made = Devices(places_a_hub=1)
    made.begin([(Place("front-1", "old", 1), Value(5, NOW - 100))])
    new = said(Measured("new", Quantity.BATTERY, 7, 0))
    made.hear(subject("front-1"), new, HUBS, NOW)
    assert (made.left_out, made.take(HUBS)) == (1, {})
    made.drop(NOW - 100)
    assert made.left_out == 0
    made.hear(subject("front-1"), new, HUBS, NOW)
    assert made.left_out == 1  # what spoke just then stays
    made.drop(NOW - 99)
    made.hear(subject("front-1"), new, HUBS, NOW)
    assert (made.left_out, [place.device for place in made.take(HUBS)]) == (0, ["new"])
