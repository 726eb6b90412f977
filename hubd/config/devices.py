"""Devices: `[[devices]]`, and what they hang on: `[[relay_boards]]`, `[zwave]`, `[openzwave]`.

Laws:
1. A device names what it is reached by: a board and its relay, or a node.
2. A board's kind stands in the file. It is never guessed, and a probe confirms it.

A kind has `id`, `name`, `seconds_believed` and `place`. `hubd.wiring.devices` has a row for each.
What is wrong with one beside the others, `hubd.config.together` says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from hubd.config.keys import Key
from hubd.config.movers import DeviceId
from hubd.config.section import KIND, Id, Name, Section

Port = Annotated[
    str,
    Meta(
        pattern=r"\A/dev(/[A-Za-z0-9_:+-][A-Za-z0-9_:+.,-]{0,127}){1,4}\Z",
        description="the path of a serial port, such as "
        '"/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0" (ls -l /dev/serial/by-id)',
    ),
]
Relays = Annotated[int, Meta(ge=1, le=32, description="1 to 32, as many as the board has")]
Seconds = Annotated[float, Meta(ge=1, le=604_800, description="1 to 604800")]
DEVICES_MAX = 256
BOARDS_MAX = 16


class Lcus(Section, frozen=True, tag_field=KIND, tag="lcus"):
    """A board with LCUS's four bytes (LC Tech, CH340). With one relay it has no read-back."""

    CAN_BE_A_STRIKE: ClassVar = False

    id: Id
    port: Port
    relays: Relays


class Numato(Section, frozen=True, tag_field=KIND, tag="numato"):
    """A USB module of Numato."""

    CAN_BE_A_STRIKE: ClassVar = False

    id: Id
    port: Port
    relays: Relays


class Modbus(Section, frozen=True, tag_field=KIND, tag="modbus"):
    """A Modbus RTU module in the way of Waveshare's, alone on its line."""

    CAN_BE_A_STRIKE: ClassVar = True
    """It ends a pulse by itself, and tells how its relays stand."""

    id: Id
    port: Port
    relays: Relays
    address: Annotated[int, Meta(ge=1, le=247, description="1 to 247")] = 1


RelayBoard = Lcus | Numato | Modbus
"""A union of all kinds of boards."""


class Zwave(Section, frozen=True):
    """Where the Z-Wave service of this machine is reached."""

    socket: Annotated[
        Path,
        Meta(description="the path of the service's socket"),
    ] = Path("/run/hubd-zwave/zwave-js.sock")
    stick: Port = "/dev/zwave"
    """The stick that the service has: nobody else may take it."""


class OpenZwave(Section, frozen=True):
    """A Z-Wave stick that python-openzwave drives. `network_key` is that of S0."""

    port: Port
    network_key: Key | None = None


class Relay(Section, frozen=True, tag_field=KIND, tag="relay"):
    """A switch: one relay of a board, counted from 1 as printed there."""

    id: DeviceId
    name: Name
    board: Id
    relay: Annotated[int, Meta(ge=1, le=32, description="1 to 32, a relay of its board")]
    seconds_believed: Seconds = 30.0

    @property
    def place(self) -> tuple[str, str, int]:
        """What no other device may be."""
        return ("relay", self.board, self.relay)


class ZwaveNode(Section, frozen=True, tag_field=KIND, tag="zwave"):
    """One endpoint of a Z-Wave node."""

    id: DeviceId
    name: Name
    node: Annotated[int, Meta(ge=1, le=4000, description="1 to 4000, the node's number")]
    capability: Annotated[
        Literal["lock", "switch", "cover", "sensor", "meter"],
        Meta(description='"lock", "switch", "cover", "sensor" or "meter"'),
    ]
    endpoint: Annotated[int, Meta(ge=0, le=127, description="0 to 127")] = 0
    seconds_believed: Seconds = 86_400.0

    @property
    def place(self) -> tuple[str, str, int, int]:
        """What no other device may be; one node may be a lock and a sensor at once."""
        return ("zwave", self.capability, self.node, self.endpoint)


class OpenZwaveNode(Section, frozen=True, tag_field=KIND, tag="openzwave"):
    """One endpoint of a node behind OpenZWave."""

    id: DeviceId
    name: Name
    node: Annotated[int, Meta(ge=2, le=232, description="2 to 232, the node's number")]
    capability: Annotated[
        Literal["lock", "switch", "cover", "sensor", "meter"],
        Meta(description='"lock", "switch", "cover", "sensor" or "meter"'),
    ]
    endpoint: Annotated[int, Meta(ge=0, le=127, description="0 to 127")] = 0
    accept_s0: bool = False
    seconds_believed: Seconds = 86_400.0

    @property
    def place(self) -> tuple[str, str, int, int]:
        """What no other device may be; one node may be a lock and a sensor at once."""
        return ("openzwave", self.capability, self.node, self.endpoint)


Device = Relay | ZwaveNode | OpenZwaveNode
"""A union of all kinds of devices."""
