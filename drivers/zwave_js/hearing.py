"""What nodes say, told to whoever listens to the driver; and the reports that commands wait for.

Laws:
1. Of a notification its type and event are read. Its parameters, such as the number of a user, are
   dropped here. So is all text.
2. A report counts for a command when it came after the command was sent.
3. A node that no device is configured for is not heard.
4. A node that the service still asks what it can is DEAD until it is ready: no command would reach
   it. What it says meanwhile is no state; `ready` tells all of it.
5. A node that is ready and is not what the configuration says is STRANGE, until it is.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from zwave_js_server.const import SecurityClass
from zwave_js_server.model.node import Node
from zwave_js_server.model.value import Value

from drivers.zwave_js.command_classes import (
    ACCESS_CONTROL,
    ACTUATORS_OF,
    COVER_STATE,
    FULL,
    HOME_SECURITY,
    JAMMED_EVENT,
    LOCK_STATE,
    MOVING,
    TAMPER_EVENTS,
    Actuator,
    CommandClass,
    level_of,
    reached,
)
from drivers.zwave_js.nodes import (
    ZwaveDevice,
    actuator_or_none,
    find,
    is_of_its_kind,
    is_up,
    values,
)
from drivers.zwave_js.readings import quantity_of, reading_of, state_of
from hubcore.device.command import Capability
from hubcore.device.state import DeviceFault, DeviceState, Position, Reading
from hubcore.errors import DriverGoneError, HardwareError
from hubcore.ports.device import DeviceListener

LOW_BATTERY = 15
"""Per cent at which somebody should bring a new one."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The value that a command set, and the report of it that is waited for."""

    goal: object
    reported: asyncio.Future[None]


