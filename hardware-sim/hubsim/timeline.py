"""Time that a desk's physics runs on: the asyncio loop's, or a virtual one that only a test moves.

Laws:
1. Callbacks run in the order of their times; those of equal times in the order of asking.
2. Virtual time never moves by itself.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Protocol


class Cancellable(Protocol):
    """A callback that has been asked for."""

    def cancel(self) -> None: ...


class Timeline(Protocol):
    """What physics asks of time. An asyncio loop is one: on Linux its `time` is CLOCK_MONOTONIC."""

    def time(self) -> float:
        """Seconds."""

    def call_at(self, when: float, callback: Callable[[], object]) -> Cancellable:
        """Call back once `time` has reached `when`."""


class VirtualTimer:
    """One pending callback of a `VirtualTime`."""

    def __init__(self, callback: Callable[[], object]) -> None:
        self._callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self._callback = None

    def fire(self) -> None:
        callback = self._callback
        self._callback = None
        if callback is not None:
            callback()


class VirtualTime:
    """A timeline that stands still until `advance` or `go_to`."""

    def __init__(self, start: float = 1000.0) -> None:
        self._now = start
        self._order = itertools.count()
        self._timers: list[tuple[float, int, VirtualTimer]] = []

    def time(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Callable[[], object]) -> VirtualTimer:
        timer = VirtualTimer(callback)
        entry = (when, next(self._order), timer)
        heapq.heappush(self._timers, entry)
        return timer

    def advance(self, seconds: float) -> None:
        """Go on by `seconds`, firing everything that falls due on the way at its own time."""
        self.go_to(self._now + seconds)

    def go_to(self, end: float) -> None:
        """Go on until it is `end`, in the manner of `advance`."""
        while self._timers:
            when, _, timer = self._timers[0]
            if when > end:
                break
            heapq.heappop(self._timers)
            self._now = max(self._now, when)
            timer.fire()
        self._now = end
