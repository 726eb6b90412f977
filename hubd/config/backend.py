"""Where the backend is: `[backend]`, a class for each kind of uplink.

Laws:
1. A hub without this section decides alone and keeps its records.
2. A backend has one `endpoint`, or several `endpoints` in the order in which they are tried.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, ClassVar

from msgspec import Meta

from hubd.config.mistakes.sentences import KeyPath, WrongValueError, show
from hubd.config.section import KIND, Section

ENDPOINTS_MAX = 4
KEY_DAYS = 90
"""A key that was copied unseen is worth nothing after so many days; see docs/decisions/0089."""
KEY_DAYS_MAX = 3650

_HOST_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_PORT_MAX = 65535


Endpoint = Annotated[
    str,
    Meta(
        pattern=r"\Atcp://([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}\Z",
        description='"tcp://HOST:PORT" with a port of 1 to 65535',
    ),
]
Endpoints = Annotated[
    tuple[Endpoint, ...],
    Meta(max_length=ENDPOINTS_MAX, description=f"a list of 1 to {ENDPOINTS_MAX} endpoints"),
]
KeyDays = Annotated[int, Meta(ge=0, le=KEY_DAYS_MAX, description=f"0 to {KEY_DAYS_MAX}")]


class Curve(Section, frozen=True, tag_field=KIND, tag="curve"):
    """A backend that listens with CurveZMQ.

    `key_days`: when the hub's own key is older, the hub makes itself a new one; 0: never.
    """

    KEYS: ClassVar = ("curve_secret", "backend_public")
    """The keys of [keys] that this kind of uplink needs."""

    endpoint: Endpoint | None = None
    endpoints: Endpoints = ()
    key_days: KeyDays = KEY_DAYS

    @property
    def places(self) -> tuple[str, ...]:
        """Every endpoint, in the order in which they are tried."""
        return self.endpoints if self.endpoint is None else (self.endpoint,)

    def check(self) -> None:
        """Raise WrongValueError for endpoints that no machine can have."""
        where = ("backend", "endpoint")
        if not self.places:
            raise WrongValueError(where, '"tcp://HOST:PORT" with a port of 1 to 65535', "nothing")
        if self.endpoint is not None and self.endpoints:
            raise WrongValueError(where, "endpoint or endpoints", "both")
        if len(set(self.places)) < len(self.places):
            raise WrongValueError(
                ("backend", "endpoints"), "each endpoint once", "one of them twice"
            )
        for number, place in enumerate(self.endpoints):
            _check_endpoint(("backend", "endpoints", f"[{number}]"), place)
        if self.endpoint is not None:
            _check_endpoint(where, self.endpoint)


Backend = Curve
"""A union of all kinds of uplinks."""


def _check_endpoint(where: KeyPath, endpoint: str) -> None:
    """Raise WrongValueError for an endpoint that no machine can have."""
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    if not 1 <= int(port) <= _PORT_MAX:
        raise WrongValueError(where, "a port of 1 to 65535", show(endpoint))
    if not _can_be_reached(host):
        expected = "the name or the address of a machine before the port"
        raise WrongValueError(where, expected, show(endpoint))


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
