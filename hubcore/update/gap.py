"""The steps of a hub between two processes, while phones wait.

Law: each step has the time at which it was over, by the clock that both processes share.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class GapStep(StrEnum):
    """One step, in their order: of the process that leaves, then of the one that takes over."""

    SETTLED = "settled"
    """Nothing more is read of phones; the gap begins."""
    ENDED = "ended"
    """All loops have ended."""
    CLOSED = "closed"
    """The last record is written. Others may write the databases."""
    GIVEN = "given"
    TURN = "turn"
    OPEN = "open"
    """The databases are open here."""
    BUILT = "built"
    TAKEN = "taken"
    """Phones are answered; the gap ends."""


class Gap:
    """The steps that this process has seen. `now` returns seconds of a clock of the machine."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._steps: dict[GapStep, float] = {}

    def note(self, step: GapStep) -> None:
        """Note that a step is over. The first one of a process begins anew."""
        if step in (GapStep.SETTLED, GapStep.TURN):
            self._steps = {}
        self._steps[step] = self._now()

    def shown(self) -> str:
        """Return the steps and their times, `settled=12.3456 ended=12.3461`."""
        return " ".join(f"{step}={at:.4f}" for step, at in self._steps.items())


def spans(shown: str) -> dict[GapStep, float]:
    """Return how long each step took, by what both processes have shown, joined.

    The first step has none. Raise ValueError for another text.
    """
    steps: dict[GapStep, float] = {}
    for word in shown.split():
        name, _, at = word.partition("=")
        steps[GapStep(name)] = float(at)
    found: dict[GapStep, float] = {}
    before: float | None = None
    for step in GapStep:
        if step in steps:
            if before is not None:
                found[step] = steps[step] - before
            before = steps[step]
    return found
