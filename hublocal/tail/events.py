"""Events for onlookers: published without waiting, and queued for each onlooker up to a ceiling.

Laws:
1. `publish` never waits and never raises.
2. An event is encoded once, for all onlookers and for the memory.
3. A queue has a ceiling in events and in bytes, and so has the memory: the newest are kept.
4. A slow onlooker loses only its own events, and learns how many, in their place.
5. What must not be shown is replaced as in the logs. Evidence is in the records, not here.
6. Who asks for events since a moment learns from when on they are remembered, if that is later.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

import msgspec

from hubcore.redaction import redact

QUEUE_EVENTS_MAX = 256
QUEUE_BYTES_MAX = 256 * 1024
EVENT_BYTES_MAX = 16 * 1024
REMEMBERED_EVENTS_MAX = 512
REMEMBERED_BYTES_MAX = 256 * 1024
LEVELS = ("info", "warning")
"""Of events, as of their log lines; a warning is for a technician to see."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events an onlooker asks for; the level is the lowest, `since` is in Unix seconds."""

    door: str | None = None
    level: str = LEVELS[0]
    since: float | None = None


ALL = Filter()


@dataclass(frozen=True, slots=True)
class Told:
    """One event, and what filters look at."""

    at: float
    door: str | None
    level: str
    encoded: bytes

    def fits(self, asked: Filter) -> bool:
        """Tell whether an onlooker asked for it, whenever it was."""
        if asked.door is not None and asked.door != self.door:
            return False
        return LEVELS.index(self.level) >= LEVELS.index(asked.level)


@dataclass(frozen=True, slots=True)
class Batch:
    """Encoded events in order, and how many were lost *after* them."""

    events: Sequence[bytes] = ()
    lost: int = 0


NOTHING = Batch()


class Subscription:
    """One onlooker's queue; a context manager, gone at its exit.

    `past` has what is remembered of what it asked for, `begins` when the memory begins, if that is
    later than what it asked for.
    """

    def __init__(self, tail: EventTail, asked: Filter) -> None:
        self._tail = tail
        self.asked = asked
        self.past: Sequence[bytes] = ()
        self.begins: float | None = None
        self._events: deque[bytes] = deque()
        self._bytes = 0
        self._lost = 0
        self._some = asyncio.Event()

    def put(self, event: bytes | None) -> None:
        """Queue one encoded event; count it as lost when it is None or the queue is full."""
        if event is None or not self._has_room(event):
            self._lost += 1
        else:
            self._events.append(event)
            self._bytes += len(event)
        self._some.set()

    def _has_room(self, event: bytes) -> bool:
        if len(self._events) >= QUEUE_EVENTS_MAX:
            return False
        return self._bytes + len(event) <= QUEUE_BYTES_MAX

    async def next(self) -> Batch:
        """Wait until there is something, and return all of it."""
        await self._some.wait()
        self._some.clear()
        batch = Batch(events=tuple(self._events), lost=self._lost)
        self._events.clear()
        self._lost = 0
        self._bytes = 0
        return batch

    def __enter__(self) -> Subscription:
        self._tail.remind(self)
        self._tail.onlookers.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._tail.onlookers.discard(self)


class EventTail:
    """Where the use cases publish and the local API subscribes."""

    def __init__(self, begins: float = 0.0) -> None:
        """`begins`: from when on it remembers, in Unix seconds."""
        self.onlookers: set[Subscription] = set()
        self._begins = begins
        self._remembered: deque[Told] = deque()
        self._bytes = 0

    def publish(self, event: Mapping[str, object], level: str = LEVELS[0]) -> None:
        """Show one event to every onlooker that asked for it, and remember it.

        Call it on the event loop's thread.
        """
        shown = redact(event)
        encoded = msgspec.json.encode(shown)
        at = shown.get("at")
        door = shown.get("door")
        told = Told(
            at=float(at) if isinstance(at, int | float) else 0.0,
            door=door if isinstance(door, str) else None,
            level=level,
            encoded=encoded,
        )
        is_too_long = len(encoded) > EVENT_BYTES_MAX
        for onlooker in self.onlookers:
            if told.fits(onlooker.asked):
                onlooker.put(None if is_too_long else encoded)
        if not is_too_long:
            self._remember(told)

    def _remember(self, told: Told) -> None:
        self._remembered.append(told)
        self._bytes += len(told.encoded)
        while len(self._remembered) > REMEMBERED_EVENTS_MAX or self._bytes > REMEMBERED_BYTES_MAX:
            forgotten = self._remembered.popleft()
            self._bytes -= len(forgotten.encoded)
            self._begins = max(self._begins, forgotten.at)

    def remind(self, onlooker: Subscription) -> None:
        """Give an onlooker what is remembered since the moment that it asked for."""
        since = onlooker.asked.since
        if since is None:
            return
        onlooker.past = tuple(
            told.encoded
            for told in self._remembered
            if told.at >= since and told.fits(onlooker.asked)
        )
        onlooker.begins = self._begins if self._begins > since else None

    def subscribe(self, asked: Filter = ALL) -> Subscription:
        """Return a queue that is filled inside its `with` block."""
        return Subscription(self, asked)
