"""Where the bridges of the site are: `[[bridges]]`, in the order in which they are tried.

Laws:
1. A bridge is its name in TLS. Its address says only where to knock.
2. It has an address, or is searched for by multicast DNS from `search_from`, an address of this
   machine in the bridges' network (IPv4). Never both.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated

from msgspec import Meta

from hubd.config.mistakes.sentences import WrongValueError, show
from hubd.config.section import Section

BRIDGES_MAX = 4
DEFAULT_PORT = 7715
"""What `hubbridge` listens on unless its configuration says otherwise."""

BridgeName = Annotated[
    str,
    Meta(
        pattern=r"\A(?!-)[a-z0-9-]{1,32}(?<!-)\Z",
        description="1 to 32 characters of a-z, 0-9 and -, none of them - at an end",
    ),
]
Port = Annotated[int, Meta(ge=1, le=65535, description="a port of 1 to 65535")]


class Bridge(Section, frozen=True):
    """A bridge of the hub's site: `name` is in its certificate."""

    name: BridgeName
    address: str = ""
    search_from: str = ""
    port: Port = DEFAULT_PORT


def check_bridges(bridges: tuple[Bridge, ...]) -> None:
    """Raise WrongValueError for a bridge twice, or for an address that no machine has."""
    names = [one.name for one in bridges]
    for index, bridge in enumerate(bridges):
        where = ("bridges", f"[{index}]")
        if bridge.name in names[:index]:
            raise WrongValueError((*where, "name"), "each bridge once", show(bridge.name))
        if bridge.search_from:
            _check_search((*where, "search_from"), bridge)
            continue
        address = _address_in(bridge.address.partition("%")[0])
        if address is None or address.is_unspecified or address.is_multicast:
            expected = "an IP address, or search_from in its place"
            raise WrongValueError((*where, "address"), expected, show(bridge.address))


def _check_search(where: tuple[str, ...], bridge: Bridge) -> None:
    """Raise WrongValueError for a search that leads nowhere (law 2)."""
    own = _address_in(bridge.search_from)
    if own is None or own.version != 4 or own.is_unspecified or own.is_multicast:
        expected = "an IPv4 address of this machine in the bridges' network"
        raise WrongValueError(where, expected, show(bridge.search_from))
    if bridge.address:
        expected = "no address beside search_from"
        raise WrongValueError((*where[:-1], "address"), expected, show(bridge.address))


def _address_in(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
