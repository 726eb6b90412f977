"""The reports of the OSDP panel to hubd."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import ClassVar

from drivers.osdp.wire.words import READERS_MAX, check_number, read_packet
from hubcore.ports.reader import CARD_BITS_MAX, KEYS_MAX

TEXT_BYTES_MAX = 500


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


class ReportKind(IntEnum):
    """The first byte of a report."""

    UNFIT = 1
    STATES = 2
    CARD = 3
    KEYS = 4
    KEY_CHANGED = 5


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
        check_number(self.number)
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
        check_number(self.number)
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
        check_number(self.number)

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

_REPORTS: dict[int, Callable[[bytes], Report]] = {
    ReportKind.UNFIT: Unfit._parse,
    ReportKind.STATES: States._parse,
    ReportKind.CARD: Card._parse,
    ReportKind.KEYS: Keys._parse,
    ReportKind.KEY_CHANGED: KeyChanged._parse,
}


def decode_report(data: bytes) -> Report | None:
    """Return None for anything that is no report."""
    return read_packet(data, _REPORTS)
