"""Output lines in a file, for desks and tests: the real strike guard drives them, anyone may look.

Laws:
1. One process holds a line; the line comes free when that process dies.
2. The level then *stays*, as on the worst kernels: only a new guard secures it.
3. A test can make a line fail.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from drivers.strike.wire import StrikeLine
from hubcore.errors import HardwareError

# level, rising edges, holder's process id, CLOCK_MONOTONIC ns of the last drive
_STATE = struct.Struct("<BxxxIIxxxxQ")
_FAULT_AT = 24
_NAME_AT = 32
_NAME_SIZE = 32
_RECORD_SIZE = 64


class Fault(IntEnum):
    """What a line does wrong."""

    NONE = 0
    NEVER_ACTIVE = 1  # driving it active is an error
    NEVER_INACTIVE = 2  # driving it inactive is an error; the level stays


@dataclass(frozen=True, slots=True)
class Level:
    """One line as seen from outside."""

    active: bool
    rises: int
    holder: int
    changed_ns: int


class Bank:
    """A file of lines: made and watched by a test or a desk."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self.path = path
        self.count = os.fstat(self._fd).st_size // _RECORD_SIZE

    @classmethod
    def create(cls, path: Path, names: Sequence[str]) -> Bank:
        """Write a new bank with one line for each name, all inactive and free."""
        head = bytes(_NAME_AT)
        with path.open("wb") as file:
            for name in names:
                padded = name.encode().ljust(_NAME_SIZE, b"\0")
                file.write(head + padded[:_NAME_SIZE])
        return cls(path)

    def level(self, index: int) -> Level:
        data = os.pread(self._fd, _STATE.size, index * _RECORD_SIZE)
        active, rises, holder, changed_ns = _STATE.unpack(data)
        return Level(
            active=bool(active),
            rises=rises,
            holder=holder,
            changed_ns=changed_ns,
        )

    def write(self, index: int, level: Level) -> None:
        data = _STATE.pack(
            level.active,
            level.rises,
            level.holder,
            level.changed_ns,
        )
        os.pwrite(self._fd, data, index * _RECORD_SIZE)

    def fault(self, index: int) -> Fault:
        (fault,) = os.pread(self._fd, 1, index * _RECORD_SIZE + _FAULT_AT)
        return Fault(fault)

    def fail(self, index: int, fault: Fault) -> None:
        os.pwrite(self._fd, bytes([fault]), index * _RECORD_SIZE + _FAULT_AT)

    def find(self, line: StrikeLine) -> int:
        """Return the index of a line given by name or offset. Raise HardwareError."""
        for index in range(self.count):
            if line.line in (index, self._name(index)):
                return index
        raise HardwareError(f"Strike {line} does not exist; this bank has {self.count} lines.")

    def _name(self, index: int) -> str:
        padded = os.pread(self._fd, _NAME_SIZE, index * _RECORD_SIZE + _NAME_AT)
        return padded.rstrip(b"\0").decode()

    def number_of(self, name: str) -> int:
        """Return the index of the line of that name. Raise HardwareError."""
        return self.find(StrikeLine(str(self.path), name))

    def hold(self, index: int, line: StrikeLine) -> None:
        """Lock a line for this process. Raise HardwareError when another one holds it."""
        try:
            how = fcntl.LOCK_EX | fcntl.LOCK_NB
            fcntl.lockf(self._fd, how, 1, index * _RECORD_SIZE)
        except OSError as error:
            holder = self.level(index).holder
            raise HardwareError(
                f"Strike {line} is in use by process {holder}; stop that one."
            ) from error

    def close(self) -> None:
        os.close(self._fd)


class FileLines:
    """`drivers.strike.wire.Lines` over banks: `chip` is the path of the file."""

    def __init__(self, lines: Sequence[StrikeLine]) -> None:
        self._lines = tuple(lines)
        self._banks: dict[str, Bank] = {}
        self._places: list[tuple[Bank, int]] = []
        try:
            for line in self._lines:
                self._places.append(self._open(line))
            for index in range(len(self._lines)):
                self.set(index, False)
        except BaseException:
            self.close()
            raise

    def _open(self, line: StrikeLine) -> tuple[Bank, int]:
        try:
            bank = self._banks.get(line.chip)
            if bank is None:
                bank = Bank(Path(line.chip))
        except OSError as error:
            raise HardwareError(
                f"Strike {line} cannot be driven: make the bank first ({error})."
            ) from error
        self._banks[line.chip] = bank
        place = bank.find(line)
        bank.hold(place, line)
        return bank, place

    def set(self, index: int, active: bool) -> None:
        """Drive one line. Raise HardwareError when it is set to fail."""
        bank, place = self._places[index]
        fault = Fault.NEVER_ACTIVE if active else Fault.NEVER_INACTIVE
        if bank.fault(place) is fault:
            raise HardwareError(f"Strike {self._lines[index]} cannot be driven: it is set to fail.")
        before = bank.level(place)
        rises = before.rises
        if active and not before.active:
            rises += 1
        level = Level(
            active=active,
            rises=rises,
            holder=os.getpid(),
            changed_ns=time.monotonic_ns(),
        )
        bank.write(place, level)

    def close(self) -> None:
        for bank in self._banks.values():
            with suppress(OSError):
                bank.close()
        self._banks.clear()


def open_lines(lines: Sequence[StrikeLine]) -> FileLines:
    """Return the lines, inactive: name it to the guard as `hubsim.door.lines:open_lines`."""
    return FileLines(lines)
