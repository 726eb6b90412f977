"""What an old and a new process of hubd say to each other while a hub changes hands.

One packet is one CBOR array, `[version, type, ...]`, on a socket pair that keeps packets apart.
Descriptors travel beside a packet (SCM_RIGHTS); the packet names them in their order.

Laws:
1. A packet is checked on both ends. What is none raises FrameError, also one of another version:
   two versions that differ take nothing over from each other.
2. Everything has a ceiling: the packet, its items, descriptors, names, bytes.
3. Only TURN and BACK hold the hub's holdings, and their descriptors are exactly those named: a
   missing one, one too many, or one named twice is refused before any of them is used.
4. A hub that has the radio's connection has one, and knows its name and serial.
5. Nothing in a packet is a secret: keys stay in the files that both read. The tickets of phones are
   in memory alone, also on their way: behind a descriptor, and in no packet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from hubcore.codec import cbor
from hubcore.errors import FrameError

VERSION = 1
PACKET_BYTES_MAX = 32_768
UNREAD_BYTES_MAX = 16_384
"""Of a D-Bus message whose end has not come yet; BlueZ's are below 1 kB."""
DESCRIPTORS_MAX = 64
"""The kernel passes 253 in one packet (SCM_MAX_FD)."""
NAME_BYTES_MAX = 64
SOFTWARE_BYTES_MAX = 32
SERIAL_MAX = 0xFFFF_FFFF
_ITEMS_MAX = 12 + 3 * DESCRIPTORS_MAX
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]*", re.ASCII)
_PATH = re.compile(r"(/[A-Za-z0-9_]+)+", re.ASCII)
_BUS_NAME = re.compile(r":[0-9]{1,10}\.[0-9]{1,10}", re.ASCII)


class PacketType(IntEnum):
    """What a packet says. The numbers never change."""

    WARM = 0
    TURN = 1
    TAKEN = 2
    BEAT = 3
    BACK = 4
    COMMIT = 5


class DescriptorKind(IntEnum):
    """What a descriptor is. The numbers never change."""

    BUS = 0
    """The connection to D-Bus, which BlueZ knows the hub by."""
    NOTIFYING = 1
    """The socket of a characteristic that a phone is subscribed to, by the name of that."""
    GUARD = 2
    """The socket of the guard at work."""
    SPARE = 3
    """The socket of the guard that waits."""
    LISTENER = 4
    """A local socket; its name says which."""
    INPUTS = 5
    """The lines of one GPIO chip that are inputs; its name is the chip's."""
    TICKETS = 6
    """Memory with the tickets of phones, each of which is with one process at most."""


_ONCE = frozenset(
    {DescriptorKind.BUS, DescriptorKind.GUARD, DescriptorKind.SPARE, DescriptorKind.TICKETS}
)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One descriptor that travels beside a packet."""

    kind: DescriptorKind
    name: str = ""
    """Empty for the kinds of which a hub has one."""

    def __post_init__(self) -> None:
        if self.kind in _ONCE:
            if self.name:
                raise FrameError(f"{self.kind.name} has a name")
        elif len(self.name) > NAME_BYTES_MAX or not _NAME.fullmatch(self.name):
            raise FrameError(f"{self.kind.name} has no name that is one")


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the talk on D-Bus stands."""

    unique_name: str
    serial: int
    """Of the last message that was sent."""
    unread: bytes
    """What was read and is no whole message yet."""
    service: str
    """The unique name of the bluetoothd with which the hub is registered."""
    adapter: str
    """The path of the adapter on which it is on air."""
    advertisement: int
    """Which of the hub's two advertisements is on air: 0 or 1."""

    def __post_init__(self) -> None:
        if not (_BUS_NAME.fullmatch(self.unique_name) and _BUS_NAME.fullmatch(self.service)):
            raise FrameError("a connection whose name, or whose service's, is none")
        if len(self.adapter) > NAME_BYTES_MAX or not _PATH.fullmatch(self.adapter):
            raise FrameError("a connection whose adapter is none")
        if self.advertisement not in (0, 1):
            raise FrameError("a connection whose advertisement is none")
        if not 1 <= self.serial <= SERIAL_MAX:
            raise FrameError("a connection whose serial is none")
        if len(self.unread) > UNREAD_BYTES_MAX:
            raise FrameError("a connection with more unread bytes than there may be")


@dataclass(frozen=True, slots=True)
class Holdings:
    """All that the hub lives on, in the order of the descriptors beside the packet."""

    descriptors: tuple[Descriptor, ...]
    connection: Connection | None
    """None for a hub whose radio has no connection at this moment."""

    def __post_init__(self) -> None:
        if len(self.descriptors) > DESCRIPTORS_MAX:
            raise FrameError("more descriptors than there may be")
        if len(set(self.descriptors)) != len(self.descriptors):
            raise FrameError("a descriptor is named twice")
        has_bus = Descriptor(DescriptorKind.BUS) in self.descriptors
        if has_bus != (self.connection is not None):
            raise FrameError("a connection without its descriptor, or the other way round")


