"""The orders of hubd to its OSDP panel."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar

from drivers.osdp.wire.words import KEY_BYTES, check_key, check_number, read_packet
from hubcore.ports.reader import Sign

KEYS_A_READER_MAX = 2
ADDRESS_MAX = 126
DEVICE_BYTES_MAX = 200
DEFAULT_BAUD = 9600
BAUDS = (9600, 19200, 38400, 57600, 115200)
SIGNS = tuple(Sign)


class OrderKind(IntEnum):
    """The first byte of an order."""

    READER = 1
    START = 2
    SHOW = 3
    CHANGE_KEY = 4
    INSTALL_KEY = 5


@dataclass(frozen=True, slots=True)
class AddReader:
    """A reader: its number among all, its line and address there, and the keys to try in turn."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BBBBI")

    number: int
    address: int
    baud: int
    device: str
    keys: tuple[bytes, ...] = field(repr=False)

    def __post_init__(self) -> None:
        """Raise ValueError for what is no such reader."""
        check_number(self.number)
        if not 0 <= self.address <= ADDRESS_MAX:
            raise ValueError(f"an OSDP address is within 0..{ADDRESS_MAX}, not {self.address}")
        if self.baud not in BAUDS:
            raise ValueError(f"a line has one of {BAUDS} baud, not {self.baud}")
        if not self.device.startswith("/") or "\0" in self.device:
            raise ValueError("a serial line is the whole path of a device")
        if len(self.device.encode()) > DEVICE_BYTES_MAX:
            raise ValueError(f"the path of a line has at most {DEVICE_BYTES_MAX} bytes")
        if not 1 <= len(self.keys) <= KEYS_A_READER_MAX:
            raise ValueError(f"a reader has 1 to {KEYS_A_READER_MAX} keys, not {len(self.keys)}")
        for key in self.keys:
            check_key(key)

    def encode(self) -> bytes:
        """Return at most PACKET_MAX bytes."""
        head = self.LAYOUT.pack(
            OrderKind.READER, self.number, self.address, len(self.keys), self.baud
        )
        return head + b"".join(self.keys) + self.device.encode()

    @classmethod
    def _parse(cls, data: bytes) -> AddReader:
        _, number, address, count, baud = cls.LAYOUT.unpack_from(data)
        keys_end = cls.LAYOUT.size + count * KEY_BYTES
        if len(data) < keys_end:
            raise ValueError("the keys are cut short")
        starts = range(cls.LAYOUT.size, keys_end, KEY_BYTES)
        return cls(
            number=number,
            address=address,
            baud=baud,
            device=data[keys_end:].decode(),
            keys=tuple(data[start : start + KEY_BYTES] for start in starts),
        )


@dataclass(frozen=True, slots=True)
class Start:
    """All readers have been named: begin."""

    def encode(self) -> bytes:
        """Return one byte."""
        return bytes([OrderKind.START])

    @classmethod
    def _parse(cls, data: bytes) -> Start:
        if len(data) != 1:
            raise ValueError("START has no data")
        return cls()


@dataclass(frozen=True, slots=True)
class Show:
    """Show a sign at a reader."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BBB")

    number: int
    sign: Sign

    def __post_init__(self) -> None:
        """Raise ValueError for a number that no reader has."""
        check_number(self.number)

    def encode(self) -> bytes:
        """Return three bytes."""
        return self.LAYOUT.pack(OrderKind.SHOW, self.number, SIGNS.index(self.sign))

    @classmethod
    def _parse(cls, data: bytes) -> Show:
        _, number, sign = cls.LAYOUT.unpack(data)
        if sign >= len(SIGNS):
            raise ValueError(f"there is no sign {sign}")
        return cls(number, SIGNS[sign])


@dataclass(frozen=True, slots=True)
class ChangeKey:
    """Give a reader that is proven a new key."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct(f"<BB{KEY_BYTES}s")

    number: int
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Raise ValueError for what is no reader or no key."""
        check_number(self.number)
        check_key(self.key)

    def encode(self) -> bytes:
        """Return 18 bytes."""
        return self.LAYOUT.pack(OrderKind.CHANGE_KEY, self.number, self.key)

    @classmethod
    def _parse(cls, data: bytes) -> ChangeKey:
        _, number, key = cls.LAYOUT.unpack(data)
        return cls(number, key)


@dataclass(frozen=True, slots=True)
class InstallKey:
    """Give a reader that has the public default key the first of its keys here."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BB")

    number: int

    def __post_init__(self) -> None:
        """Raise ValueError for a number that no reader has."""
        check_number(self.number)

    def encode(self) -> bytes:
        """Return two bytes."""
        return self.LAYOUT.pack(OrderKind.INSTALL_KEY, self.number)

    @classmethod
    def _parse(cls, data: bytes) -> InstallKey:
        _, number = cls.LAYOUT.unpack(data)
        return cls(number)


Order = AddReader | Start | Show | ChangeKey | InstallKey

_ORDERS: dict[int, Callable[[bytes], Order]] = {
    OrderKind.READER: AddReader._parse,
    OrderKind.START: Start._parse,
    OrderKind.SHOW: Show._parse,
    OrderKind.CHANGE_KEY: ChangeKey._parse,
    OrderKind.INSTALL_KEY: InstallKey._parse,
}


def decode_order(data: bytes) -> Order | None:
    """Return None for anything that is no order."""
    return read_packet(data, _ORDERS)
