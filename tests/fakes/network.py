"""A network of devices without air: nodes that are told to come, to go, and to fall silent."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from hubcore.device.state import DeviceFault
from hubcore.errors import HardwareError
from hubcore.ports.network import (
    AskPin,
    Included,
    InclusionStep,
    NetworkInfo,
    NodeInfo,
    NodeSecurity,
    NodeState,
    OnStep,
)

_T = TypeVar("_T")
SHOWN = (11111, 22222, 33333, 44444, 55555, 66666, 7777)
"""The groups of its key that a device shows."""


@dataclass(frozen=True)
class Wish:
    """A device that asks to be taken in, with the first group of its printed key."""

    node: int
    pin: int


def node_info(node: int, security: NodeSecurity = NodeSecurity.S2_ACCESS_CONTROL) -> NodeInfo:
    """A node that is well."""
    return NodeInfo(
        node=node,
        ready=True,
        alive=True,
        security=security,
        is_lock=True,
        last_seen=None,
        state=NodeState.ALIVE,
    )


class FakeCare:
    """The port `ports.network.NetworkCare`.

    `silent`: nodes that do not answer. `failing`: raised by each call, as without a stick.
    `breaking`: raised by a ping, whatever it is.
    """

    def __init__(self, nodes: Iterable[int] = ()) -> None:
        self.silent: set[int] = set()
        self.failing: HardwareError | None = None
        self.breaking: Exception | None = None
        self._nodes = {node: node_info(node) for node in nodes}
        self._in: deque[Wish] = deque()
        self._out: deque[int] = deque()
        self._news = asyncio.Event()
        self._busy = False
        self.open = False
        """Whether the stick takes in or out just now."""

    def wants_in(self, wish: Wish) -> None:
        """Have a device ask to be taken in."""
        self._in.append(wish)
        self._news.set()

    def wants_out(self, node: int) -> None:
        """Have a device ask to be taken out; 0 is a stranger's."""
        self._out.append(node)
        self._news.set()

    def nodes(self) -> Sequence[NodeInfo]:
        self._check()
        return list(self._nodes.values())

    def info(self) -> NetworkInfo:
        is_there = self.failing is None
        return NetworkInfo(
            fault=None if is_there else DeviceFault.INTERFACE_GONE,
            home_id=1 if is_there else None,
            own_node=1 if is_there else None,
            driver=(15, 29, 0),
            server=(3, 10, 2),
            tested_driver=(15, 29, 0),
            tested_server=(3, 10, 2),
        )

    async def include(
        self, ask_pin: AskPin, within_seconds: float, on_step: OnStep = lambda _step: None
    ) -> Included:
        async with self._alone():
            on_step(InclusionStep.WAITING)
            wish = await self._next(self._in, within_seconds)
            on_step(InclusionStep.FOUND)
            on_step(InclusionStep.GRANTED)
            on_step(InclusionStep.KEY)
            is_right = await ask_pin(SHOWN) == wish.pin
            security = NodeSecurity.S2_ACCESS_CONTROL if is_right else NodeSecurity.NONE
            node = node_info(wish.node, security)
            self._nodes[wish.node] = node
            return Included(node, not is_right, None if is_right else 6)

    async def exclude(self, within_seconds: float) -> int:
        async with self._alone():
            node = await self._next(self._out, within_seconds)
            self._nodes.pop(node, None)
            return node

    async def remove_failed(self, node: int) -> None:
        self._find(node)
        if node not in self.silent:
            raise HardwareError(f"node {node} answers")
        del self._nodes[node]

    async def ping(self, node: int) -> bool:
        self._find(node)
        if self.breaking is not None:
            raise self.breaking
        return node not in self.silent

    async def rebuild_routes(self, node: int) -> bool:
        self._find(node)
        return node not in self.silent

    def _check(self) -> None:
        if self.failing is not None:
            raise self.failing

    def _find(self, node: int) -> None:
        self._check()
        if node not in self._nodes:
            raise HardwareError(f"node {node} is not in the network")

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        self._check()
        if self._busy:
            raise HardwareError("a device is being taken in or out just now")
        self._busy = True
        self.open = True
        try:
            yield
        finally:
            self._busy = False
            self.open = False

    async def _next(self, wishes: deque[_T], within_seconds: float) -> _T:
        try:
            async with asyncio.timeout(within_seconds):
                while not wishes:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            raise HardwareError("no device asked for it") from error
        return wishes.popleft()
