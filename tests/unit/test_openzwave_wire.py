"""The packets between hubd and its OpenZWave process."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.openzwave.orders import AddDevice, Ask, Order, Set, Start, Stop, decode_order
from drivers.openzwave.reports import (
    Happened,
    Measured,
    Report,
    Said,
    States,
    Taken,
    Unfit,
    decode_report,
)
from drivers.openzwave.values import ACTUATORS, reading_of
from drivers.openzwave.wire import (
    DEVICES_MAX,
    PACKET_MAX,
    TEXT_BYTES_MAX,
    UNKNOWN_VALUE,
    DeviceBits,
    Happening,
    StickState,
    Unfitness,
)
from hubcore.device.command import Capability
from hubcore.device.state import Quantity

KEY = bytes(range(0x21, 0x31))
LONGEST = "/" + "p" * 199
ORDERS: tuple[Order, ...] = (
    AddDevice(number=0, node=232, endpoint=127, capability=Capability.LOCK),
    Start(port="/dev/zwave", folder="/tmp/x", answer_seconds=3.0, key=KEY),
    Start(port=LONGEST, folder=LONGEST, answer_seconds=0.5, key=b""),
    Set(number=231, token=0xFFFF_FFFF, value=255),
    Ask(3, 7),
    Stop(3, 7),
)
REPORTS: tuple[Report, ...] = (
    Unfit(Unfitness.LIBRARY, "no library"),
    States(StickState.QUERIED, (DeviceBits.FOUND | DeviceBits.SECURE,) * DEVICES_MAX),
    Said(1, UNKNOWN_VALUE),
    Measured(number=1, quantity=Quantity.TEMPERATURE, value=-21.5),
    Taken(7, True),
    Happened(1, Happening.JAMMED),
)


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: type(order).__name__)
def test_an_order_comes_back_as_it_was(order: Order) -> None:
    assert len(order.encode()) <= PACKET_MAX
    assert decode_order(order.encode()) == order
    assert decode_order(order.encode()[:-1] if isinstance(order, Set) else b"") is None


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: type(report).__name__)
def test_a_report_comes_back_as_it_was(report: Report) -> None:
    assert len(report.encode()) <= PACKET_MAX
    assert decode_report(report.encode()) == report


def test_a_key_is_in_no_repr() -> None:
    assert "21" not in repr(ORDERS[1]).replace("/dev", "")
    assert repr(KEY) not in repr(ORDERS[1])


@given(st.binary(max_size=PACKET_MAX + 8))
def test_any_bytes_are_a_packet_or_nothing(data: bytes) -> None:
    for decoded in (decode_order(data), decode_report(data)):
        if decoded is not None:
            assert len(decoded.encode()) <= PACKET_MAX


@pytest.mark.parametrize(
    "data",
    [
        bytes([1, 0, 0, 0, 0]),  # node 0
        bytes([1, 0, 233, 0, 0]),  # a node that no network has
        bytes([1, 0, 1, 0, 5]),  # a capability that there is not
        bytes([1, 232, 1, 0, 0]),  # one device too many
        b"\x02\x00\x00\x00\x00/",  # no time to answer
        b"\x02\xb8\x0b\x05\x04abcde/dev/x",  # a short key
        b"\x03" + bytes(5),
        b"\x09",
        bytes(PACKET_MAX + 1),
    ],
)
def test_no_order(data: bytes) -> None:
    assert decode_order(data) is None


@pytest.mark.parametrize(
    "data",
    [
        bytes([1, 9]) + b"text",
        bytes([1, 1]) + bytes(TEXT_BYTES_MAX + 1),
        bytes([2, 1]),  # no device
        bytes([2, 7, 1]),
        bytes([2, 1, 64]),  # bits that mean nothing
        Measured(number=1, quantity=Quantity.POWER, value=1.0).encode()[:-8]
        + b"\x00\x00\x00\x00\x00\x00\xf8\x7f",
        bytes([5, 0, 0, 0, 0, 2]),
        bytes([6, 1, 9]),
        bytes([6, 1]),
        b"",
    ],
)
def test_no_report(data: bytes) -> None:
    assert decode_report(data) is None


@pytest.mark.parametrize(
    ("capability", "value", "meaning"),
    [
        (Capability.LOCK, "Secured", 255),
        (Capability.LOCK, "Unsecured with Timeout", 0),
        (Capability.LOCK, "Sesam", UNKNOWN_VALUE),
        (Capability.LOCK, True, UNKNOWN_VALUE),
        (Capability.SWITCH, True, 1),
        (Capability.SWITCH, 7, UNKNOWN_VALUE),
        (Capability.COVER, 99, 99),
        (Capability.COVER, 100, UNKNOWN_VALUE),
        (Capability.COVER, None, UNKNOWN_VALUE),
    ],
)
def test_a_value_means_what_its_class_defines(
    capability: Capability, value: object, meaning: int
) -> None:  # values, law 3
    assert ACTUATORS[capability].meaning(value) == meaning


def test_a_reading_has_its_unit_and_is_a_number() -> None:
    air = ("COMMAND_CLASS_SENSOR_MULTILEVEL", 1)
    assert reading_of(air, 21.5, "C") == (Quantity.TEMPERATURE, 21.5)
    assert reading_of(air, 70.7, "F") is None
    assert reading_of(air, math.inf, "C") is None
    assert reading_of(air, "warm", "C") is None
    assert reading_of(("COMMAND_CLASS_USER_CODE", 1), 4711, "") is None


def test_nothing_about_people_can_be_set() -> None:  # values, law 1
    classes = {actuator.target[0] for actuator in ACTUATORS.values()}
    assert classes == {
        "COMMAND_CLASS_DOOR_LOCK",
        "COMMAND_CLASS_SWITCH_BINARY",
        "COMMAND_CLASS_SWITCH_MULTILEVEL",
    }
