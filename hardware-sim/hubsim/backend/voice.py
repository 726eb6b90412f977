"""What the backend tells people on its standard error.

Law: what a hub can cause again and again is told at a pace of its own (`hubcore.timing.lines`).
Alarms, and decisions about a hub, are told at once: each is caused once.
"""

from __future__ import annotations

import sys
import time

from hubcore.timing.lines import LinePace


def shout(text: str) -> None:
    """Tell people."""
    print(f"backend: {text}", file=sys.stderr, flush=True)


class Complaints:
    """Tells what is wrong with a hub, at a pace that the hub does not set."""

    def __init__(self) -> None:
        self._pace = LinePace()

    def __call__(self, hub: str, text: str) -> None:
        """Tell people `text` of this hub, or leave it out."""
        line = self._pace.line(hub, f"hub {hub}: {text}", time.monotonic())
        if line is not None:
            shout(line)
