"""The driver of Z-Wave devices: a client of the zwave-js service on this machine.

Laws:
1. A lock, a switch or a cover has moved when it *reports* so after the command, or says so when it
   is asked. What the service only sent is no proof.
2. What is sent stands in the tables of `command_classes`, and nothing else.
3. Of a notification its type and event are read. Its parameters, such as the number of a user, are
   dropped here.
4. A lock that did not join its network with S2 Access Control gets no commands.
5. A node that is dead, a stick that is gone, a service that is gone and one of another version
   are told apart, and each is found again alone.
6. Every call to the service ends: it has no time-outs of its own.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from zwave_js_server.client import Client
from zwave_js_server.const import CommandClass as LibraryClass
from zwave_js_server.const import SecurityClass, SetValueStatus
from zwave_js_server.exceptions import (
    BaseZwaveJSServerError,
    FailedZWaveCommand,
    InvalidServerVersion,
)
from zwave_js_server.model.node import Node
from zwave_js_server.model.value import Value

from drivers.zwave_js.command_classes import (
    ACCESS_CONTROL,
    ACTUATORS_OF,
    CALLS,
    FULL,
    HOME_SECURITY,
    JAMMED_EVENT,
    QUANTITY_OF,
    TAMPER_EVENTS,
    WRITES,
    Actuator,
    CommandClass,
    goal_of,
    level_of,
)
from hubcore.device.command import Capability, Command, Verb
from hubcore.device.state import DeviceFault, DeviceState, Position, Reading
from hubcore.errors import DriverGoneError, HardwareError
from hubcore.ports.device import DeviceListener

CALL_SECONDS = 15.0
"""A node that sleeps with FLiRS wakes within 2 s; a dead one is given up by zwave-js after 3 s."""
REPORT_SECONDS = 8.0
"""How long a report is waited for beyond the time that the node itself has announced."""
ALREADY_SECONDS = 0.5
"""How long for a report of a node that says it is done: it may have stood there before."""
TRAVEL_SECONDS = 90.0
CONNECT_SECONDS = 15.0
PROBE_SECONDS = 20.0
PROBE_ANSWER_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.5
LAST_PAUSE_SECONDS = 30.0
LOW_BATTERY = 15
"""Per cent at which somebody should bring a new one."""
NOT_ACKNOWLEDGED = 204
PORT_CLOSED = 202
SECURE_ENOUGH = frozenset({SecurityClass.S2_ACCESS_CONTROL})

_MOVING = frozenset(
    actuator.command_class for actuators in ACTUATORS_OF.values() for actuator in actuators
)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ZwaveDevice:
    """A device as it is configured: one endpoint of one node."""

    id: str
    capability: Capability
    node: int
    endpoint: int = 0


class ZwaveJs:
    """All Z-Wave devices of the hub. Implements `ports.device.DeviceDriver`.

    `socket`: where the service is reached, by its owner's group alone: it has no authentication of
    its own. `security`: what a lock must have reached to get commands.
    """

    def __init__(
        self,
        socket: Path,
        devices: Sequence[ZwaveDevice],
        security: frozenset[SecurityClass] = SECURE_ENOUGH,
    ) -> None:
        self._socket = socket
        self._devices = {device.id: device for device in devices}
        self._security = security
        self._of_node: defaultdict[int, list[ZwaveDevice]] = defaultdict(list)
        for device in devices:
            self._of_node[device.node].append(device)
        self._client: Client | None = None
        self._listener: DeviceListener | None = None
        self._expected: dict[str, _Expected] = {}

    async def serve(self, listener: DeviceListener) -> None:
        """Connect and connect again, until cancelled."""
        self._listener = listener
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            began = asyncio.get_running_loop().time()
            fault = DeviceFault.SERVICE_GONE
            try:
                await self._visit()
            except InvalidServerVersion:
                fault = DeviceFault.WRONG_VERSION
            except (BaseZwaveJSServerError, aiohttp.ClientError, OSError, TimeoutError):
                pass
            self._client = None
            self._all(fault, stands=True)
            self._lose_reports()
            if asyncio.get_running_loop().time() - began > LAST_PAUSE_SECONDS:
                pause_seconds = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, LAST_PAUSE_SECONDS)

    async def perform(self, command: Command) -> None:
        """Do a command; return when the node has proven it."""
        device = self._devices[command.device]
        node = self._node(device)
        if command.verb is Verb.READ:
            await self._read(device, node)
            return
        self._refuse_insecure(device, node)
        actuator = self._actuator(device, node)
        if command.verb is Verb.STOP:
            await self._stop(device, node, actuator)
            return
        goal = goal_of(actuator, command.verb, command.level)
        if goal is None:
            raise HardwareError(f"node {device.node} cannot {command.verb.name}")
        await self._move(device, node, actuator, goal)

    # One connection.

    async def _visit(self) -> None:
        connector = aiohttp.UnixConnector(path=str(self._socket))
        async with aiohttp.ClientSession(connector=connector) as session:
            client = Client("ws://zwave-js", session)
            async with asyncio.timeout(CONNECT_SECONDS):
                await client.connect()
            ready = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(client.listen(ready))
                try:
                    async with asyncio.timeout(CONNECT_SECONDS):
                        await ready.wait()
                    self._client = client
                    self._join(client)
                    probing = tasks.create_task(self._probe(client))
                    await listening
                    probing.cancel()
                finally:
                    listening.cancel()

    def _join(self, client: Client) -> None:
        """Hear every node that a device is configured for, and tell how it stands."""
        self._all(DeviceFault.SERVICE_GONE, stands=False)
        self._all(DeviceFault.WRONG_VERSION, stands=False)
        assert client.driver is not None  # noqa: S101 - `ready` says so
        nodes: Mapping[int, Node] = client.driver.controller.nodes
        for number, devices in self._of_node.items():
            node = nodes.get(number)
            for device in devices:
                self._fault(device, DeviceFault.DEAD, node is None or not node.ready)
            if node is not None:
                self._hear(node)
                self._tell_all(node)

    def _hear(self, node: Node) -> None:
        for happened in ("value updated", "value added"):
            node.on(happened, lambda event: self._updated(node, event["value"]))
        node.on("ready", lambda _: self._tell_all(node))
        node.on("dead", lambda _: self._alive(node, False))
        node.on("alive", lambda _: self._alive(node, True))
        node.on("notification", lambda event: self._notified(node, event))

    async def _probe(self, client: Client) -> None:
        """Ask the service for a sign of life now and then; drop one that hangs."""
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            try:
                async with asyncio.timeout(PROBE_ANSWER_SECONDS):
                    assert client.driver is not None  # noqa: S101
                    await client.driver.async_get_log_config()
            except (TimeoutError, BaseZwaveJSServerError):
                await client.disconnect()
                return

    # What nodes say.

    def _alive(self, node: Node, alive: bool) -> None:
        for device in self._of_node[node.node_id]:
            self._fault(device, DeviceFault.DEAD, not alive)

    def _notified(self, node: Node, event: Mapping[str, Any]) -> None:
        said = event.get("notification")
        type_ = getattr(said, "type_", None)
        number = getattr(said, "event", None)
        for device in self._of_node[node.node_id]:
            if type_ == ACCESS_CONTROL and number == JAMMED_EVENT:
                self._fault(device, DeviceFault.JAMMED, True)
                self._fail_report(device, HardwareError(f"node {device.node} is jammed"))
            if type_ == HOME_SECURITY and number in TAMPER_EVENTS:
                self._fault(device, DeviceFault.TAMPERED, True)

    def _tell_all(self, node: Node) -> None:
        """Tell how a node stands by what the service has of it, which is as old as it was heard."""
        for device in self._of_node[node.node_id]:
            self._fault(device, DeviceFault.DEAD, not node.ready)
            if device.capability is Capability.LOCK:
                self._fault(device, DeviceFault.NOT_SECURE, not self._is_secure(node))
            self._tell_cached(device, node)
        for value in list(node.values.values()):
            if int(value.command_class) not in _MOVING:
                self._updated(node, value)

    def _tell_cached(self, device: ZwaveDevice, node: Node) -> None:
        actuator = self._actuator_or_none(device, node)
        if actuator is None or node.last_seen is None or self._listener is None:
            return
        value = self._find(device, node, actuator, actuator.current)
        raw = value.value if value is not None else None
        age_seconds = (datetime.now(UTC) - node.last_seen).total_seconds()
        at = asyncio.get_running_loop().time() - max(0.0, age_seconds)
        state = DeviceState(actuator.position(raw), at, level_of(actuator, raw))
        self._listener.changed(device.id, state)

    def _updated(self, node: Node, value: Value) -> None:
        for device in self._of_node[node.node_id]:
            if (value.endpoint or 0) == device.endpoint:
                self._said(device, node, value)

    def _said(self, device: ZwaveDevice, node: Node, value: Value) -> None:
        if self._listener is None:
            return
        number = int(value.command_class)
        if number == CommandClass.NOTIFICATION and value.property_ == "Access Control":
            jammed = value.value == JAMMED_EVENT
            self._fault(device, DeviceFault.JAMMED, jammed)
            if jammed:
                self._fail_report(device, HardwareError(f"node {device.node} is jammed"))
        if number == CommandClass.BATTERY and value.property_ == "level":
            level = value.value if isinstance(value.value, int) else FULL
            self._fault(device, DeviceFault.BATTERY_LOW, level <= LOW_BATTERY)
        for (class_, property_), quantity in QUANTITY_OF.items():
            raw = value.value
            if number == class_ and value.property_ == property_ and isinstance(raw, int | float):
                self._listener.read(Reading(device.id, quantity, float(raw)))
        for actuator in ACTUATORS_OF[device.capability]:
            is_current = number == actuator.command_class and value.property_ == actuator.current
            if is_current and actuator is self._actuator_or_none(device, node):
                self._stands(device, actuator, value.value)

    def _stands(self, device: ZwaveDevice, actuator: Actuator, raw: object) -> None:
        """A device reported its position."""
        now = asyncio.get_running_loop().time()
        state = DeviceState(actuator.position(raw), now, level_of(actuator, raw))
        if self._listener is not None:
            self._listener.changed(device.id, state)
        if state.position is not Position.UNKNOWN:
            self._fault(device, DeviceFault.JAMMED, False)
        expected = self._expected.get(device.id)
        if expected is not None and raw == expected.goal and not expected.reported.done():
            expected.reported.set_result(None)

    # What nodes are told.

    async def _move(
        self, device: ZwaveDevice, node: Node, actuator: Actuator, goal: object
    ) -> None:
        target = self._value(device, node, actuator, actuator.target)
        expected = _Expected(goal, asyncio.get_running_loop().create_future())
        self._expected[device.id] = expected
        try:
            result = await self._call(device, lambda: _set(node, target, goal))
            reached = await self._is_reported(expected, _wait_seconds(device, result))
        finally:
            del self._expected[device.id]
            expected.reported.cancel()
        if not reached and await self._ask(device, node, actuator) != goal:
            raise HardwareError(f"node {device.node} did not move")

    async def _is_reported(self, expected: _Expected, seconds: float) -> bool:
        """Wait for the report that says so."""
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(expected.reported)
        except TimeoutError:
            return False
        return True

    async def _stop(self, device: ZwaveDevice, node: Node, actuator: Actuator) -> None:
        if actuator.stops is None:
            raise HardwareError(f"node {device.node} cannot STOP")
        keys = self._keys(device, node, actuator)
        await self._invoke(device, node, actuator, actuator.stops, *keys)
        await self._ask(device, node, actuator)

    async def _read(self, device: ZwaveDevice, node: Node) -> None:
        """Ask the node itself."""
        actuator = self._actuator_or_none(device, node)
        if actuator is not None:
            await self._ask(device, node, actuator)
        elif not await self._call(device, node.async_ping):
            raise HardwareError(f"node {device.node} does not answer")

    async def _ask(self, device: ZwaveDevice, node: Node, actuator: Actuator) -> object:
        """Return the device's position, as it says itself when asked."""
        keys = self._keys(device, node, actuator)
        answer = await self._invoke(device, node, actuator, "get", *keys)
        raw = answer.get(actuator.current) if isinstance(answer, Mapping) else None
        self._stands(device, actuator, raw)
        return raw

    async def _invoke(
        self, device: ZwaveDevice, node: Node, actuator: Actuator, method: str, *keys: int
    ) -> Any:
        assert (actuator.command_class, method) in CALLS  # noqa: S101 - law 2
        class_ = LibraryClass(actuator.command_class)
        endpoint = node.endpoints[device.endpoint]
        return await self._call(
            device,
            lambda: endpoint.async_invoke_cc_api(class_, method, *keys, wait_for_result=True),
        )

    async def _call(self, device: ZwaveDevice, call: Callable[[], Awaitable[_T]]) -> _T:
        """Do one call; translate what the library raises."""
        task = asyncio.current_task()
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await call()
        except FailedZWaveCommand as error:
            if error.zwave_error_code == PORT_CLOSED:
                self._all(DeviceFault.INTERFACE_GONE, stands=True)
                raise HardwareError("the Z-Wave stick is gone") from error
            self._fault(device, DeviceFault.DEAD, error.zwave_error_code == NOT_ACKNOWLEDGED)
            raise HardwareError(f"node {device.node}: {error.zwave_error_message}") from error
        except TimeoutError as error:
            raise DriverGoneError("the Z-Wave service does not answer") from error
        except BaseZwaveJSServerError as error:
            raise DriverGoneError(f"the Z-Wave service: {error}") from error
        except asyncio.CancelledError as error:
            if task is not None and task.cancelling():
                raise
            # the library cancels what waits when its connection ends
            raise DriverGoneError("the Z-Wave service ended in the middle") from error

    # Looking things up.

    def _node(self, device: ZwaveDevice) -> Node:
        if self._client is None or self._client.driver is None:
            raise HardwareError("the Z-Wave service is not there")
        node: Node | None = self._client.driver.controller.nodes.get(device.node)
        if node is None or not node.ready:
            raise HardwareError(f"node {device.node} is not in the network, or not ready")
        return node

    def _is_secure(self, node: Node) -> bool:
        return not self._security or node.highest_security_class in self._security

    def _refuse_insecure(self, device: ZwaveDevice, node: Node) -> None:
        if device.capability is Capability.LOCK and not self._is_secure(node):
            raise HardwareError(
                f"node {device.node} did not join with S2 Access Control: exclude it and include "
                "it again"
            )

    def _actuator(self, device: ZwaveDevice, node: Node) -> Actuator:
        actuator = self._actuator_or_none(device, node)
        if actuator is None:
            raise HardwareError(f"node {device.node} is no {device.capability.value}")
        return actuator

    def _actuator_or_none(self, device: ZwaveDevice, node: Node) -> Actuator | None:
        for actuator in ACTUATORS_OF[device.capability]:
            if self._find(device, node, actuator, actuator.current) is not None:
                return actuator
        return None

    def _value(self, device: ZwaveDevice, node: Node, actuator: Actuator, property_: str) -> Value:
        assert (actuator.command_class, property_) in WRITES  # noqa: S101 - law 2
        value = self._find(device, node, actuator, property_)
        if value is None:
            raise HardwareError(f"node {device.node} has no {property_}")
        return value

    def _find(
        self, device: ZwaveDevice, node: Node, actuator: Actuator, property_: str
    ) -> Value | None:
        for value in node.values.values():
            is_here = (value.endpoint or 0) == device.endpoint
            is_this = int(value.command_class) == actuator.command_class
            if is_here and is_this and value.property_ == property_:
                return value
        return None

    def _keys(self, device: ZwaveDevice, node: Node, actuator: Actuator) -> list[int]:
        """A window covering's parameter, which its calls name; nothing for other classes."""
        value = self._find(device, node, actuator, actuator.current)
        key = value.property_key if value is not None else None
        return [key] if isinstance(key, int) else []

    # Telling.

    def _fault(self, device: ZwaveDevice, fault: DeviceFault, stands: bool) -> None:
        if self._listener is not None:
            self._listener.fault(device.id, fault, stands)

    def _all(self, fault: DeviceFault, *, stands: bool) -> None:
        for device in self._devices.values():
            self._fault(device, fault, stands)

    def _fail_report(self, device: ZwaveDevice, error: HardwareError) -> None:
        expected = self._expected.get(device.id)
        if expected is not None and not expected.reported.done():
            expected.reported.set_exception(error)

    def _lose_reports(self) -> None:
        for device in self._devices.values():
            gone = DriverGoneError("the Z-Wave service ended in the middle")
            self._fail_report(device, gone)


@dataclass(frozen=True, slots=True)
class _Expected:
    """The value that a command set, and the report of it that is waited for."""

    goal: object
    reported: asyncio.Future[None]


def _wait_seconds(device: ZwaveDevice, result: Any) -> float:
    """Return how long a report is worth waiting for. Raise HardwareError when the node said no."""
    if result is None:
        return REPORT_SECONDS
    if result.status in (SetValueStatus.FAIL, SetValueStatus.NO_DEVICE_SUPPORT):
        raise HardwareError(f"node {device.node} refused")
    if result.status is SetValueStatus.SUCCESS:
        return ALREADY_SECONDS
    return TRAVEL_SECONDS if device.capability is Capability.COVER else REPORT_SECONDS


async def _set(node: Node, value: Value, goal: object) -> Any:
    return await node.async_set_value(value, goal, wait_for_result=True)