class Hearing:
    """Hears the nodes of the configured devices. `security`: what a lock must have reached."""

    def __init__(self, devices: Sequence[ZwaveDevice], security: frozenset[SecurityClass]) -> None:
        self._devices = devices
        self._security = security
        self._of_node: defaultdict[int, list[ZwaveDevice]] = defaultdict(list)
        for device in devices:
            self._of_node[device.node].append(device)
        self._expected: dict[str, Expected] = {}
        self.listener: DeviceListener | None = None

    def join(self, nodes: Mapping[int, Node]) -> None:
        """Hear every node that a device is configured for, and tell how it stands."""
        for number, devices in self._of_node.items():
            node = nodes.get(number)
            if node is None:
                for device in devices:
                    self.fault(device, DeviceFault.DEAD, True)
                    self.fault(device, DeviceFault.STRANGE, False)
            else:
                self._hear(node)
                self._tell_all(node)

    def appeared(self, node: Node) -> None:
        """Hear a node that has joined the network just now."""
        if node.node_id in self._of_node:
            self._hear(node)
            self._tell_all(node)

    def _hear(self, node: Node) -> None:
        for happened in ("value updated", "value added"):
            node.on(happened, lambda event: self._updated(node, event["value"]))
        node.on("value added", lambda _: self._tell_kind(node))
        node.on("ready", lambda _: self._tell_all(node))
        node.on("dead", lambda _: self._alive(node, False))
        node.on("alive", lambda _: self._alive(node, True))
        node.on("notification", lambda event: self._notified(node, event))

    def is_secure(self, node: Node) -> bool:
        """Tell whether a lock on this node may be commanded."""
        return not self._security or node.highest_security_class in self._security

    # What nodes say.

    def _alive(self, node: Node, alive: bool) -> None:
        for device in self._of_node[node.node_id]:
            self.fault(device, DeviceFault.DEAD, not (alive and node.ready))

    def _notified(self, node: Node, event: Mapping[str, Any]) -> None:
        said = event.get("notification")
        type_ = getattr(said, "type_", None)
        number = getattr(said, "event", None)
        for device in self._of_node[node.node_id]:
            if type_ == ACCESS_CONTROL and number == JAMMED_EVENT:
                self._jammed(device)
            if type_ == HOME_SECURITY and number in TAMPER_EVENTS:
                self.fault(device, DeviceFault.TAMPERED, True)

    def _tell_all(self, node: Node) -> None:
        """Tell how a node stands by what the service has of it, which is as old as it was heard."""
        for device in self._of_node[node.node_id]:
            self.fault(device, DeviceFault.DEAD, not is_up(node))
            if device.capability is Capability.LOCK:
                self.fault(device, DeviceFault.NOT_SECURE, not self.is_secure(node))
            self._tell_cached(device, node)
        self._tell_kind(node)
        for value in list(node.values.values()):
            if int(value.command_class) not in MOVING:
                self._updated(node, value)

    def _tell_kind(self, node: Node) -> None:
        """Tell whether a node is what its devices are (law 5)."""
        for device in self._of_node[node.node_id]:
            is_strange = bool(node.ready) and not is_of_its_kind(device, node)
            self.fault(device, DeviceFault.STRANGE, is_strange)
            if is_strange and ACTUATORS_OF[device.capability]:
                now = asyncio.get_running_loop().time()
                self._changed(device, DeviceState(Position.UNKNOWN, now))

    def _tell_cached(self, device: ZwaveDevice, node: Node) -> None:
        actuator = actuator_or_none(device, node)
        if actuator is None or node.last_seen is None or not node.ready:
            return
        value = find(device, node, actuator.command_class, actuator.current)
        raw = value.value if value is not None else None
        age_seconds = (datetime.now(UTC) - node.last_seen).total_seconds()
        at = asyncio.get_running_loop().time() - max(0.0, age_seconds)
        self._changed(device, DeviceState(actuator.position(raw), at, level_of(actuator, raw)))

    def _updated(self, node: Node, value: Value) -> None:
        if not node.ready:
            return
        for device in self._of_node[node.node_id]:
            if (value.endpoint or 0) == device.endpoint:
                self._said(device, node, value)

    def _said(self, device: ZwaveDevice, node: Node, value: Value) -> None:
        number = int(value.command_class)
        if number == CommandClass.NOTIFICATION:
            self._notification_value(device, node, value)
        if number == CommandClass.BATTERY and value.property_ == "level":
            level = value.value if isinstance(value.value, int) else FULL
            self.fault(device, DeviceFault.BATTERY_LOW, level <= LOW_BATTERY)
        quantity = quantity_of(value)
        reading = reading_of(value)
        if quantity is not None and reading is not None and self.listener is not None:
            self.listener.read(Reading(device.id, quantity, reading))
        for actuator in ACTUATORS_OF[device.capability]:
            is_current = number == actuator.command_class and value.property_ == actuator.current
            if is_current and actuator is actuator_or_none(device, node):
                self.stands(device, actuator, value.value)

    def _notification_value(self, device: ZwaveDevice, node: Node, value: Value) -> None:
        """Take a state that a notification has left behind."""
        state = state_of(value)
        if state == LOCK_STATE and value.value == JAMMED_EVENT:
            self._jammed(device)
        elif state == LOCK_STATE:
            self.fault(device, DeviceFault.JAMMED, False)
        if state[0] == COVER_STATE[0]:  # what was only moved is quiet again
            self.fault(device, DeviceFault.TAMPERED, _is_open(device, node))

    def _jammed(self, device: ZwaveDevice) -> None:
        self.fault(device, DeviceFault.JAMMED, True)
        self._fail(device, HardwareError(f"node {device.node} is jammed"))

    def stands(self, device: ZwaveDevice, actuator: Actuator, raw: object) -> None:
        """A device reported its position."""
        now = asyncio.get_running_loop().time()
        state = DeviceState(actuator.position(raw), now, level_of(actuator, raw))
        self._changed(device, state)
        if state.position is not Position.UNKNOWN:
            self.fault(device, DeviceFault.JAMMED, False)
        expected = self._expected.get(device.id)
        if expected is None or expected.reported.done():
            return
        if reached(actuator, raw, expected.goal):
            expected.reported.set_result(None)

    # The reports that commands wait for.

    def expect(self, device: ZwaveDevice, goal: object) -> Expected:
        """From now on a report of `goal` counts. End it with `forget`."""
        expected = Expected(goal, asyncio.get_running_loop().create_future())
        self._expected[device.id] = expected
        return expected

    def forget(self, device: ZwaveDevice) -> None:
        """Wait for no report any more."""
        expected = self._expected.pop(device.id, None)
        if expected is not None and not expected.reported.cancel():
            expected.reported.exception()  # nobody asks for it any more

    def lose(self) -> None:
        """No report comes any more: the connection has ended."""
        for device in self._devices:
            self._fail(device, DriverGoneError("the Z-Wave service ended in the middle"))

    def _fail(self, device: ZwaveDevice, error: HardwareError) -> None:
        expected = self._expected.get(device.id)
        if expected is not None and not expected.reported.done():
            expected.reported.set_exception(error)

    # Telling.

    def fault(self, device: ZwaveDevice, fault: DeviceFault, stands: bool) -> None:
        """Tell that a fault begins or ends; who listens takes it once."""
        if self.listener is not None:
            self.listener.fault(device.id, fault, stands)

    def all_faulty(self, fault: DeviceFault, *, stands: bool) -> None:
        """The same of every device."""
        for device in self._devices:
            self.fault(device, fault, stands)

    def _changed(self, device: ZwaveDevice, state: DeviceState) -> None:
        if self.listener is not None:
            self.listener.changed(device.id, state)


def _is_open(device: ZwaveDevice, node: Node) -> bool:
    """Tell whether the cover of a device is off, by the last that it said of it."""
    said = values(device, node, CommandClass.NOTIFICATION, COVER_STATE[0])
    return any(state_of(one) == COVER_STATE and one.value in TAMPER_EVENTS for one in said)
