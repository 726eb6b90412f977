"""What hubd and its strike guard agree on: the lines, and the packets between the two processes.

Laws:
1. A command is exactly `Command.SIZE` bytes and names its own last moment, so none is obeyed late.
2. Every answer carries the state of all lines, so that a later one makes up for a lost one.
3. A guard says WAITING first and holds no line; at HOLD it opens all lines, inactive, and says
   READY. HOLD says for how many milliseconds all lines have been at rest already; 0: nobody knows.
4. ADOPTED drives nothing. The answer names the guard and its lines, so that a hubd of another
   configuration takes over no line that it would drive for the wrong door.
5. Nothing here imports asyncio, gpiod or anything else that would make the guard slow to start.
"""

from __future__ import annotations

import binascii
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Protocol

MAX_LINES = 32
"""The state of all lines travels as one 32-bit mask."""
MAX_CAP_MS = 60_000
"""No installation may configure a longer pulse, and none is longer."""
MAX_REST_MS = 600_000
"""No installation may configure a longer rest after it."""
MAX_TEXT = 1000
"""Bytes of the sentence in an answer."""


@dataclass(frozen=True, slots=True)
class StrikeLine:
    """One output line.

    `chip`: device path, name or label of the chip. `line`: its name on that chip, or its offset.
    `cap_ms`: the longest that it is driven at a stretch, 1 to MAX_CAP_MS. 0: there is no such cap.
    `rest_ms`: how long it rests after that, 0 to MAX_REST_MS (`drivers.strike.stretch`).
    """

    chip: str
    line: str | int
    active_low: bool = False
    cap_ms: int = 10_000
    rest_ms: int = 500

    @property
    def pulse_max_ms(self) -> int:
        """The longest pulse. Without a cap only another pulse drives it for longer."""
        return self.cap_ms or MAX_CAP_MS

    def __str__(self) -> str:
        return f"line {self.line!r} of {self.chip}"


class Lines(Protocol):
    """Output lines held by one process, which has driven each of them inactive first."""

    def set(self, index: int, active: bool) -> None:
        """Drive one line, counted from 0. Raise HardwareError when it cannot be driven."""

    def close(self) -> None:
        """Give the lines back to the kernel."""


LinesFactory = Callable[[Sequence[StrikeLine]], Lines]
"""Opens lines, inactive. Raises HardwareError: which line, why, what to do."""


class Verb(IntEnum):
    """What a command asks."""

    PULSE = 1
    SECURE = 2
    STATE = 3
    HOLD = 4
    ADOPTED = 5
    """Another hubd than the one that started this guard speaks from now on."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    `expires_ns` is CLOCK_MONOTONIC: a pulse that is read later than that is refused.
    """

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BBHIIQ")
    SIZE: ClassVar[int] = LAYOUT.size

    verb: Verb
    line: int
    tag: int
    milliseconds: int
    expires_ns: int

    def encode(self) -> bytes:
        """Return `SIZE` bytes."""
        reserved = 0
        return self.LAYOUT.pack(
            self.verb,
            self.line,
            reserved,
            self.tag,
            self.milliseconds,
            self.expires_ns,
        )

    @classmethod
    def decode(cls, data: bytes) -> Command | None:
        """Return None for anything that is not a command."""
        if len(data) != cls.SIZE:
            return None
        verb, line, reserved, tag, milliseconds, expires_ns = cls.LAYOUT.unpack(data)
        if reserved or verb not in Verb.__members__.values():
            return None
        return cls(
            verb=Verb(verb),
            line=line,
            tag=tag,
            milliseconds=milliseconds,
            expires_ns=expires_ns,
        )


@dataclass(frozen=True, slots=True)
class Identity:
    """Which guard this is: its process, and a sum over the lines that it was started for."""

    process_id: int
    lines_sum: int

    def __str__(self) -> str:
        return f"guard {self.process_id} of lines {self.lines_sum:08x}"

    @classmethod
    def read(cls, text: str) -> Identity | None:
        """Return what such a text says; None for any other."""
        found = re.fullmatch(r"guard ([1-9][0-9]{0,9}) of lines ([0-9a-f]{8})", text, re.ASCII)
        return None if found is None else cls(int(found[1]), int(found[2], 16))


def sum_of_lines(factory: str, lines: str) -> int:
    """Return a sum over what a guard was told to open; two that differ by chance have two sums."""
    return binascii.crc32(f"{factory} {lines}".encode())


class AnswerKind(IntEnum):
    """What an answer says."""

    READY = 1
    """To HOLD: the lines are held, inactive."""
    UNFIT = 2
    """To HOLD: the lines cannot be held."""
    DONE = 3
    REFUSED = 4
    FAILED = 5
    EDGE = 6
    """To nobody (tag 0): a line has changed."""
    WAITING = 7
    """A guard's first packet, which says nothing of the lines."""
    RESTING = 8
    """To PULSE: it may be asked again after `wait_ms`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One packet of the guard.

    `active`: bit n is line n. `at_ns`: CLOCK_MONOTONIC after the lines were driven.
    `wait_ms`: 0 but for RESTING.
    """

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BxxxIIIQ")
    MAX_SIZE: ClassVar[int] = LAYOUT.size + MAX_TEXT

    kind: AnswerKind
    tag: int
    active: int
    at_ns: int
    text: str = ""
    wait_ms: int = 0

    def encode(self) -> bytes:
        """Return at most `MAX_SIZE` bytes; a longer sentence is cut."""
        head = self.LAYOUT.pack(self.kind, self.tag, self.active, self.wait_ms, self.at_ns)
        return head + self.text.encode()[:MAX_TEXT]

    @classmethod
    def decode(cls, data: bytes) -> Answer | None:
        """Return None for anything that is not an answer."""
        if not cls.LAYOUT.size <= len(data) <= cls.MAX_SIZE:
            return None
        kind, tag, active, wait_ms, at_ns = cls.LAYOUT.unpack_from(data)
        if kind not in AnswerKind.__members__.values():
            return None
        text = data[cls.LAYOUT.size :].decode(errors="replace")
        return cls(
            kind=AnswerKind(kind),
            tag=tag,
            active=active,
            at_ns=at_ns,
            text=text,
            wait_ms=wait_ms,
        )
