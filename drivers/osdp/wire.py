"""What hubd and its OSDP panel agree on: the packets between the two processes.

Laws:
1. A packet is one order or one report, checked on both ends. What is neither decodes to None.
2. Everything has a ceiling: readers, keys, names, cards and sentences.
3. A lost report of states is made good by the next: each has the states of all readers, and one
   comes every BEAT_SECONDS.
4. A key is in no repr. The public default key (SCBK-D) is no key.
5. Nothing here imports asyncio or libosdp.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import ClassVar

from hubcore.ports.reader import CARD_BITS_MAX, KEYS_MAX, Sign

READERS_MAX = 32
KEY_BYTES = 16
KEYS_A_READER_MAX = 2
ADDRESS_MAX = 126
DEVICE_BYTES_MAX = 200
TEXT_BYTES_MAX = 500
PACKET_MAX = 1024
BEAT_SECONDS = 1.0
DEFAULT_BAUD = 9600
BAUDS = (9600, 19200, 38400, 57600, 115200)
DEFAULT_KEY = bytes(range(0x30, 0x40))
"""SCBK-D: printed in the standard, so it proves nothing."""
SIGNS = tuple(Sign)


class ReaderState(IntEnum):
    """How the panel stands with a reader."""

    UNKNOWN = 0
    """Nothing has been found out since the panel was started."""
    PROVEN = 1
    GONE = 2
    NOT_PROVEN = 3
    LINE_GONE = 4


class StatusBits(IntFlag):
    """What is known of a reader besides its state."""

    NONE = 0
    TOLD = 1
    """It has told of its tamper and power since the panel was started."""
    TAMPERED = 2
    NO_POWER = 4
    SECOND_KEY = 8
    """It has proven itself with the second of two keys."""


class OrderKind(IntEnum):
    """The first byte of an order."""

    READER = 1
    START = 2
    SHOW = 3
    CHANGE_KEY = 4
    INSTALL_KEY = 5


class ReportKind(IntEnum):
    """The first byte of a report."""

    UNFIT = 1
    STATES = 2
    CARD = 3
    KEYS = 4
    KEY_CHANGED = 5


def check_key(key: bytes) -> None:
    """Raise ValueError for what may not be a reader's key. The sentence does not tell the key."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a reader's key has {KEY_BYTES} bytes, not {len(key)}")
    if key == DEFAULT_KEY:
        raise ValueError("the default key (SCBK-D) is public; give the reader a key of its own")
    if len(set(key)) == 1:
        raise ValueError("a key of equal bytes is no secret; give the reader one by chance")


def _check_number(number: int) -> None:
    if not 0 <= number < READERS_MAX:
        raise ValueError(f"reader {number} of at most {READERS_MAX}")


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
        _check_number(self.number)
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
        _check_number(self.number)

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
        _check_number(self.number)
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
        _check_number(self.number)

    def encode(self) -> bytes:
        """Return two bytes."""
        return self.LAYOUT.pack(OrderKind.INSTALL_KEY, self.number)

    @classmethod
    def _parse(cls, data: bytes) -> InstallKey:
        _, number = cls.LAYOUT.unpack(data)
        return cls(number)


Order = AddReader | Start | Show | ChangeKey | InstallKey


