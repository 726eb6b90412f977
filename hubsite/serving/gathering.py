"""Requests that are answered many at once: kept until they are some, and never for long.

Laws:
1. A request waits only while others arrive, and at most GATHER_SECONDS. One that is alone waits
   for nothing.
2. At most AT_ONCE are handed out together, in the order in which they came.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar, runtime_checkable

GATHER_SECONDS = 0.05
AT_ONCE = 64
SHORT_BYTES = 4096
"""A longer request is none of these."""
_One = TypeVar("_One")


@dataclass(frozen=True, slots=True)
class Turn:
    """What became of requests, by their places: `ready`, or `waiting` for a turn that may wait.

    That turn is given what stands here of each that waits. The others are calls like any other.
    """

    ready: frozenset[int] = frozenset()
    waiting: Mapping[int, object] = field(default_factory=dict)


@runtime_checkable
class AnswersMany(Protocol):
    """An application that has some calls answered faster where it knows them all before."""

    def is_of_many(self, data: bytes) -> bool:
        """Tell whether a whole request, as it came, is such a call."""

    def before(
        self, requests: Sequence[bytes], waited: Sequence[object]
    ) -> AbstractContextManager[Turn]:
        """Make their answers ready, for calls of this thread within what is returned.

        `waited` is what a turn before has said of each that waits: then somebody else is asked,
        who may be away. It is empty in a first turn, which waits for nobody.
        """


class Gathering(Generic[_One]):
    """Those who wait, each with the moment since when; moments are monotonic seconds."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[_One, float]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, one: _One, now: float) -> None:
        """Take one in."""
        self._waiting.append((one, now))

    def due(self, now: float, do_others_arrive: bool) -> list[_One]:
        """Return who is to be answered now, none where it is better to wait (laws 1 and 2)."""
        is_time = (
            not do_others_arrive
            or len(self._waiting) >= AT_ONCE
            or bool(self._waiting and self._waiting[0][1] + GATHER_SECONDS <= now)
        )
        some = min(AT_ONCE, len(self._waiting)) if is_time else 0
        return [self._waiting.popleft()[0] for _ in range(some)]

    def seconds_left(self, now: float) -> float | None:
        """Return how long the one that waits longest may wait; None for nobody."""
        if not self._waiting:
            return None
        return max(0.0, self._waiting[0][1] + GATHER_SECONDS - now)
