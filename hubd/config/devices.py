"""Devices: `[[devices]]`, and what they hang on: `[[relay_boards]]`, `[zwave]`, `[openzwave]`.

Laws:
1. A device names what it is reached by: a board and its relay, or a node.
2. One id is one device or one board, one port one board, one relay or endpoint one device. A lock
   that moves a door is not a device beside it.
3. A board's kind stands in the file. It is never guessed, and a probe confirms it.
4. A lock behind OpenZWave says in words that S0 is accepted for it. One stick has one program.

A kind has `id`, `name`, `seconds_believed` and `place`. `hubd.wiring.devices` has a row for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple

from msgspec import Meta

from hubd.config.doors import Door
from hubd.config.keys import Key
from hubd.config.mistakes.sentences import KeyPath, WrongValueError, show
from hubd.config.movers import DeviceId, DoorLock, Mover, OpenZwaveLock, RelayStrike
from hubd.config.section import KIND, Id, Name, Section, kind_of

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
ZWAVE_SERVICE = "the Z-Wave service ([zwave], key stick)"


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
        Literal["lock", "switch", "cover", "barrier", "sensor", "meter"],
        Meta(description='"lock", "switch", "cover", "barrier", "sensor" or "meter"'),
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


def check_devices(
    devices: Sequence[Device],
    boards: Sequence[RelayBoard],
    zwave: Zwave | None,
    doors: Sequence[Door],
    openzwave: OpenZwave | None = None,
) -> None:
    """Raise WrongValueError for what is wrong with a device or a strike on a board.

    It may be wrong by itself or beside the others.
    """
    _check_unique(devices, boards, doors)
    _check_strikes(devices, boards, doors)
    boards_by_id = {board.id: board for board in boards}
    for index, device in enumerate(devices):
        where = ("devices", f"[{index}]")
        if isinstance(device, Relay):
            _check_relay(device, boards_by_id.get(device.board), where)
        elif isinstance(device, OpenZwaveNode):
            _check_openzwave(device, openzwave, where)
            if device.capability == "lock":
                _check_s0(device, openzwave, where)
        elif zwave is None:
            found = "a device of kind zwave, and no [zwave]"
            raise WrongValueError((*where, KIND), "a section [zwave] beside it", found)
    for place, mover in _movers(doors):
        if isinstance(mover, OpenZwaveLock):
            _check_openzwave(mover, openzwave, place)
            _check_s0(mover, openzwave, place)
    _check_stick(openzwave, zwave, boards)


def _movers(doors: Sequence[Door]) -> Iterator[tuple[KeyPath, Mover]]:
    """Yield each mover of a list, and where it stands."""
    for number, door in enumerate(doors):
        for index, mover in enumerate(door.movers):
            yield ("doors", f"[{number}]", "movers", f"[{index}]"), mover


def _check_openzwave(
    node: OpenZwaveNode | OpenZwaveLock, section: OpenZwave | None, where: KeyPath
) -> None:
    if section is None:
        what = "device" if isinstance(node, OpenZwaveNode) else "mover"
        found = f"a {what} of kind {kind_of(node)}, and no [openzwave]"
        raise WrongValueError((*where, KIND), "a section [openzwave] beside it", found)


def _check_s0(
    device: OpenZwaveNode | OpenZwaveLock, section: OpenZwave | None, where: KeyPath
) -> None:
    """A lock behind OpenZWave is accepted by the installer's word, and needs the network's key."""
    if not device.accept_s0:
        expected = (
            "accept_s0 = true, which says that this lock may stay on S0, the older protection "
            "of Z-Wave; a lock with S2 is of kind zwave (docs/hub.md, Z-Wave by OpenZWave)"
        )
        raise WrongValueError((*where, "accept_s0"), expected, "false")
    if section is not None and section.network_key is None:
        expected = f"a path or credential:NAME, because {device.id!r} is a lock"
        raise WrongValueError(("openzwave", "network_key"), expected, "nothing")


def _check_stick(
    openzwave: OpenZwave | None, zwave: Zwave | None, boards: Sequence[RelayBoard]
) -> None:
    """A stick belongs to one program."""
    owners = {board.port: f"board {board.id!r}" for board in boards}
    if zwave is not None:
        _check_line(("zwave", "stick"), zwave.stick, owners)
        owners[zwave.stick] = ZWAVE_SERVICE
    if openzwave is not None:
        _check_line(("openzwave", "port"), openzwave.port, owners)


def _check_line(where: KeyPath, line: str, owners: Mapping[str, str]) -> None:
    if line in owners:
        found = f"{show(line)}, which {owners[line]} has too"
        raise WrongValueError(where, "a value used once", found)


def serial_lines(
    boards: Sequence[RelayBoard], zwave: Zwave | None, openzwave: OpenZwave | None
) -> dict[str, str]:
    """Return whose each serial line is, by its path; those of readers are not among them."""
    owners = {board.port: f"board {board.id!r}" for board in boards}
    if zwave is not None:
        owners[zwave.stick] = ZWAVE_SERVICE
    if openzwave is not None:
        owners[openzwave.port] = "[openzwave]"
    return owners


def _check_relay(device: Relay | RelayStrike, board: RelayBoard | None, where: KeyPath) -> None:
    if board is None:
        expected = "the id of one of the [[relay_boards]]"
        raise WrongValueError((*where, "board"), expected, show(device.board))
    if device.relay > board.relays:
        expected = f"at most {board.relays}, the relays of {board.id!r}"
        raise WrongValueError((*where, "relay"), expected, str(device.relay))


def _check_strikes(
    devices: Sequence[Device], boards: Sequence[RelayBoard], doors: Sequence[Door]
) -> None:
    """A strike hangs on a board that can be one, which is for strikes alone."""
    boards_by_id = {board.id: board for board in boards}
    owners: dict[tuple[str, int], str] = {}
    of_devices = {device.board: device.id for device in devices if isinstance(device, Relay)}
    for number, door in enumerate(doors):
        for index, mover in enumerate(door.movers):
            if not isinstance(mover, RelayStrike):
                continue
            where = ("doors", f"[{number}]", "movers", f"[{index}]")
            board = boards_by_id.get(mover.board)
            _check_relay(mover, board, where)
            if board is not None and not board.CAN_BE_A_STRIKE:
                expected = "a board that reads back its relays and ends a pulse by itself (modbus)"
                found = f"{board.id!r} of kind {kind_of(board)}"
                raise WrongValueError((*where, "board"), expected, found)
            if mover.board in of_devices:
                expected = "a board for strikes alone"
                found = f"{mover.board!r}, which device {of_devices[mover.board]!r} is on"
                raise WrongValueError((*where, "board"), expected, found)
            place = (mover.board, mover.relay)
            if place in owners:
                found = f"relay {mover.relay} of board {mover.board!r}, which {owners[place]} has"
                raise WrongValueError((*where, "relay"), "a value used once", found)
            owners[place] = f"mover {mover.id!r}"


class _UniqueValue(NamedTuple):
    """A value that only one thing may have; `owner` says whose it is."""

    path: KeyPath
    value: tuple[str | int, ...]
    shown: str
    owner: str


def _check_unique(
    devices: Sequence[Device], boards: Sequence[RelayBoard], doors: Sequence[Door]
) -> None:
    owners: dict[tuple[str | int, ...], str] = {}
    for unique in _unique_values(devices, boards, doors):
        if unique.value in owners:
            found = f"{unique.shown}, which {owners[unique.value]} has too"
            raise WrongValueError(unique.path, "a value used once", found)
        owners[unique.value] = unique.owner


def _unique_values(
    devices: Sequence[Device], boards: Sequence[RelayBoard], doors: Sequence[Door]
) -> Iterator[_UniqueValue]:
    yield from _locks_of_doors(doors)
    for index, board in enumerate(boards):
        where = ("relay_boards", f"[{index}]")
        yield _UniqueValue((*where, "id"), ("board", board.id), show(board.id), "another board")
        yield _UniqueValue(
            path=(*where, "port"),
            value=("port", board.port),
            shown=show(board.port),
            owner=f"board {board.id!r}",
        )
    for index, device in enumerate(devices):
        where = ("devices", f"[{index}]")
        yield _UniqueValue((*where, "id"), ("device", device.id), show(device.id), "another device")
        key = "relay" if isinstance(device, Relay) else "node"
        yield _UniqueValue(
            path=(*where, key),
            value=device.place,
            shown=_shown(device),
            owner=f"device {device.id!r}",
        )


def _locks_of_doors(doors: Sequence[Door]) -> Iterator[_UniqueValue]:
    """Yield what a lock that moves a door shares with devices: ids, and nodes that are locks."""
    for number, door in enumerate(doors):
        for index, mover in enumerate(door.movers):
            if not isinstance(mover, DoorLock):
                continue
            where = ("doors", f"[{number}]", "movers", f"[{index}]")
            owner = f"mover {mover.id!r} of door {door.id!r}"
            yield _UniqueValue((*where, "id"), ("device", mover.id), show(mover.id), owner)
            yield _UniqueValue(
                path=(*where, "node"),
                value=mover.place,
                shown=f"node {mover.node}, endpoint {mover.endpoint}",
                owner=owner,
            )


def _shown(device: Device) -> str:
    if isinstance(device, Relay):
        return f"relay {device.relay} of board {device.board!r}"
    return f"node {device.node}, endpoint {device.endpoint}"
