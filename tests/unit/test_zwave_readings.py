"""What a Z-Wave service says of its nodes' values: readings, or nothing, and never an error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from zwave_js_server.const import NodeStatus
from zwave_js_server.model.node import Node
from zwave_js_server.model.value import Value

from drivers.zwave_js.command_classes import (
    ELECTRIC_METER,
    METER_SCALES,
    NOTIFIED,
    QUANTITY_OF,
    CommandClass,
)
from drivers.zwave_js.hearing import Hearing
from drivers.zwave_js.nodes import ZwaveDevice
from drivers.zwave_js.readings import quantity_of, reading_of
from hubcore.device.command import Capability
from hubcore.device.state import DeviceFault, Quantity
from tests.fakes.device import FakeListener

METER = {"ccSpecific": {"meterType": 1, "scale": 0}, "unit": "kWh"}


def electric(scale: int) -> dict[str, Any]:
    """Of a value of an electric meter."""
    return {"ccSpecific": {"meterType": ELECTRIC_METER, "scale": scale}}


ENERGY = (CommandClass.METER, "value", 12.5, METER)


class FakeNode:
    """A node as far as it is heard."""

    node_id = 5
    ready = True
    status = NodeStatus.ALIVE
    last_seen = None
    highest_security_class = None
    endpoints: Mapping[int, Any] = {}

    def __init__(self, *values: tuple[Any, ...]) -> None:
        self.values = {number: self._value(*one) for number, one in enumerate(values)}

    def _value(
        self,
        class_: int,
        property_: str,
        value: object,
        metadata: object = None,
        key: str | None = None,
    ) -> Value:
        data = {
            "endpoint": 0,
            "commandClass": int(class_),
            "commandClassName": "",
            "property": property_,
            "propertyName": property_,
            "value": value,
            "metadata": metadata or {},
        }
        if key is not None:
            data |= {"propertyKey": key, "propertyKeyName": key}
        return Value(cast("Node", self), cast("Any", data))

    def on(self, *_: object) -> None:
        return


def join(node: FakeNode) -> FakeListener:
    """Have a sensor heard that is this node; return what was heard."""
    hearing = Hearing([ZwaveDevice(id="it", capability=Capability.SENSOR, node=5)], frozenset())
    hearing.listener = heard = FakeListener()
    hearing.join({5: cast("Node", node)})
    return heard


# readings, law
@pytest.mark.parametrize(
    "senseless",
    [
        (CommandClass.METER, "value", 10**400, METER),
        (CommandClass.METER, "value", math.nan, METER),
        (CommandClass.METER, "value", -math.inf, METER),
        (CommandClass.METER, "value", "12", METER),
        (CommandClass.METER, "value", 12.5, {"ccSpecific": None}),
        (CommandClass.METER, "value", 12.5, {"ccSpecific": "electric"}),
        (CommandClass.METER, "value", 12.5, {"ccSpecific": {"meterType": 1, "scale": []}}),
        (CommandClass.BATTERY, "level", 10**400, {}),
        (CommandClass.MULTILEVEL_SENSOR, "Air temperature", {}, {"unit": "°F"}),
    ],
    ids=repr,
)
def test_a_value_that_makes_no_sense_is_no_reading_and_hides_no_other(
    senseless: tuple[int, str, object, object],
) -> None:
    device = ZwaveDevice(id="meter", capability=Capability.METER, node=5)
    hearing = Hearing([device], frozenset())
    hearing.listener = heard = FakeListener()
    node = FakeNode(senseless, ENERGY)
    hearing.join({5: cast("Node", node)})
    assert heard.readings == {("meter", Quantity.ENERGY): 12.5}


BINARY = CommandClass.BINARY_SENSOR
MULTILEVEL = CommandClass.MULTILEVEL_SENSOR
NOTIFICATION = CommandClass.NOTIFICATION
READINGS: list[tuple[tuple[Any, ...], Quantity, float | None]] = [
    ((CommandClass.BATTERY, "level", 87), Quantity.BATTERY, 87.0),
    ((BINARY, "Door/Window", True), Quantity.CONTACT, 1.0),
    ((BINARY, "Door/Window", False), Quantity.CONTACT, 0.0),
    ((BINARY, "Motion", True), Quantity.MOTION, 1.0),
    ((BINARY, "Smoke", True), Quantity.SMOKE, 1.0),
    ((BINARY, "CO", True), Quantity.CARBON_MONOXIDE, 1.0),
    ((BINARY, "Water", True), Quantity.WATER, 1.0),
    ((MULTILEVEL, "Air temperature", 21.5, {"unit": "°C"}), Quantity.TEMPERATURE, 21.5),
    ((MULTILEVEL, "Air temperature", 68, {"unit": "°F"}), Quantity.TEMPERATURE, 20.0),
    ((MULTILEVEL, "Air temperature", -40, {"unit": "°F"}), Quantity.TEMPERATURE, -40.0),
    ((MULTILEVEL, "Air temperature", 21.5, {"unit": "K"}), Quantity.TEMPERATURE, None),
    ((MULTILEVEL, "Air temperature", 21.5), Quantity.TEMPERATURE, None),
    ((MULTILEVEL, "Humidity", 40, {"unit": "%"}), Quantity.HUMIDITY, 40.0),
    ((MULTILEVEL, "Humidity", 9, {"unit": "g/m³"}), Quantity.HUMIDITY, None),
    ((MULTILEVEL, "Illuminance", 250, {"unit": "Lux"}), Quantity.ILLUMINANCE, 250.0),
    ((MULTILEVEL, "Illuminance", 25, {"unit": "%"}), Quantity.ILLUMINANCE, None),
    ((MULTILEVEL, "Power", 7.5, {"unit": "W"}), Quantity.POWER, 7.5),
    ((MULTILEVEL, "Power", 7.5, {"unit": "Btu/h"}), Quantity.POWER, None),
    ((NOTIFICATION, "Smoke Alarm", 1, None, "Sensor status"), Quantity.SMOKE, 1.0),
    ((NOTIFICATION, "Smoke Alarm", 2, None, "Sensor status"), Quantity.SMOKE, 1.0),
    ((NOTIFICATION, "Smoke Alarm", 0, None, "Sensor status"), Quantity.SMOKE, 0.0),
    ((NOTIFICATION, "Smoke Alarm", 3, None, "Sensor status"), Quantity.SMOKE, None),
    ((NOTIFICATION, "CO Alarm", 1, None, "Sensor status"), Quantity.CARBON_MONOXIDE, 1.0),
    ((NOTIFICATION, "CO Alarm", 2, None, "Sensor status"), Quantity.CARBON_MONOXIDE, 1.0),
    ((NOTIFICATION, "CO Alarm", 0, None, "Sensor status"), Quantity.CARBON_MONOXIDE, 0.0),
    ((NOTIFICATION, "Water Alarm", 1, None, "Sensor status"), Quantity.WATER, 1.0),
    ((NOTIFICATION, "Water Alarm", 2, None, "Sensor status"), Quantity.WATER, 1.0),
    ((NOTIFICATION, "Water Alarm", 0, None, "Sensor status"), Quantity.WATER, 0.0),
    ((NOTIFICATION, "Access Control", 22, None, "Door state"), Quantity.CONTACT, 1.0),
    ((NOTIFICATION, "Access Control", 23, None, "Door state"), Quantity.CONTACT, 0.0),
    ((NOTIFICATION, "Access Control", 0x1600, None, "Door state"), Quantity.CONTACT, 1.0),
    ((NOTIFICATION, "Access Control", 0x1601, None, "Door state"), Quantity.CONTACT, 1.0),
    ((NOTIFICATION, "Access Control", None, None, "Door state"), Quantity.CONTACT, None),
    ((NOTIFICATION, "Home Security", 7, None, "Motion sensor status"), Quantity.MOTION, 1.0),
    ((NOTIFICATION, "Home Security", 8, None, "Motion sensor status"), Quantity.MOTION, 1.0),
    ((NOTIFICATION, "Home Security", 0, None, "Motion sensor status"), Quantity.MOTION, 0.0),
    ((NOTIFICATION, "Home Security", "8", None, "Motion sensor status"), Quantity.MOTION, None),
    ((CommandClass.METER, "value", 12.5, METER), Quantity.ENERGY, 12.5),
    ((CommandClass.METER, "value", 42, electric(2)), Quantity.POWER, 42.0),
]
"""Values, what they measure, and their numbers; None: a number of it that is none."""


@pytest.mark.parametrize(("value", "quantity", "number"), READINGS, ids=repr)
def test_each_value_is_a_reading_in_the_unit_of_the_house(
    value: tuple[Any, ...], quantity: Quantity, number: float | None
) -> None:
    (made,) = FakeNode(value).values.values()
    assert quantity_of(made) is quantity
    assert reading_of(made) == (None if number is None else pytest.approx(number))
    heard = join(FakeNode(value))
    assert ("it", quantity) in heard.readings or number is None


def test_each_row_of_the_tables_has_a_value_here() -> None:
    seen = {(value[0], value[1]) for value, _, number in READINGS if number is not None}
    assert seen >= QUANTITY_OF.keys()
    states = {(value[1], value[4]) for value, _, _ in READINGS if value[0] is NOTIFICATION}
    assert states == NOTIFIED.keys()
    events = {(value[1], value[4], value[2]) for value, _, _ in READINGS if len(value) > 4}
    wanted = {(*state, event) for state, row in NOTIFIED.items() for event in row[1]}
    assert events >= wanted
    assert {quantity for _, quantity, _ in READINGS} >= set(METER_SCALES.values())
    assert {quantity for _, quantity, _ in READINGS} == set(Quantity) - {
        Quantity.POSITION,
        Quantity.LEVEL,
    }


@pytest.mark.parametrize(
    "value",
    [
        (NOTIFICATION, "Home Security", 2, None, "Sensor status"),
        (NOTIFICATION, "Access Control", 11, None, "Lock state"),
        (NOTIFICATION, "Access Control", 22, None, "Door state (simple)"),
        (NOTIFICATION, "Smoke Alarm", 2),
        (NOTIFICATION, "alarmLevel", 255),
        (BINARY, "Any", True),
        (MULTILEVEL, "Velocity", 2, {"unit": "m/s"}),
        (CommandClass.METER, "value", 2, {"ccSpecific": {"meterType": 2, "scale": 0}}),
        (CommandClass.METER, "value", 2, electric(5)),
        (CommandClass.DOOR_LOCK, "currentMode", 255),
    ],
    ids=repr,
)
def test_what_nobody_reads_is_no_reading(value: tuple[Any, ...]) -> None:
    assert join(FakeNode(value)).readings == {}


OPEN = (NOTIFICATION, "Home Security", 3, None, "Cover status")
SHUT = (NOTIFICATION, "Home Security", 0, None, "Cover status")
STILL = (NOTIFICATION, "Home Security", 0, None, "Motion sensor status")
JAMMED = (NOTIFICATION, "Access Control", 11, None, "Lock state")
DOOR = (NOTIFICATION, "Access Control", 23, None, "Door state")


@pytest.mark.parametrize(
    ("values", "faults"),
    [
        ([OPEN, STILL], {DeviceFault.TAMPERED}),
        ([STILL, OPEN], {DeviceFault.TAMPERED}),
        ([SHUT, STILL], set()),
        ([JAMMED, DOOR], {DeviceFault.JAMMED}),
        ([DOOR, JAMMED], {DeviceFault.JAMMED}),
    ],
)
def test_a_state_ends_its_own_fault_and_no_other(
    values: list[tuple[Any, ...]], faults: set[DeviceFault]
) -> None:
    heard = join(FakeNode(*values))
    assert {fault for _, fault in heard.faults} == faults


def test_what_was_only_moved_is_quiet_when_it_says_something_else() -> None:
    device = ZwaveDevice(id="it", capability=Capability.SENSOR, node=5)
    hearing = Hearing([device], frozenset())
    hearing.listener = heard = FakeListener()
    node = cast("Node", FakeNode(STILL))
    moved = SimpleNamespace(type_=7, event=9)
    hearing._notified(node, {"notification": moved})
    assert heard.faults == {("it", DeviceFault.TAMPERED)}
    hearing._updated(node, node.values[0])  # type: ignore[index]
    assert heard.faults == set()
