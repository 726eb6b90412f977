"""Looking things up in what the service knows of a node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zwave_js_server.const import NodeStatus
from zwave_js_server.model.node import Node
from zwave_js_server.model.value import Value

from drivers.zwave_js.command_classes import (
    ACTUATORS_OF,
    WRITES,
    Actuator,
    CommandClass,
)
from hubcore.device.command import Capability
from hubcore.errors import HardwareError


@dataclass(frozen=True, slots=True)
class ZwaveDevice:
    """A device as it is configured: one endpoint of one node."""

    id: str
    capability: Capability
    node: int
    endpoint: int = 0


def is_up(node: Node) -> bool:
    """Tell whether a node can be commanded: it is known, and has not failed to answer."""
    return bool(node.ready) and node.status is not NodeStatus.DEAD


def values(
    device: ZwaveDevice, node: Node, class_: CommandClass, property_: str
) -> Iterator[Value]:
    """Yield the values of a property at a device's endpoint."""
    for value in node.values.values():
        is_here = (value.endpoint or 0) == device.endpoint
        is_this = int(value.command_class) == class_
        if is_here and is_this and value.property_ == property_:
            yield value


def find(device: ZwaveDevice, node: Node, class_: CommandClass, property_: str) -> Value | None:
    """Return the first of `values`."""
    return next(values(device, node, class_, property_), None)


def actuator_or_none(device: ZwaveDevice, node: Node) -> Actuator | None:
    """Return the best class by which a node does what its device is for."""
    for actuator in ACTUATORS_OF[device.capability]:
        if find(device, node, actuator.command_class, actuator.current) is not None:
            return actuator
    return None


def actuator_of(device: ZwaveDevice, node: Node) -> Actuator:
    """Return the best class. Raise HardwareError when the node has none of them."""
    actuator = actuator_or_none(device, node)
    if actuator is None:
        raise HardwareError(f"node {device.node} is no {device.capability.value}")
    return actuator


def writable(device: ZwaveDevice, node: Node, class_: CommandClass, property_: str) -> Value:
    """Return a value that may be set. Raise HardwareError when the node has none."""
    assert (class_, property_) in WRITES  # noqa: S101 - command_classes, law 1
    value = find(device, node, class_, property_)
    if value is None:
        raise HardwareError(f"node {device.node} has no {property_}")
    return value


def keys(device: ZwaveDevice, node: Node, actuator: Actuator) -> list[int]:
    """Return a window covering's parameter, which its calls name; nothing for other classes."""
    value = find(device, node, actuator.command_class, actuator.current)
    key = value.property_key if value is not None else None
    return [key] if isinstance(key, int) else []
