"""The care of a Z-Wave network: `hubcore.ports.network.NetworkCare` over the service's connection.

Laws:
1. Only one of taking in and taking out is under way.
2. Of what a device asks for, the S2 classes are granted, and no other: no S0, no plain text.
3. What the service asks in the middle is answered, also with a no: it waits for 240 s otherwise.
4. However it ends, the stick stops taking in or out.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from zwave_js_server.const import InclusionStrategy, NodeStatus, SecurityClass
from zwave_js_server.model.controller import Controller
from zwave_js_server.model.controller.inclusion_and_provisioning import InclusionGrant
from zwave_js_server.model.node import Node

from drivers.zwave_js.command_classes import CommandClass
from drivers.zwave_js.connection import Connection
from drivers.zwave_js.nodes import is_up
from hubcore.device.state import DeviceFault
from hubcore.errors import HardwareError
from hubcore.ports.network import (
    DSK_GROUPS,
    PIN_MAX,
    AskPin,
    Included,
    InclusionStep,
    NetworkInfo,
    NodeInfo,
    NodeSecurity,
    NodeState,
    OnStep,
    Version,
)

GRANTED = frozenset(
    {
        SecurityClass.S2_ACCESS_CONTROL,
        SecurityClass.S2_AUTHENTICATED,
        SecurityClass.S2_UNAUTHENTICATED,
    }
)
SECURITY_OF = {
    None: NodeSecurity.UNKNOWN,
    SecurityClass.NONE: NodeSecurity.NONE,
    SecurityClass.S0_LEGACY: NodeSecurity.S0,
    SecurityClass.S2_UNAUTHENTICATED: NodeSecurity.S2_UNAUTHENTICATED,
    SecurityClass.S2_AUTHENTICATED: NodeSecurity.S2_AUTHENTICATED,
    SecurityClass.S2_ACCESS_CONTROL: NodeSecurity.S2_ACCESS_CONTROL,
}
STATE_OF = {
    NodeStatus.UNKNOWN: NodeState.UNKNOWN,
    NodeStatus.ALIVE: NodeState.ALIVE,
    NodeStatus.ASLEEP: NodeState.ASLEEP,
    NodeStatus.AWAKE: NodeState.AWAKE,
    NodeStatus.DEAD: NodeState.DEAD,
}
END_SECONDS = 5.0
REBUILD_SECONDS = 300.0
"""A node asks each of its neighbours, and zwave-js tries again where one does not answer."""
TESTED_DRIVER: Version = (15, 29, 0)
TESTED_SERVER: Version = (3, 10, 2)
"""The pair of `service/package.json`; a test holds them against it."""

_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})")
_DSK = re.compile(r"(?:-?(\d{5}))" + r"-(\d{5})" * (DSK_GROUPS - 1))


class Care:
    """Nodes of one network."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._busy = asyncio.Lock()
        self.fault: DeviceFault | None = None
        """What keeps the whole network away; the driver says so."""

    def info(self) -> NetworkInfo:
        """See `hubcore.ports.network.NetworkCare.info`."""
        version = self._connection.version
        home_id = own_node = None
        with suppress(HardwareError):
            controller = self._connection.driver.controller
            home_id = _number_or_none(controller.home_id)
            own_node = _number_or_none(controller.own_node_id)
        return NetworkInfo(
            fault=self.fault,
            home_id=home_id,
            own_node=own_node,
            driver=None if version is None else version_of(version.driver_version),
            server=None if version is None else version_of(version.server_version),
            tested_driver=TESTED_DRIVER,
            tested_server=TESTED_SERVER,
        )

    def nodes(self) -> Sequence[NodeInfo]:
        """See `hubcore.ports.network.NetworkCare.nodes`."""
        controller = self._connection.driver.controller
        return [_info(node) for node in controller.nodes.values() if not node.is_controller_node]

    async def include(
        self, ask_pin: AskPin, within_seconds: float, on_step: OnStep = lambda _step: None
    ) -> Included:
        """See `hubcore.ports.network.NetworkCare.include`."""
        async with self._alone():
            try:
                event = await self._take_in(ask_pin, within_seconds, on_step)
            except BaseExceptionGroup as group:
                raise _first(group) from group
        result = event.get("result") or {}
        return Included(
            node=_info(event["node"]),
            low_security=bool(result.get("lowSecurity")),
            why_low=_number_or_none(result.get("lowSecurityReason")),
        )

    async def _take_in(self, ask_pin: AskPin, within_seconds: float, on_step: OnStep) -> Any:
        """Return the event of the node that was added."""
        controller = self._connection.driver.controller
        added: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        async with asyncio.TaskGroup() as answers:

            def granting(event: Any) -> None:
                on_step(InclusionStep.GRANTED)
                answers.create_task(self._grant(controller, event["requested_grant"]))

            def validating(event: Any) -> None:
                on_step(InclusionStep.KEY)
                answers.create_task(self._validate(controller, event["dsk"], ask_pin))

            heard = {
                "node found": lambda _: on_step(InclusionStep.FOUND),
                "grant security classes": granting,
                "validate dsk and enter pin": validating,
                "node added": lambda event: _done(added, event),
                "inclusion failed": lambda _: _failed(added, "the device was not taken in"),
            }
            async with _listening(controller, heard):
                begin = controller.async_begin_inclusion(InclusionStrategy.SECURITY_S2)
                await self._begin(begin, "taking in")
                on_step(InclusionStep.WAITING)
                try:
                    return await _within(added, within_seconds, "no device asked to be taken in")
                finally:
                    await self._end(controller.async_stop_inclusion)

    async def exclude(self, within_seconds: float) -> int:
        """See `hubcore.ports.network.NetworkCare.exclude`."""
        controller = self._connection.driver.controller
        removed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        heard = {
            "node removed": lambda event: _done(removed, event),
            "exclusion failed": lambda _: _failed(removed, "the device was not taken out"),
            "exclusion stopped": lambda _: _done(removed, {}),
        }
        async with self._alone(), _listening(controller, heard):
            await self._begin(controller.async_begin_exclusion(), "taking out")
            try:
                event = await _within(removed, within_seconds, "no device asked to be taken out")
            finally:
                await self._end(controller.async_stop_exclusion)
        node = event.get("node")
        return node.node_id if isinstance(node, Node) else 0

    async def remove_failed(self, node: int) -> None:
        """See `hubcore.ports.network.NetworkCare.remove_failed`."""
        found = self._node(node)
        controller = self._connection.driver.controller
        call = self._connection.call
        await call(f"node {node}", lambda: controller.async_remove_failed_node(found))

    async def ping(self, node: int) -> bool:
        """See `hubcore.ports.network.NetworkCare.ping`."""
        found = self._node(node)
        return await self._connection.call(f"node {node}", found.async_ping)

    async def rebuild_routes(self, node: int) -> bool:
        """See `hubcore.ports.network.NetworkCare.rebuild_routes`."""
        found = self._node(node)
        controller = self._connection.driver.controller
        return await self._connection.call(
            f"node {node}",
            lambda: controller.async_rebuild_node_routes(found),
            seconds=REBUILD_SECONDS,
        )

    # Taking in and out.

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        if self._busy.locked():
            raise HardwareError("a device is being taken in or out just now")
        async with self._busy:
            yield

    async def _begin(self, begin: Any, what: str) -> None:
        if not await self._connection.call(what, lambda: begin):
            raise HardwareError(f"the stick does not begin {what} devices")

    async def _end(self, stop: Callable[[], Any]) -> None:
        """Law 4: also when the time is up, or nobody waits any more."""
        with suppress(HardwareError, TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await self._connection.call("the stick", stop)

    async def _grant(self, controller: Controller, asked: InclusionGrant) -> None:
        granted = [class_ for class_ in asked.security_classes if class_ in GRANTED]
        answer = InclusionGrant(security_classes=granted, client_side_auth=False)
        with suppress(HardwareError):
            await self._connection.call(
                "the stick", lambda: controller.async_grant_security_classes(answer)
            )

    async def _validate(self, controller: Controller, shown: object, ask_pin: AskPin) -> None:
        groups = dsk_groups(shown)
        pin = await ask_pin(groups) if groups else None
        digits = f"{pin:05d}" if pin is not None and 0 <= pin <= PIN_MAX else ""
        with suppress(HardwareError):
            await self._connection.call(
                "the stick", lambda: controller.async_validate_dsk_and_enter_pin(digits)
            )

    def _node(self, number: int) -> Node:
        node: Node | None = self._connection.driver.controller.nodes.get(number)
        if node is None:
            raise HardwareError(f"node {number} is not in the network")
        return node


def dsk_groups(shown: object) -> tuple[int, ...]:
    """Return the groups of the key that a device shows, () when it is no key."""
    found = _DSK.fullmatch(shown) if isinstance(shown, str) else None
    return tuple(int(group) for group in found.groups()) if found else ()


@asynccontextmanager
async def _listening(
    controller: Controller, heard: dict[str, Callable[[Any], None]]
) -> AsyncIterator[None]:
    ends = [controller.on(name, hear) for name, hear in heard.items()]
    try:
        yield
    finally:
        for end in ends:
            end()


async def _within(future: asyncio.Future[Any], seconds: float, sentence: str) -> Any:
    try:
        async with asyncio.timeout(seconds):
            return await future
    except TimeoutError as error:
        raise HardwareError(sentence) from error


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that ended the others."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _done(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _failed(future: asyncio.Future[Any], sentence: str) -> None:
    if not future.done():
        future.set_exception(HardwareError(sentence))


def _info(node: Node) -> NodeInfo:
    classes = {int(value.command_class) for value in node.values.values()}
    seen = node.last_seen
    return NodeInfo(
        node=node.node_id,
        ready=bool(node.ready),
        alive=is_up(node),
        security=SECURITY_OF[node.highest_security_class],
        is_lock=CommandClass.DOOR_LOCK in classes,
        last_seen=seen.timestamp() if seen is not None else None,
        state=STATE_OF.get(node.status, NodeState.UNKNOWN),
        battery=_battery(node),
        maker=_number_or_none(node.manufacturer_id),
        product_type=_number_or_none(node.product_type),
        product=_number_or_none(node.product_id),
    )


def _battery(node: Node) -> int | None:
    for value in node.values.values():
        if int(value.command_class) == CommandClass.BATTERY and value.property_ == "level":
            return _number_or_none(value.value)
    return None


def version_of(text: object) -> Version | None:
    """Return the numbers that a version begins with; None for what is no version."""
    found = _VERSION.match(text) if isinstance(text, str) else None
    if found is None:
        return None
    return int(found[1]), int(found[2]), int(found[3])


def _number_or_none(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
