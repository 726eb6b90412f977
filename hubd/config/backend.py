"""Where the backend is: `[backend]`, a class for each kind of uplink.

A hub without this section decides alone and keeps its records.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, ClassVar

from msgspec import Meta

from hubd.config.mistakes.sentences import WrongValueError, show
from hubd.config.section import KIND, Section

_HOST_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_PORT_MAX = 65535


class Curve(Section, frozen=True, tag_field=KIND, tag="curve"):
    """A backend that listens with CurveZMQ."""

    KEYS: ClassVar = ("curve_secret", "backend_public")
    """The keys of [keys] that this kind of uplink needs."""

    endpoint: Annotated[
        str,
        Meta(
            pattern=r"\Atcp://([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}\Z",
            description='"tcp://HOST:PORT" with a port of 1 to 65535',
        ),
    ]

    def check(self) -> None:
        """Raise WrongValueError for an endpoint that no machine can have."""
        host, _, port = self.endpoint.removeprefix("tcp://").rpartition(":")
        where = ("backend", "endpoint")
        if not 1 <= int(port) <= _PORT_MAX:
            raise WrongValueError(where, "a port of 1 to 65535", show(self.endpoint))
        if not _can_be_reached(host):
            expected = "the name or the address of a machine before the port"
            raise WrongValueError(where, expected, show(self.endpoint))


Backend = Curve
"""A union of all kinds of uplinks."""


def _can_be_reached(host: str) -> bool:
    """Tell whether a machine can have this name (RFC 1123, section 2.1) or this address.

    A last label of digits alone makes it an address.
    """
    labels = host.removesuffix(".").split(".")
    if host.startswith("[") or labels[-1].isdecimal():
        return _is_address_of_one(host.strip("[]"))
    return all(_HOST_LABEL.fullmatch(label) for label in labels)


def _is_address_of_one(text: str) -> bool:
    """Tell whether this is the address of one machine."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not address.is_unspecified and not address.is_multicast