@dataclass(frozen=True, slots=True)
class Warm:
    """The new process is ready; it says which version it is."""

    software: str

    def __post_init__(self) -> None:
        well = self.software.isascii() and self.software.isprintable()
        if not well or not 1 <= len(self.software) <= SOFTWARE_BYTES_MAX:
            raise FrameError("a version that is none")


@dataclass(frozen=True, slots=True)
class Turn:
    """The old process gives the right to drive, and everything with it."""

    holdings: Holdings


@dataclass(frozen=True, slots=True)
class Taken:
    """The new process drives."""


@dataclass(frozen=True, slots=True)
class Beat:
    """The new process drives on, and is well."""


@dataclass(frozen=True, slots=True)
class Back:
    """The new process gives everything back, and does nothing more but end."""

    holdings: Holdings


@dataclass(frozen=True, slots=True)
class Commit:
    """The trial went well: the old process may leave."""


Packet = Warm | Turn | Taken | Beat | Back | Commit
_EMPTY: dict[PacketType, type[Taken | Beat | Commit]] = {
    PacketType.TAKEN: Taken,
    PacketType.BEAT: Beat,
    PacketType.COMMIT: Commit,
}


def encode(packet: Packet) -> bytes:
    """Return a packet's bytes. Its descriptors go beside it, in the order of its holdings."""
    match packet:
        case Warm(software):
            return _bytes(PacketType.WARM, software)
        case Turn(holdings):
            return _bytes(PacketType.TURN, *_fields(holdings))
        case Back(holdings):
            return _bytes(PacketType.BACK, *_fields(holdings))
        case Taken():
            return _bytes(PacketType.TAKEN)
        case Beat():
            return _bytes(PacketType.BEAT)
        case Commit():
            return _bytes(PacketType.COMMIT)


def _bytes(kind: PacketType, *fields: object) -> bytes:
    return cbor.encode([VERSION, kind.value, *fields])


def _fields(holdings: Holdings) -> list[object]:
    named = [[int(one.kind), one.name] for one in holdings.descriptors]
    connection = holdings.connection
    if connection is None:
        return [named, None]
    talk = [
        connection.unique_name,
        connection.serial,
        connection.unread,
        connection.service,
        connection.adapter,
        connection.advertisement,
    ]
    return [named, talk]


def decode(data: bytes, descriptors: int) -> Packet:
    """Return the packet that came with so many descriptors. Raise FrameError.

    After an error the caller closes every descriptor that came.
    """
    if len(data) > PACKET_BYTES_MAX:
        raise FrameError("a packet longer than any")
    match cbor.decode(data, max_items=_ITEMS_MAX):
        case [int(version), int(number), *fields]:
            if version != VERSION:
                raise FrameError(f"a packet of version {version}; this process speaks {VERSION}")
            packet = _packet(number, fields)
        case _:
            raise FrameError("a packet of no known shape")
    named = len(packet.holdings.descriptors) if isinstance(packet, Turn | Back) else 0
    if named != descriptors:
        raise FrameError(f"{descriptors} descriptors came, and {named} are named")
    return packet


def _packet(number: int, fields: list[object]) -> Packet:
    match number, fields:
        case PacketType.WARM, [str(software)]:
            return Warm(software)
        case PacketType.TURN, [list(named), connection]:
            return Turn(_holdings(named, connection))
        case PacketType.BACK, [list(named), connection]:
            return Back(_holdings(named, connection))
        case ((PacketType.TAKEN | PacketType.BEAT | PacketType.COMMIT), []):
            return _EMPTY[PacketType(number)]()
        case _:
            raise FrameError("a packet of no known type, or with fields that are not its own")


def _holdings(named: list[object], connection: object) -> Holdings:
    return Holdings(tuple(_descriptor(one) for one in named), _connection(connection))


def _descriptor(row: object) -> Descriptor:
    match row:
        case [int(number), str(name)] if number in set(DescriptorKind):
            return Descriptor(DescriptorKind(number), name)
        case _:
            raise FrameError("a descriptor of no known kind")


def _connection(row: object) -> Connection | None:
    match row:
        case None:
            return None
        case [
            str(unique_name),
            int(serial),
            bytes(unread),
            str(service),
            str(adapter),
            int(advertisement),
        ]:
            return Connection(
                unique_name=unique_name,
                serial=serial,
                unread=unread,
                service=service,
                adapter=adapter,
                advertisement=advertisement,
            )
        case _:
            raise FrameError("a connection of no known shape")
