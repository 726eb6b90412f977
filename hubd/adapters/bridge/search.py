"""The search for a bridge: one question into the network of the bridges, and who answers it.

Laws:
1. It asks from one address of this machine, so that the question goes into that network alone.
2. It listens for `seconds`. At most ANSWERS_MAX packets are read, and PLACES_MAX places are found.
3. A place is the address of who has answered; nobody leads this hub to another machine.
4. Where this machine has no such address, or the network is down, LinkError says so.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass

from hubcore.bridge.search.dns import PACKET_BYTES, read
from hubcore.bridge.search.service import GROUP, PORT, ask_for, port_in
from hubcore.errors import FrameError, LinkError

SEARCH_SECONDS = 1.0
ANSWERS_MAX = 64
PLACES_MAX = 4


@dataclass(frozen=True, slots=True)
class Sought:
    """A bridge that is searched for by its name, from one address of this machine (IPv4)."""

    name: str
    own_address: str


@dataclass(frozen=True, slots=True)
class Place:
    """Who has answered, and at which port the bridge is said to be there."""

    host: str
    port: int


async def search(
    sought: Sought,
    seconds: float = SEARCH_SECONDS,
    group: tuple[str, int] = (GROUP, PORT),
    is_enough: Callable[[list[Place]], bool] = lambda places: len(places) >= PLACES_MAX,
) -> list[Place]:
    """Ask once; return who has answered for this bridge, in the order in which they came.

    Raise LinkError (law 4).
    """
    loop = asyncio.get_running_loop()
    found: list[Place] = []
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.setblocking(False)
            own = socket.inet_aton(sought.own_address)
            asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
            asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
            asking.bind((sought.own_address, 0))
            await loop.sock_sendto(asking, ask_for(sought.name), group)
            try:
                async with asyncio.timeout(seconds):
                    for _ in range(ANSWERS_MAX):
                        data, sender = await loop.sock_recvfrom(asking, PACKET_BYTES + 1)
                        _take(found, data, sender[0], sought.name)
                        if is_enough(found):
                            break
            except TimeoutError:
                pass
    except OSError as error:
        why = f"the search from {sought.own_address}: {error.strerror or error}"
        raise LinkError(why) from error
    return found


def _take(found: list[Place], data: bytes, host: str, bridge: str) -> None:
    """Take a place that was not found yet (laws 2 and 3)."""
    try:
        port = port_in(read(data), bridge)
    except FrameError:
        return
    place = None if port is None else Place(host, port)
    if place is not None and place not in found and len(found) < PLACES_MAX:
        found.append(place)