@dataclass(frozen=True, slots=True)
class Unfit:
    """The panel cannot work, and ends: why, and what to do."""

    text: str

    def encode(self) -> bytes:
        """Return at most PACKET_MAX bytes; a longer sentence is cut."""
        return bytes([ReportKind.UNFIT]) + self.text.encode()[:TEXT_BYTES_MAX]

    @classmethod
    def _parse(cls, data: bytes) -> Unfit:
        if len(data) > 1 + TEXT_BYTES_MAX:
            raise ValueError("a sentence is too long")
        return cls(data[1:].decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class States:
    """The states of all readers, by number."""

    readers: tuple[tuple[ReaderState, StatusBits], ...]

    def __post_init__(self) -> None:
        """Raise ValueError for more readers than there can be."""
        if not 1 <= len(self.readers) <= READERS_MAX:
            raise ValueError(f"{len(self.readers)} states")

    def encode(self) -> bytes:
        """Return one byte, and two for each reader."""
        flat = [byte for reader in self.readers for byte in reader]
        return bytes([ReportKind.STATES, *flat])

    @classmethod
    def _parse(cls, data: bytes) -> States:
        if len(data) % 2 != 1:
            raise ValueError("two bytes a reader are needed")
        states = [ReaderState(byte) for byte in data[1::2]]
        bits = [_bits(byte) for byte in data[2::2]]
        return cls(tuple(zip(states, bits, strict=True)))


def _bits(value: int) -> StatusBits:
    known = sum(StatusBits)
    if value & ~known:
        raise ValueError(f"bits {value:#x} mean nothing")
    return StatusBits(value)


@dataclass(frozen=True, slots=True)
class Card:
    """A card of `bits` bits at a reader, at monotonic second `at`."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BBHd")

    number: int
    bits: int
    at: float
    data: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Raise ValueError for what is no card."""
        _check_number(self.number)
        if not 1 <= self.bits <= CARD_BITS_MAX or len(self.data) != (self.bits + 7) // 8:
            raise ValueError(f"a card of {self.bits} bits in {len(self.data)} bytes")
        if not math.isfinite(self.at):
            raise ValueError("a card at no time")

    def encode(self) -> bytes:
        """Return 12 bytes, and the card."""
        head = self.LAYOUT.pack(ReportKind.CARD, self.number, self.bits, self.at)
        return head + self.data

    @classmethod
    def _parse(cls, data: bytes) -> Card:
        _, number, bits, at = cls.LAYOUT.unpack_from(data)
        card = data[cls.LAYOUT.size :]
        return cls(number=number, bits=bits, at=at, data=card)


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of a keypad, at monotonic second `at`."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BBd")

    number: int
    at: float
    keys: str = field(repr=False)

    def __post_init__(self) -> None:
        """Raise ValueError for what no keypad has."""
        _check_number(self.number)
        if not 1 <= len(self.keys) <= KEYS_MAX or set(self.keys) - set("0123456789*#"):
            raise ValueError(f"{len(self.keys)} keys, or other keys than digits, * and #")
        if not math.isfinite(self.at):
            raise ValueError("keys at no time")

    def encode(self) -> bytes:
        """Return 10 bytes, and one for each key."""
        head = self.LAYOUT.pack(ReportKind.KEYS, self.number, self.at)
        return head + self.keys.encode()

    @classmethod
    def _parse(cls, data: bytes) -> Keys:
        _, number, at = cls.LAYOUT.unpack_from(data)
        keys = data[cls.LAYOUT.size :]
        return cls(number=number, at=at, keys=keys.decode("ascii"))


@dataclass(frozen=True, slots=True)
class KeyChanged:
    """How a change of key ended: whether the reader has proven itself with its new key."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BBB")

    number: int
    done: bool

    def __post_init__(self) -> None:
        """Raise ValueError for a number that no reader has."""
        _check_number(self.number)

    def encode(self) -> bytes:
        """Return three bytes."""
        return self.LAYOUT.pack(ReportKind.KEY_CHANGED, self.number, self.done)

    @classmethod
    def _parse(cls, data: bytes) -> KeyChanged:
        _, number, done = cls.LAYOUT.unpack(data)
        if done > 1:
            raise ValueError("done, or not")
        return cls(number, bool(done))


Report = Unfit | States | Card | Keys | KeyChanged

_ORDERS: dict[OrderKind, Callable[[bytes], Order]] = {
    OrderKind.READER: AddReader._parse,
    OrderKind.START: Start._parse,
    OrderKind.SHOW: Show._parse,
    OrderKind.CHANGE_KEY: ChangeKey._parse,
    OrderKind.INSTALL_KEY: InstallKey._parse,
}
_REPORTS: dict[ReportKind, Callable[[bytes], Report]] = {
    ReportKind.UNFIT: Unfit._parse,
    ReportKind.STATES: States._parse,
    ReportKind.CARD: Card._parse,
    ReportKind.KEYS: Keys._parse,
    ReportKind.KEY_CHANGED: KeyChanged._parse,
}


def decode_order(data: bytes) -> Order | None:
    """Return None for anything that is no order."""
    if len(data) > PACKET_MAX:
        return None
    try:
        parse = _ORDERS[OrderKind(data[0])]
        return parse(data)
    except (ValueError, IndexError, struct.error):  # ValueError: also bytes that are no text
        return None


def decode_report(data: bytes) -> Report | None:
    """Return None for anything that is no report."""
    if len(data) > PACKET_MAX:
        return None
    try:
        parse = _REPORTS[ReportKind(data[0])]
        return parse(data)
    except (ValueError, IndexError, struct.error):
        return None
