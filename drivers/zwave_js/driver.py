"""The driver of Z-Wave devices: a client of the zwave-js service on this machine.

Laws:
1. A lock, a switch or a cover has moved when it *reports* so after the command, or says so when it
   is asked. What the service only sent is no proof.
2. What is sent stands in the tables of `command_classes`, and nothing else.
3. Of a lock whose word nobody supervised, a report alone is no proof: it is asked.
4. A lock that did not join its network with S2 Access Control gets no commands.
5. A node that is dead, a stick that is gone, a service that is gone and one of another version
   are told apart, and each is found again alone.
6. Nothing is repeated.
7. A node that is not what the configuration says is STRANGE, and gets no commands.

`connection` has the laws of the connection, `hearing` those of what is heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from zwave_js_server.const import CommandClass as LibraryClass
from zwave_js_server.const import NodeStatus, SecurityClass, SetValueStatus
from zwave_js_server.model.driver import Driver
from zwave_js_server.model.node import Node

from drivers.zwave_js.care import Care
from drivers.zwave_js.command_classes import (
    CALLS,
    DOOR_LOCK,
    TIMED_OPERATION,
    Actuator,
    CommandClass,
    goal_of,
    reached,
)
from drivers.zwave_js.connection import (
    CALL_SECONDS,
    PROBE_SECONDS,
    Connection,
    DeadNodeError,
    StickGoneError,
)
from drivers.zwave_js.hearing import Expected, Hearing
from drivers.zwave_js.nodes import (
    ZwaveDevice,
    actuator_of,
    actuator_or_none,
    find,
    is_of_its_kind,
    keys,
    what_it_is_not,
    writable,
)
from drivers.zwave_js.setting import (
    HANDLES,
    REFUSALS,
    handle_setting,
    is_only_sent,
    readable_values,
    refuse_failure,
    set_value,
)
from hubcore.device.command import Capability, Command, Verb
from hubcore.device.state import DeviceFault
from hubcore.errors import HardwareError
from hubcore.ports.device import DeviceListener

STILL_SECONDS = 1.0
"""What was stopped stands when it says the same twice, so far apart."""
REPORT_SECONDS = 8.0
"""How long a report is waited for beyond the time that the node itself has announced."""
ALREADY_SECONDS = 0.5
"""How long for a report of a node that says it is done: it may have stood there before."""
TRAVEL_SECONDS = 90.0
TRAVELLERS = frozenset({Capability.COVER, Capability.BARRIER})
FIRST_PAUSE_SECONDS = 0.5
LAST_PAUSE_SECONDS = 30.0
LASTED_SECONDS = 30.0
"""A connection that lasted so long is looked for again at once."""
SECURE_ENOUGH = frozenset({SecurityClass.S2_ACCESS_CONTROL})

_CONNECTION_FAULTS = (
    DeviceFault.SERVICE_GONE,
    DeviceFault.WRONG_VERSION,
    DeviceFault.INTERFACE_GONE,
)
_T = TypeVar("_T")


class ZwaveJs:
    """All Z-Wave devices of the hub: one driver, whoever commands them.

    Implements `ports.device.DeviceDriver`. Its `care` implements `ports.network.NetworkCare`.
    `socket`: where the service is reached, by its owner's group alone: it has no authentication of
    its own. `security`: what a lock must have reached to get commands.
    """

    def __init__(
        self,
        socket: Path,
        devices: Sequence[ZwaveDevice],
        security: frozenset[SecurityClass] = SECURE_ENOUGH,
        call_seconds: float = CALL_SECONDS,
        probe_seconds: float = PROBE_SECONDS,
        report_seconds: float = REPORT_SECONDS,
        still_seconds: float = STILL_SECONDS,
    ) -> None:
        self._devices = {device.id: device for device in devices}
        self._hearing = Hearing(devices, security)
        self._connection = Connection(socket, self, call_seconds, probe_seconds)
        self._report_seconds = report_seconds
        self._still_seconds = still_seconds
        self._stick_is_gone = False
        self._timers: dict[str, int] = {}
        """To how many seconds the timer of a lock was set on this connection."""
        self.care = Care(self._connection)
        self.care.fault = DeviceFault.SERVICE_GONE

    async def serve(self, listener: DeviceListener) -> None:
        """Connect and connect again, until cancelled."""
        self._hearing.listener = listener
        loop = asyncio.get_running_loop()
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            began = loop.time()
            await self._connection.visit()
            if loop.time() - began > LASTED_SECONDS:
                pause_seconds = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, LAST_PAUSE_SECONDS)

    def times_itself(self, device: str) -> bool:
        """Tell whether a lock has a timer of its own, that locks it again."""
        found = self._devices[device]
        node = self._connection.driver.controller.nodes.get(found.node)
        if node is None:
            return False
        operation = find(found, node, CommandClass.DOOR_LOCK, "operationType")
        return operation is not None and str(TIMED_OPERATION) in operation.metadata.states

    async def perform(self, command: Command) -> None:
        """Do a command; return when the node has proven it."""
        device = self._devices[command.device]
        node = self._node(device)
        if not is_of_its_kind(device, node):
            raise HardwareError(what_it_is_not(device, node))
        if command.verb is Verb.READ:
            await self._read(device, node)
            return
        self._refuse_insecure(device, node)
        actuator = actuator_of(device, node)
        if command.verb is Verb.STOP:
            await self._stop(device, node, actuator)
            return
        goal = goal_of(actuator, command.verb, command.level)
        if goal is None:
            raise HardwareError(f"node {device.node} cannot {command.verb.name}")
        if command.verb is Verb.PULSE:
            await self._set_timer(device, node, command)
        await self._move(device, node, actuator, goal)

    # What the connection says. Implements `connection.ServiceListener`.

    def joined(self, driver: Driver) -> None:
        """See `connection.ServiceListener.joined`."""
        self._stick_is_gone = False
        self.care.fault = None
        self._timers.clear()
        for fault in _CONNECTION_FAULTS:
            self._hearing.all_faulty(fault, stands=False)
        driver.controller.on("node added", lambda event: self._hearing.appeared(event["node"]))
        self._hearing.join(driver.controller.nodes)

    def working(self) -> None:
        """See `connection.ServiceListener.working`."""
        if self._stick_is_gone:
            self._stick_is_gone = False
            self.care.fault = None
            self._hearing.all_faulty(DeviceFault.INTERFACE_GONE, stands=False)

    def lost(self, fault: DeviceFault) -> None:
        """See `connection.ServiceListener.lost`."""
        self.care.fault = fault
        for other in _CONNECTION_FAULTS:
            self._hearing.all_faulty(other, stands=other is fault)
        self._hearing.lose()

    # What nodes are told.

    async def _set_timer(self, device: ZwaveDevice, node: Node, command: Command) -> None:
        """Have the lock time itself: in whole seconds, and never for less than asked."""
        if not self.times_itself(device.id):
            raise HardwareError(f"node {device.node} has no timer of its own")
        seconds = -(-(command.level or 0) // 10)
        if self._timers.get(device.id) == seconds:
            return
        configuration = {
            "operationType": TIMED_OPERATION,
            "lockTimeoutConfiguration": seconds,
            **{handles: handle_setting(device, node, handles) for handles in HANDLES},
        }
        answer = await self._invoke(device, node, DOOR_LOCK, "setConfiguration", configuration)
        if isinstance(answer, Mapping) and answer.get("status") in REFUSALS:
            raise HardwareError(f"node {device.node} does not take its timer's time")
        self._timers[device.id] = seconds

    async def _move(
        self, device: ZwaveDevice, node: Node, actuator: Actuator, goal: object
    ) -> None:
        target = writable(device, node, actuator.command_class, actuator.target)
        expected = self._hearing.expect(device, goal)
        try:
            result = await self._call(device, lambda: set_value(node, target, goal))
            refuse_failure(device, result)
            is_told = await self._is_reported(expected, self._wait_seconds(device, result))
        finally:
            self._hearing.forget(device)
        if is_told and not is_only_sent(device, result):
            return
        if not reached(actuator, await self._ask(device, node, actuator), goal):
            raise HardwareError(f"node {device.node} did not move")

    def _wait_seconds(self, device: ZwaveDevice, result: Any) -> float:
        """Return how long a report is worth waiting for."""
        if result is not None and result.status is SetValueStatus.SUCCESS:
            return ALREADY_SECONDS
        if device.capability in TRAVELLERS:
            return TRAVEL_SECONDS
        return self._report_seconds

    async def _is_reported(self, expected: Expected, seconds: float) -> bool:
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
        ways = keys(device, node, actuator)
        answer = await self._invoke(device, node, actuator, actuator.stops, *ways)
        if isinstance(answer, Mapping) and answer.get("status") in REFUSALS:
            raise HardwareError(f"node {device.node} refused to stop")
        stood = await self._ask(device, node, actuator)
        await asyncio.sleep(self._still_seconds)
        if await self._ask(device, node, actuator) != stood:
            raise HardwareError(f"node {device.node} did not stop")

    async def _read(self, device: ZwaveDevice, node: Node) -> None:
        """Ask the node itself."""
        actuator = actuator_or_none(device, node)
        if actuator is not None:
            await self._ask(device, node, actuator)
            return
        if node.status is NodeStatus.ASLEEP:
            raise HardwareError(f"node {device.node} sleeps; it tells its values by itself")
        readable = readable_values(device, node)
        for value in readable:
            await self._call(device, partial(node.async_poll_value, value))
        if not readable and not await self._call(device, node.async_ping):
            raise HardwareError(f"node {device.node} does not answer")

    async def _ask(self, device: ZwaveDevice, node: Node, actuator: Actuator) -> object:
        """Return the device's position, as it says itself when asked."""
        answer = await self._invoke(device, node, actuator, "get", *keys(device, node, actuator))
        raw = answer.get(actuator.current) if isinstance(answer, Mapping) else answer
        self._hearing.stands(device, actuator, raw)
        return raw

    async def _invoke(
        self, device: ZwaveDevice, node: Node, actuator: Actuator, method: str, *args: object
    ) -> Any:
        assert (actuator.command_class, method) in CALLS  # noqa: S101 - law 2
        class_ = LibraryClass(actuator.command_class)
        endpoint = node.endpoints[device.endpoint]
        return await self._call(
            device,
            lambda: endpoint.async_invoke_cc_api(class_, method, *args, wait_for_result=True),
        )

    async def _call(self, device: ZwaveDevice, call: Callable[[], Awaitable[_T]]) -> _T:
        """Do one call to the node of a device; tell what is wrong with it."""
        try:
            answer = await self._connection.call(f"node {device.node}", call)
        except StickGoneError:
            self._stick_is_gone = True
            self.care.fault = DeviceFault.INTERFACE_GONE
            self._hearing.all_faulty(DeviceFault.INTERFACE_GONE, stands=True)
            raise
        except DeadNodeError:
            self._hearing.fault(device, DeviceFault.DEAD, True)
            raise
        return answer

    # Looking things up.

    def _node(self, device: ZwaveDevice) -> Node:
        node: Node | None = self._connection.driver.controller.nodes.get(device.node)
        if node is None or not node.ready:
            raise HardwareError(f"node {device.node} is not in the network, or not ready")
        return node

    def _refuse_insecure(self, device: ZwaveDevice, node: Node) -> None:
        if device.capability is Capability.LOCK and not self._hearing.is_secure(node):
            raise HardwareError(
                f"node {device.node} did not join with S2 Access Control: exclude it and include "
                "it again"
            )
