"""A log of what clients provoke: however often they do it, few lines come of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hubcore.timing.pace import Bucket, Rate
from hublocal.owner import Log

REPEAT_SECONDS = 60.0
"""Between two lines about the same event."""
EVENTS_MAX = 64
"""Events with a count of their own; all others share one."""

_LINES = Rate(burst=1, per_second=1 / REPEAT_SECONDS)


@dataclass(slots=True)
class _Repeats:
    """How often an event came since it was logged, and when it may be logged again."""

    count: int = 0
    lines: Bucket = field(default_factory=lambda: Bucket(_LINES))


class SparseLog:
    """Logs an event at once, then once every REPEAT_SECONDS with how often it came since."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._repeats: dict[str, _Repeats] = {}

    def report(self, event: str, **facts: Any) -> None:
        """Log or count one event; one with `exc_info` is an error, any other a warning."""
        is_known = event in self._repeats
        has_room = len(self._repeats) < EVENTS_MAX
        key = event if is_known or has_room else "other"
        repeats = self._repeats.setdefault(key, _Repeats())
        repeats.count += 1
        now = asyncio.get_running_loop().time()
        if not repeats.lines.take(now):
            return
        log = self._log.error if "exc_info" in facts else self._log.warning
        log(event, times=repeats.count, **facts)
        repeats.count = 0
