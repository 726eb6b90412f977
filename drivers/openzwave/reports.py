"""What the OpenZWave process tells hubd. `wire` has the laws."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from drivers.openzwave.wire import (
    DEVICES_MAX,
    PACKET_MAX,
    TEXT_BYTES_MAX,
    DeviceBits,
    Happening,
    ReportKind,
    StickState,
    Unfitness,
    check_number,
)
from hubcore.device.state import Quantity


@dataclass(frozen=True, slots=True)
class Unfit:
    """The process cannot work, and ends: what is wrong, and a sentence about it."""

    what: Unfitness
    text: str

    def encode(self) -> bytes:
        """Return at most PACKET_MAX bytes; a longer sentence is cut."""
        return bytes([ReportKind.UNFIT, self.what]) + self.text.encode()[:TEXT_BYTES_MAX]

    @classmethod
    def _parse(cls, data: bytes) -> Unfit:
        if len(data) > 2 + TEXT_BYTES_MAX:
            raise ValueError("a sentence is too long")
        return cls(Unfitness(data[1]), data[2:].decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class States:
    """The stick, and all devices by number."""

    stick: StickState
    devices: tuple[DeviceBits, ...]

    def __post_init__(self) -> None:
        """Raise ValueError for more devices than there can be."""
        if not 1 <= len(self.devices) <= DEVICES_MAX:
            raise ValueError(f"{len(self.devices)} states")

    def encode(self) -> bytes:
        """Return two bytes, and one for each device."""
        return bytes([ReportKind.STATES, self.stick, *self.devices])

    @classmethod
    def _parse(cls, data: bytes) -> States:
        known = sum(DeviceBits)
        if any(bits & ~known for bits in data[2:]):
            raise ValueError("bits that mean nothing")
        return cls(StickState(data[1]), tuple(DeviceBits(bits) for bits in data[2:]))


@dataclass(frozen=True, slots=True)
class Said:
    """A node reported how a device stands, in the numbers of `Set`; `UNKNOWN_VALUE` for others."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BBB")

    number: int
    value: int

    def __post_init__(self) -> None:
        """Raise ValueError for a number that no device has."""
        check_number(self.number)

    def encode(self) -> bytes:
        """Return three bytes."""
        return self.LAYOUT.pack(ReportKind.SAID, self.number, self.value)

    @classmethod
    def _parse(cls, data: bytes) -> Said:
        _, number, value = cls.LAYOUT.unpack(data)
        return cls(number, value)


@dataclass(frozen=True, slots=True)
class Measured:
    """A node reported a value."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BBBd")

    number: int
    quantity: Quantity
    value: float

    def __post_init__(self) -> None:
        """Raise ValueError for what is no value."""
        check_number(self.number)
        if not math.isfinite(self.value):
            raise ValueError("no finite number")

    def encode(self) -> bytes:
        """Return eleven bytes."""
        return self.LAYOUT.pack(ReportKind.MEASURED, self.number, self.quantity, self.value)

    @classmethod
    def _parse(cls, data: bytes) -> Measured:
        _, number, quantity, value = cls.LAYOUT.unpack(data)
        return cls(number=number, quantity=Quantity(quantity), value=value)


@dataclass(frozen=True, slots=True)
class Taken:
    """Whether the library took the order with this token. It is no proof of anything else."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BIB")

    token: int
    is_taken: bool

    def encode(self) -> bytes:
        """Return six bytes."""
        return self.LAYOUT.pack(ReportKind.TAKEN, self.token, self.is_taken)

    @classmethod
    def _parse(cls, data: bytes) -> Taken:
        _, token, is_taken = cls.LAYOUT.unpack(data)
        if is_taken > 1:
            raise ValueError("taken, or not")
        return cls(token, bool(is_taken))


@dataclass(frozen=True, slots=True)
class Happened:
    """Something happened at a device."""

    number: int
    what: Happening

    def __post_init__(self) -> None:
        """Raise ValueError for a number that no device has."""
        check_number(self.number)

    def encode(self) -> bytes:
        """Return three bytes."""
        return bytes([ReportKind.HAPPENED, self.number, self.what])

    @classmethod
    def _parse(cls, data: bytes) -> Happened:
        _, number, what = data
        return cls(number, Happening(what))


Report = Unfit | States | Said | Measured | Taken | Happened

_REPORTS: dict[ReportKind, Callable[[bytes], Report]] = {
    ReportKind.UNFIT: Unfit._parse,
    ReportKind.STATES: States._parse,
    ReportKind.SAID: Said._parse,
    ReportKind.MEASURED: Measured._parse,
    ReportKind.TAKEN: Taken._parse,
    ReportKind.HAPPENED: Happened._parse,
}


def decode_report(data: bytes) -> Report | None:
    """Return None for anything that is no report."""
    if len(data) > PACKET_MAX:
        return None
    try:
        parse = _REPORTS[ReportKind(data[0])]
        return parse(data)
    except (ValueError, IndexError, struct.error):
        return None
