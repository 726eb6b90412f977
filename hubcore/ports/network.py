"""The care of a network of devices: who is in it, taking in, taking out, health.

Laws:
1. Whoever takes a device in compares the key that the device shows with the one printed on it: the
   printed one holds a number that the device does not show. That number is a value, not a text.
2. What was taken in without the protection that was asked for is told as such, never silently kept.
3. Nothing here is done by itself: a person asks for each call.
4. What crosses is numbers: no name, no text, nothing of people.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from hubcore.device.state import DeviceFault


class NodeSecurity(Enum):
    """How a node speaks with the hub."""

    UNKNOWN = "unknown"
    NONE = "none"
    S0 = "S0"
    S2_UNAUTHENTICATED = "S2 unauthenticated"
    S2_AUTHENTICATED = "S2 authenticated"
    S2_ACCESS_CONTROL = "S2 access control"


class NodeState(Enum):
    """Whether a node hears."""

    UNKNOWN = "unknown"
    ALIVE = "alive"
    ASLEEP = "asleep"
    """It sleeps to save its battery, and hears when it wakes."""
    AWAKE = "awake"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A node of the network; `last_seen` in Unix seconds, None when it was never heard.

    `battery` in per cent. `maker`, `product_type` and `product` are the numbers of its maker.
    """

    node: int
    ready: bool
    alive: bool
    security: NodeSecurity
    is_lock: bool
    last_seen: float | None
    state: NodeState = NodeState.UNKNOWN
    battery: int | None = None
    maker: int | None = None
    product_type: int | None = None
    product: int | None = None


Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class NetworkInfo:
    """What drives the network. None is what nobody has said since hubd started.

    `fault`: what keeps the whole network away, None while it is there. `driver` and `server` are
    the versions that run, `tested_driver` and `tested_server` those that were tried together.
    """

    fault: DeviceFault | None
    home_id: int | None
    own_node: int | None
    driver: Version | None
    server: Version | None
    tested_driver: Version
    tested_server: Version


class InclusionStep(Enum):
    """How far taking in has come."""

    WAITING = "waiting"
    FOUND = "found"
    GRANTED = "granted"
    KEY = "key"
    """It shows its key, and waits for the number that it does not show."""


OnStep = Callable[[InclusionStep], None]


@dataclass(frozen=True, slots=True)
class Included:
    """A node that was taken in just now. `why_low` says why it has less protection than asked."""

    node: NodeInfo
    low_security: bool
    why_low: int | None


DSK_GROUPS = 7
"""A device's key is eight groups of five digits; it does not show the first one."""
PIN_MAX = 65535

AskPin = Callable[[Sequence[int]], Awaitable[int | None]]
"""Takes the groups of the key that a device shows, returns the first group as it is printed on the
device (0..PIN_MAX), or None when the printed key is another one."""


class NetworkCare(Protocol):
    """What a technician does with a network. Each call raises HardwareError when it fails."""

    def nodes(self) -> Sequence[NodeInfo]:
        """Return all nodes but the controller."""

    def info(self) -> NetworkInfo:
        """Return what drives the network; it never raises."""

    async def include(
        self, ask_pin: AskPin, within_seconds: float, on_step: OnStep = ...
    ) -> Included:
        """Take in the next device that asks for it."""

    async def exclude(self, within_seconds: float) -> int:
        """Take out the next device that asks for it; return which node it was, 0 for a stranger."""

    async def remove_failed(self, node: int) -> None:
        """Forget a node that is broken. One that still answers is refused."""

    async def ping(self, node: int) -> bool:
        """Tell whether a node answers."""

    async def rebuild_routes(self, node: int) -> bool:
        """Have a node look for its ways again; tell whether that worked.

        It costs the network minutes of air time, and may make matters worse: never do it regularly.
        """
