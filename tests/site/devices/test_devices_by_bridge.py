"""Devices of a site with a bridge and no engine: asked of a real bridge, told by its ways."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from hubcore.backend.uplink.from_hub import Measured, Telemetry
from hubcore.device.state import Position, Quantity
from hubcore.device.telemetry import POSITION_NUMBERS
from hubsite.config import Bridge
from hubsite.pages.orders.readings import rows_of
from tests.site.browser import at_work
from tests.site.fleetbench import shows
from tests.site.orders.test_order_ways import BridgeSide, in_thread
from tests.site.server import begun

pytestmark = pytest.mark.once

SAID = Telemetry(
    (
        Measured("shutter", Quantity.POSITION, POSITION_NUMBERS[Position.BETWEEN], 3),
        Measured("shutter", Quantity.LEVEL, 40_000, 3),
        Measured("meter", Quantity.POWER, 12_500, 3),
    )
)
NOW = 1_800_000_000.0


@contextmanager
def with_bridge(socket: Path) -> Iterator[None]:
    site = begun().site
    config = msgspec.structs.replace(site.config, bridge=Bridge(str(socket)))
    with override_settings(HUBSITE=replace(site, config=config)):
        yield


async def test_with_a_bridge_alone_its_devices_have_their_pages(tmp_path: Path) -> None:
    """readings, law 1"""
    browser = await in_thread(at_work)
    at = "/devices/of/hub-1"
    async with BridgeSide.there(tmp_path, SAID) as side:
        with with_bridge(side.socket):
            listed = await shows(browser, "/devices", "shutter", "meter")
            assert "between" in listed
            assert "power 12.5 W" in listed
            assert (
                "No device has said"
                in (await in_thread(lambda: browser.get("/devices?hub=x"))).text
            )
            assert "40 %" in (await in_thread(lambda: browser.get(f"{at}/shutter"))).text
            assert (await in_thread(lambda: browser.get(f"{at}/nobody"))).status == 404
            await side.go()
            for path in ("/devices", f"{at}/shutter"):
                away = await in_thread(lambda path=path: browser.get(path))
                assert away.status == 503
                assert "hubbridge" in away.text
                assert "No device has said" not in away.text


RIGHT = {
    "hub": "hub-1",
    "device": "lamp",
    "quantity": "position",
    "value": "on",
    "age_seconds": 2.5,
}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**400),
    st.floats(),
    st.text(max_size=40),
    st.lists(st.integers(), max_size=2),
    st.just({}),
)


def test_what_the_bridge_says_is_read_as_it_is_kept() -> None:
    level = {**RIGHT, "quantity": "level", "value": 40.0}
    found = rows_of({"readings": [RIGHT, level]}, NOW)
    on = POSITION_NUMBERS[Position.ON]
    assert [(row.quantity, row.value) for row in found] == [
        (Quantity.POSITION, on),
        (Quantity.LEVEL, 40_000),
    ]
    assert {row.at for row in found} == {NOW - 2.5}


@given(st.one_of(ODD, st.lists(st.one_of(ODD, st.dictionaries(st.sampled_from([*RIGHT]), ODD)))))
def test_what_is_odd_is_left_out(readings: object) -> None:
    """readings, law 2"""
    mine = [RIGHT, *readings] if isinstance(readings, list) else []
    for answer in ({"readings": readings}, {"readings": mine}, {}):
        for row in rows_of(answer, NOW):
            assert row.device
            assert isinstance(row.value, int)
    assert not mine or rows_of({"readings": mine}, NOW)
