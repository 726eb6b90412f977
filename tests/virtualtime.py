"""An event loop on a clock that jumps: whoever sleeps is woken at once, in the right order, at the
right second.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from tests.fakes.clock import NOON, FakeClock

_T = TypeVar("_T")
STARTS_AT = 1000.0
"""No clock starts at 0, where mistakes hide."""


class _Jumping(selectors.SelectSelector):
    """Waits for nothing: when no file is ready, the clock jumps to the end of the wait."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise RuntimeError("everybody waits, and nothing will ever happen")
        self.loop.now += max(timeout, 1e-6)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """`now` is the loop's time in seconds."""

    def __init__(self) -> None:
        self.now = STARTS_AT
        selector = _Jumping()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now


def virtual_clock(loop: VirtualLoop) -> FakeClock:
    """Return the clock of a virtual loop, which is the doors' `timeline` too."""
    return FakeClock(NOON - STARTS_AT, loop)


def run_virtually(loop: VirtualLoop, work: Coroutine[Any, Any, _T]) -> _T:
    """Run to the end of `work`, cancel what is left, close the loop."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(work)
