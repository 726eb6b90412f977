"""GPIO chips in memory: what libgpiod and the kernel say of lines that are inputs.

A request is behind a real descriptor, and copies of it are the same request. As in the kernel, its
lines are held until the last copy is closed, and edges wait in one queue for all copies. A full
queue loses its oldest edge.
"""

from __future__ import annotations

import errno
import os
import select
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace, TracebackType
from typing import Any, cast

import gpiod

from drivers.gpio.held import HeldLines, LineEdge

LINES = 8


@dataclass
class FakeRequest:
    """One request; `reads` is the first descriptor of it."""

    chip: FakeChip
    config: Mapping[int, gpiod.LineSettings]
    consumer: str
    waiting: deque[LineEdge]
    number: int = 0
    reads: int = -1
    wakes: int = -1
    inode: int = 0

    def __post_init__(self) -> None:
        self.reads, self.wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.inode = os.fstat(self.wakes).st_ino

    @property
    def is_held(self) -> bool:
        """Whether a copy of its descriptor is open."""
        poll = select.poll()
        poll.register(self.wakes, 0)
        return not poll.poll(0)

    def edge(self, offset: int, active: bool, at: float) -> None:
        self.number += 1
        if not self.waiting:
            os.write(self.wakes, b"!")
        self.waiting.append(LineEdge(offset, active, at, self.number))

    def take(self, descriptor: int) -> list[LineEdge]:
        taken = list(self.waiting)
        self.waiting.clear()
        os.read(descriptor, 1)
        return taken


class _Requested:
    """libgpiod's object of a request."""

    def __init__(self, descriptor: int) -> None:
        self.fd = descriptor

    def release(self) -> None:
        os.close(self.fd)


@dataclass
class FakeChip:
    """A chip with eight lines, named line0 to line7."""

    gpio: FakeGpio
    name: str
    levels: dict[int, bool] = field(default_factory=lambda: dict.fromkeys(range(LINES), False))
    request_error: int = 0
    error: int = 0
    """What every question about its lines is answered by."""
    is_gone: bool = False

    def __enter__(self) -> FakeChip:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        return None

    def get_info(self) -> Any:
        return SimpleNamespace(name=self.name, label=self.name, num_lines=LINES)

    def holder(self, offset: int) -> FakeRequest | None:
        for request in self.gpio.held_requests():
            if request.chip is self and offset in request.config:
                return request
        return None

    def get_line_info(self, line: int | str) -> Any:
        offset = int(line.removeprefix("line")) if isinstance(line, str) else line
        if not 0 <= offset < LINES:
            raise ValueError("line offset of out range")
        holder = self.holder(offset)
        if holder is None:
            return SimpleNamespace(offset=offset, used=False, consumer="")
        settings = holder.config[offset]
        return SimpleNamespace(
            offset=offset,
            used=True,
            consumer=holder.consumer,
            direction=settings.direction,
            edge_detection=settings.edge_detection,
            bias=settings.bias,
            debounce_period=settings.debounce_period,
            active_low=settings.active_low,
            event_clock=settings.event_clock,
        )

    def request_lines(self, config: Mapping[int, gpiod.LineSettings], consumer: str) -> _Requested:
        if self.request_error:
            raise OSError(self.request_error, os.strerror(self.request_error))
        if any(self.holder(offset) for offset in config):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        return _Requested(self.gpio.add(self, dict(config), consumer))


class FakeGpio:
    """All chips by their path. `drivers.gpio.held.Requests` and `open_chip` in one."""

    def __init__(self, chips: Sequence[str] = ("gpiochip0",), waiting_max: int = 0) -> None:
        """`waiting_max`: so many edges wait of one request, 0 for what the kernel keeps."""
        self.chips = {f"/dev/{name}": FakeChip(self, name) for name in chips}
        self.requests: list[FakeRequest] = []
        self.tells_of_descriptors = True
        """Whether the kernel has fdinfo of lines."""
        self.now = 5.0
        self._waiting_max = waiting_max

    def open(self, path: str) -> gpiod.Chip:
        chip = self.chips.get(path)
        if chip is None or chip.is_gone:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        return cast(gpiod.Chip, chip)

    def add(self, chip: FakeChip, config: Mapping[int, gpiod.LineSettings], consumer: str) -> int:
        waiting_max = self._waiting_max or 16 * len(config)
        request = FakeRequest(chip, config, consumer, deque(maxlen=waiting_max))
        self.requests.append(request)
        return request.reads

    def held_requests(self) -> list[FakeRequest]:
        return [request for request in self.requests if request.is_held]

    def level(self, chip: str, offset: int, active: bool) -> None:
        """Let a line have this level; an edge of it waits, if somebody holds the line."""
        of_chip = self.chips[f"/dev/{chip}"]
        if of_chip.levels[offset] is active:
            return
        of_chip.levels[offset] = active
        self.now += 0.001
        holder = of_chip.holder(offset)
        if holder is not None:
            holder.edge(offset, active, self.now)

    def _request(self, descriptor: int) -> FakeRequest:
        inode = os.fstat(descriptor).st_ino
        for request in self.held_requests():
            if request.inode == inode:
                if request.chip.is_gone:
                    raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
                if request.chip.error:
                    raise OSError(request.chip.error, os.strerror(request.chip.error))
                return request
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))

    # drivers.gpio.held.Requests

    def edges(self, descriptor: int) -> Sequence[LineEdge]:
        request = self._request(descriptor)
        return request.take(descriptor) if request.waiting else []

    def levels(self, descriptor: int, lines: int) -> Sequence[bool]:
        request = self._request(descriptor)
        offsets = tuple(request.config)[:lines]
        return [request.chip.levels[offset] for offset in offsets]

    def held(self, descriptor: int) -> HeldLines | None:
        try:
            request = self._request(descriptor)
        except OSError:
            return None
        if not self.tells_of_descriptors:
            return None
        return HeldLines(request.chip.name, tuple(request.config))

    def close(self) -> None:
        """End; every line must have been let go of."""
        held = self.held_requests()
        for request in self.requests:
            os.close(request.wakes)
        assert not held, "a descriptor was forgotten"
