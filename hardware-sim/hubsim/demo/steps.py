"""The steps of the demo, each printed after its facts were checked.

Laws:
1. A step is printed only after its facts were checked, at the strike's line, in the hub's answers
   or at the backend.
2. A step that did not happen ends the demo with exit status 1.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from rich.console import Console


class NotShown(Exception):
    """A step did not happen as it must."""


@dataclass(slots=True)
class Steps:
    """Prints each step with its time, after its facts were checked."""

    console: Console = field(default_factory=lambda: Console(highlight=False))
    began: float = field(default_factory=time.monotonic)
    count: int = 0

    def done(self, what: str, took_seconds: float | None = None) -> None:
        """A step has happened."""
        self.count += 1
        took = "" if took_seconds is None else f"  [dim]{took_seconds * 1000:.0f} ms[/dim]"
        at = time.monotonic() - self.began
        self.console.print(f"[green]✓[/green] [dim]{at:5.2f} s[/dim]  {what}{took}")


def expect(fact: bool, what: str) -> None:
    """Raise NotShown unless the fact holds."""
    if not fact:
        raise NotShown(what)
