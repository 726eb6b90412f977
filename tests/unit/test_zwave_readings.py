"""What a Z-Wave service says of its nodes' values: readings, or nothing, and never an error."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest
from zwave_js_server.const import NodeStatus
from zwave_js_server.model.node import Node
from zwave_js_server.model.value import Value

from drivers.zwave_js.command_classes import CommandClass
from drivers.zwave_js.hearing import Hearing
from drivers.zwave_js.nodes import ZwaveDevice
from hubcore.device.command import Capability
from hubcore.device.state import Quantity
from tests.fakes.device import FakeListener

METER = {"ccSpecific": {"meterType": 1, "scale": 0}, "unit": "kWh"}
ENERGY = (CommandClass.METER, "value", 12.5, METER)


class FakeNode:
    """A node as far as it is heard."""

    node_id = 5
    ready = True
    status = NodeStatus.ALIVE
    last_seen = None
    highest_security_class = None

    def __init__(self, *values: tuple[int, str, object, object]) -> None:
        self.values = {number: self._value(*one) for number, one in enumerate(values)}

    def _value(self, class_: int, property_: str, value: object, metadata: object) -> Value:
        data = {
            "endpoint": 0,
            "commandClass": int(class_),
            "commandClassName": "",
            "property": property_,
            "propertyName": property_,
            "value": value,
            "metadata": metadata,
        }
        return Value(cast("Node", self), cast("Any", data))

    def on(self, *_: object) -> None:
        return


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
