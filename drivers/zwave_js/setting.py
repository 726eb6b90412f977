"""Setting a value of a node: what the service says of it, and what is set beside it."""

from __future__ import annotations

from typing import Any

from zwave_js_server.const import SetValueStatus
from zwave_js_server.model.node import Node
from zwave_js_server.model.value import Value

from drivers.zwave_js.command_classes import POLLS, CommandClass
from drivers.zwave_js.nodes import ZwaveDevice, find
from drivers.zwave_js.readings import quantity_of
from hubcore.device.command import Capability
from hubcore.device.state import Quantity
from hubcore.errors import HardwareError

REFUSALS = frozenset(
    {
        SetValueStatus.FAIL,
        SetValueStatus.NO_DEVICE_SUPPORT,
        SetValueStatus.ENDPOINT_NOT_FOUND,
        SetValueStatus.NOT_IMPLEMENTED,
        SetValueStatus.INVALID_VALUE,
    }
)
HANDLES = ("outsideHandlesCanOpenDoorConfiguration", "insideHandlesCanOpenDoorConfiguration")
ALL_HANDLES = [True, True, True, True]


def handle_setting(device: ZwaveDevice, node: Node, property_: str) -> object:
    """Return which handles of a lock work, as it is set: setting its timer leaves them."""
    value = find(device, node, CommandClass.DOOR_LOCK, property_)
    return value.value if value is not None and value.value is not None else ALL_HANDLES


def refuse_failure(device: ZwaveDevice, result: Any) -> None:
    """Raise HardwareError when the node said no."""
    if result is not None and result.status in REFUSALS:
        raise HardwareError(f"node {device.node} refused")


def is_only_sent(device: ZwaveDevice, result: Any) -> bool:
    """Tell whether a lock was only told, and nobody supervised what it did (driver, law 3)."""
    if device.capability is not Capability.LOCK:
        return False
    supervised = (SetValueStatus.WORKING, SetValueStatus.SUCCESS)
    return result is None or result.status not in supervised


def readable_values(device: ZwaveDevice, node: Node) -> list[Value]:
    """Return the values that the node may be asked for, one of each quantity."""
    found: dict[Quantity, Value] = {}
    for value in node.values.values():
        is_here = (value.endpoint or 0) == device.endpoint
        quantity = quantity_of(value)
        if is_here and quantity is not None and int(value.command_class) in POLLS:
            found.setdefault(quantity, value)
    return list(found.values())


async def set_value(node: Node, value: Value, goal: object) -> Any:
    """Set a value, and return what the service says of it."""
    return await node.async_set_value(value, goal, wait_for_result=True)
