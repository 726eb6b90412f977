"""The sections that come in kinds: what moves a door, the radio, and the backend's uplink.

1. A section says of which kind it is (`kind = "strike"`); one that does not is of its default kind.
2. A new kind is a class here, in the union of its sections, and a row of `hubd.wiring`.
3. What a kind asks beyond its types, it checks here (`check`); nobody else knows its keys.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct, structs

from hubcore.phone import beacon
from hubd.config.sentences import WrongValueError, show

_HOST_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")

Id = Annotated[
    str, Meta(pattern=r"\A[a-z0-9-]{1,32}\Z", description="1 to 32 characters of a-z, 0-9 and -")
]
Chip = Annotated[
    str,
    Meta(
        pattern=r"\A(/dev(/[A-Za-z0-9_:+-][A-Za-z0-9_:+.-]{0,63}){1,4}|[!-.0-~]{1,64})\Z",
        description="a GPIO chip as gpiodetect (apt install gpiod) shows it: a name such as "
        '"gpiochip0", a label, '
        "or a path in /dev",
    ),
]
LineNumber = Annotated[int, Meta(ge=0, le=65535)]
LineName = Annotated[str, Meta(pattern=r"\A[!-~]{1,64}\Z")]


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file: closed, and never changed after it was read."""


class Line(Section, frozen=True):
    """One GPIO line, by its number or by its name.

    `active_low`: the line is active at low level.
    """

    chip: Chip
    line: Annotated[
        LineNumber | LineName, Meta(description="a line number of 0 to 65535 or a line name")
    ]
    active_low: bool = False


# What moves a door. Each kind has an `id` of its own in the hub, and `cap_seconds`.

THE_DOORS = 0.0
"""A mover's cap or rest that the file does not name: it is that of its door."""
STRIKES_MAX = 32
"""As many lines as the strike guard holds (`drivers.strike.wire.MAX_LINES`)."""


class Strike(Line, frozen=True, kw_only=True, tag_field="kind", tag="strike"):
    """An electric strike on a GPIO line.

    `cap_seconds` and `rest_seconds`: its own, in place of its door's.
    """

    id: Id
    cap_seconds: Annotated[float, Meta(ge=0.2, le=60, description="strike_seconds to 60")] = (
        THE_DOORS
    )
    rest_seconds: Annotated[float, Meta(ge=0.5, le=600, description="0.5 to 600")] = THE_DOORS

    def at_door(self, cap_seconds: float, rest_seconds: float) -> Strike:
        """Return it with nothing left open, at a door of this cap and this rest."""
        return structs.replace(
            self,
            cap_seconds=self.cap_seconds or cap_seconds,
            rest_seconds=self.rest_seconds or rest_seconds,
        )


Mover = Strike
"""A union of all kinds of movers."""


class Bluez(Section, frozen=True, tag_field="kind", tag="bluez"):
    """Which Bluetooth adapter advertises; under which company and how long each tag, when there is
    `keys.beacon`.
    """

    adapter: Annotated[
        str,
        Meta(
            pattern=r"\A(default|([0-9A-F]{2}:){5}[0-9A-F]{2})\Z",
            description='"default" or an adapter\'s address such as "00:1A:7D:DA:71:13"',
        ),
    ] = "default"
    company: Annotated[
        int, Meta(ge=0, le=0xFFFF, description="0 to 65535, as the Bluetooth SIG assigned it")
    ] = beacon.COMPANY_NONE
    rotate_seconds: Annotated[float, Meta(ge=1, le=3600, description="1 to 3600")] = (
        beacon.ROTATE_SECONDS
    )


Radio = Bluez
"""A union of all kinds of radios."""


class Curve(Section, frozen=True, tag_field="kind", tag="curve"):
    """Where the backend listens, over CurveZMQ.

    Without this table the hub decides alone and keeps its records.
    """

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
        if not 1 <= int(port) <= 65535:
            raise WrongValueError(where, "a port of 1 to 65535", show(self.endpoint))
        if not _can_be_reached(host):
            expected = "the name or the address of a machine before the port"
            raise WrongValueError(where, expected, show(self.endpoint))


Backend = Curve
"""A union of all kinds of uplinks."""


def kind_of(section: Struct) -> str:
    """Return of which kind a section is, as the file says it."""
    return str(section.__struct_config__.tag)


DEFAULT_KINDS = {"movers": "strike", "radio": "bluez", "backend": "curve"}
"""The kind of a section that names none, by the section's key."""


def with_default_kinds(raw: dict[str, Any]) -> dict[str, Any]:
    """Return what was read from a file with `kind` in each section that left it out."""
    doors = raw.get("doors")
    if isinstance(doors, list):
        doors = [_with_kind(door, "movers") for door in doors]
    named = raw if doors is None else {**raw, "doors": doors}
    for section in ("radio", "backend"):
        named = _with_kind(named, section)
    return named


def _with_kind(table: Any, key: str) -> Any:
    """Return a table in which the section at `key`, or each of an array of them, says of which kind
    it is.
    """
    if not isinstance(table, dict) or key not in table:
        return table
    found = table[key]
    if isinstance(found, list):
        return {**table, key: [_tagged(item, DEFAULT_KINDS[key]) for item in found]}
    return {**table, key: _tagged(found, DEFAULT_KINDS[key])}


def _tagged(section: Any, kind: str) -> Any:
    return {"kind": kind, **section} if isinstance(section, dict) else section


def _can_be_reached(host: str) -> bool:
    """Tell whether a machine can have this name (RFC 1123, section 2.1) or address; whether one
    has, only a try tells.

    A last label of digits alone makes an address of it.
    """
    labels = host.removesuffix(".").split(".")
    if host.startswith("[") or labels[-1].isdecimal():
        try:
            address = ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return False
        return not (address.is_unspecified or address.is_multicast)
    return all(_HOST_LABEL.fullmatch(label) for label in labels)
