"""Looking things up in what the service knows of a node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from zwave_js_server.const import NodeStatus
from zwave_js_server.model.endpoint import Endpoint
from zwave_js_server.model.node import Node
from zwave_js_server.model.value import Value

from drivers.zwave_js.command_classes import (
    ACTUATORS_OF,
    ENTRANCES,
    KINDS_SENSED,
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


def classes(device: ZwaveDevice, node: Node) -> frozenset[int]:
    """Return the classes at a device's endpoint. The root endpoint, 0, has those of all."""
    values_here = (
        int(value.command_class)
        for value in node.values.values()
        if device.endpoint in (0, value.endpoint or 0)
    )
    told = (
        class_
        for number, endpoint in node.endpoints.items()
        if device.endpoint in (0, number)
        for class_ in _told(endpoint)
    )
    return frozenset((*values_here, *told))


def _told(endpoint: Endpoint) -> Sequence[int]:
    """Return the classes that an endpoint says it has; it never raises (readings, law)."""
    try:
        return [int(class_.id) for class_ in endpoint.command_classes]
    except (KeyError, TypeError, ValueError):
        return ()


def entrances(device: ZwaveDevice, node: Node) -> frozenset[Capability]:
    """Return as what entrance a node can be moved, nothing for one that is none."""
    here = classes(device, node)
    return frozenset(capability for class_, capability in ENTRANCES.items() if class_ in here)


def is_of_its_kind(device: ZwaveDevice, node: Node) -> bool:
    """Tell whether a node that is ready has what its device is for."""
    sensed = KINDS_SENSED.get(device.capability)
    if sensed is not None:
        return bool(sensed & classes(device, node))
    return actuator_or_none(device, node) is not None


def actuator_or_none(device: ZwaveDevice, node: Node) -> Actuator | None:
    """Return the best class by which a node does what its device is for.

    An entrance is moved as such alone (command_classes, law 3).
    """
    needed = entrances(device, node)
    if needed and device.capability not in needed:
        return None
    for actuator in ACTUATORS_OF[device.capability]:
        if find(device, node, actuator.command_class, actuator.current) is not None:
            return actuator
    return None


def actuator_of(device: ZwaveDevice, node: Node) -> Actuator:
    """Return the best class. Raise HardwareError when the node has none of them."""
    actuator = actuator_or_none(device, node)
    if actuator is None:
        raise HardwareError(what_it_is_not(device, node))
    return actuator


def what_it_is_not(device: ZwaveDevice, node: Node) -> str:
    """Return the sentence about a node that is not what the configuration says."""
    sentence = f"node {device.node} is no {device.capability.value}"
    needed = sorted(capability.value for capability in entrances(device, node))
    return f"{sentence} but a {' and a '.join(needed)}" if needed else sentence


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
