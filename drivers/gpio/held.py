"""Lines that are held as inputs, by the descriptor of their request: the kernel's GPIO ABI, v2.

libgpiod requests lines, and knows a request by an object of its own. That object cannot go to
another process, and cannot be made of a descriptor. The descriptor can go, and the kernel answers
whoever has it.

Laws:
1. A descriptor is named by what the kernel says of it: its chip and its lines.
2. Nothing here waits: where no edge waits, there is none.
3. What the kernel would not write is refused.

Sources: include/uapi/linux/gpio.h (sizes and numbers); for /proc/PID/fdinfo
`linereq_show_fdinfo` in drivers/gpio/gpiolib-cdev.c.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import select
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

LINES_MAX = 64
"""Of one request (GPIO_V2_LINES_MAX)."""
EDGES_MAX = 16 * LINES_MAX
"""The kernel keeps no more of one request."""
_EDGE = struct.Struct("=QIIII24x")
"""gpio_v2_line_event: timestamp_ns, id, offset, seqno, line_seqno, padding."""
_LEVELS = struct.Struct("=QQ")
"""gpio_v2_line_values: bits, mask. Bit n is the request's n-th line."""
_RISING = 1
_FALLING = 2
_READ_AND_WRITE = 3
_GPIO = 0xB4
GET_VALUES = _READ_AND_WRITE << 30 | _LEVELS.size << 16 | _GPIO << 8 | 0x0E
"""GPIO_V2_LINE_GET_VALUES_IOCTL, on amd64 and arm64."""
FDINFO = Path("/proc/self/fdinfo")
_CHIP = re.compile(r"^gpio-chip:\t(gpiochip[0-9]{1,5})$", re.MULTILINE)
_LINE = re.compile(r"^gpio-line:\t([0-9]{1,5})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class LineEdge:
    """One edge: of which line, to which level, when (CLOCK_MONOTONIC), and its number."""

    offset: int
    active: bool
    at: float
    number: int


@dataclass(frozen=True, slots=True)
class HeldLines:
    """What a descriptor holds: a chip by the kernel's name, lines in the order of the request."""

    chip: str
    offsets: tuple[int, ...]


class Requests(Protocol):
    """What is asked of a request by its descriptor. Each raises OSError."""

    def edges(self, descriptor: int) -> Sequence[LineEdge]:
        """Take the edges that wait, the oldest first."""
        ...

    def levels(self, descriptor: int, lines: int) -> Sequence[bool]:
        """Return whether each of its so many lines is active now, in the order of the request."""
        ...

    def held(self, descriptor: int) -> HeldLines | None:
        """Return what it holds; None for what is no request, and where the kernel does not say."""
        ...


class KernelRequests:
    """`Requests` of this machine's kernel."""

    def edges(self, descriptor: int) -> Sequence[LineEdge]:
        """See `Requests`."""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(0):
            return []
        data = os.read(descriptor, EDGES_MAX * _EDGE.size)
        if not data or len(data) % _EDGE.size:
            raise OSError(errno.EPROTO, "this is no request of GPIO lines")
        return [_edge(*fields) for fields in _EDGE.iter_unpack(data)]

    def levels(self, descriptor: int, lines: int) -> Sequence[bool]:
        """See `Requests`."""
        asked = bytearray(_LEVELS.pack(0, (1 << lines) - 1))
        fcntl.ioctl(descriptor, GET_VALUES, asked)
        bits, _ = _LEVELS.unpack(asked)
        return [bool(bits >> index & 1) for index in range(lines)]

    def held(self, descriptor: int) -> HeldLines | None:
        """See `Requests`."""
        try:
            told = (FDINFO / str(descriptor)).read_text()
        except OSError:
            return None
        return held_of(told)


def held_of(told: str) -> HeldLines | None:
    """Return what a descriptor's fdinfo tells of lines, None when it tells of none."""
    chips = _CHIP.findall(told)
    offsets = tuple(int(offset) for offset in _LINE.findall(told))
    if len(chips) != 1 or not 1 <= len(offsets) <= LINES_MAX:
        return None
    return HeldLines(chips[0], offsets)


def _edge(at_ns: int, what: int, offset: int, number: int, _of_line: int) -> LineEdge:
    if what not in (_RISING, _FALLING):
        raise OSError(errno.EPROTO, "an edge of no known kind")
    return LineEdge(offset, what == _RISING, at_ns / 1e9, number)
