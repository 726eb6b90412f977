"""A machine that has no thread to give, for as often as it is told."""

from __future__ import annotations

from collections.abc import Callable

from hubd.threads import start_thread


class Scarce:
    """Starts threads, but not the first `missing` ones: those end as Python says it."""

    def __init__(self, missing: int) -> None:
        self.missing = missing
        self.asked = 0

    def __call__(self, name: str, run: Callable[[], None]) -> None:
        self.asked += 1
        if self.asked <= self.missing:
            raise RuntimeError("can't start new thread")
        start_thread(name, run)
