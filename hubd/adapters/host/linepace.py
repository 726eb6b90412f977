"""How many log lines of one kind are written: what a peer does over and over fills no journal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hubcore.timing.pace import Bucket, Rate
from hubd.adapters.host.structured import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger

LINES = Rate(burst=60, per_second=1.0)
"""Of one kind. Lines above it are counted, and the count is logged each LEFT_OUT_SECONDS."""
KIND_KEYS = ("event", "allowed", "error", "part", "library")
KIND_CHARS = 64
KINDS_MAX = 256
"""Kinds with a pace of their own; all others share one."""
LEFT_OUT = "lines_left_out"
LEFT_OUT_SECONDS = 60.0

_Kind = tuple[str, ...]
_OTHER: _Kind = ("other",)


@dataclass(slots=True)
class _LeftOut:
    """Lines of one kind that were left out; `first` and `last` in Unix seconds."""

    first: float
    last: float
    count: int = 0


class LinePace:
    """Lets so many lines of one kind through and counts the rest; `report` gives the counts.

    A kind is an event with what tells its lines apart by the program's own words (KIND_KEYS).
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._lock = threading.Lock()
        self._buckets: dict[_Kind, Bucket] = {}
        self._left_out: dict[_Kind, _LeftOut] = {}

    def __call__(self, _logger: WrappedLogger | None, _method: str, event: EventDict) -> EventDict:
        """Pass a line on, or raise DropEvent."""
        if event.get("event") == LEFT_OUT:
            return event
        kind = _kind_of(event)
        with self._lock:
            if kind not in self._buckets and len(self._buckets) >= KINDS_MAX:
                kind = _OTHER
            bucket = self._buckets.setdefault(kind, Bucket(LINES))
            if bucket.take(self._monotonic()):
                return event
            self._count(kind)
        raise structlog.DropEvent

    def _count(self, kind: _Kind) -> None:
        now = self._wall()
        left_out = self._left_out.setdefault(kind, _LeftOut(first=now, last=now))
        left_out.count += 1
        left_out.last = now

    def report(self) -> list[dict[str, Any]]:
        """Return what was left out since the last report.

        Each has the kind, how many, and first and last in Unix seconds.
        """
        with self._lock:
            kinds = self._left_out
            self._left_out = {}
        return [
            {
                "of": " ".join(kind),
                "count": left_out.count,
                "first": round(left_out.first, 3),
                "last": round(left_out.last, 3),
            }
            for kind, left_out in kinds.items()
        ]


def _kind_of(event: EventDict) -> _Kind:
    words: list[str] = []
    for key in KIND_KEYS:
        if key in event:
            word = str(event[key])
            words.append(word[:KIND_CHARS])
    return tuple(words)
