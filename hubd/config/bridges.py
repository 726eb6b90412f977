"""Where the bridges of the site are: `[[bridges]]`, in the order in which they are tried.

Law: a bridge is its name in TLS. Its address says only where to knock.
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
    address: str
    port: Port = DEFAULT_PORT


def check_bridges(bridges: tuple[Bridge, ...]) -> None:
    """Raise WrongValueError for a bridge twice, or for an address that no machine has."""
    names = [one.name for one in bridges]
    for index, bridge in enumerate(bridges):
        where = ("bridges", f"[{index}]")
        if bridge.name in names[:index]:
            raise WrongValueError((*where, "name"), "each bridge once", show(bridge.name))
        try:
            address = ipaddress.ip_address(bridge.address.partition("%")[0])
        except ValueError:
            address = None
        if address is None or address.is_unspecified or address.is_multicast:
            raise WrongValueError((*where, "address"), "an IP address", show(bridge.address))
