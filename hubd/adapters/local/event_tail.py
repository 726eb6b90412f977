"""Events for onlookers: published without waiting, and queued for each onlooker up to a ceiling.

Laws:
1. `publish` never waits, never raises, and costs nothing while nobody looks.
2. An event is encoded once for all onlookers.
3. A queue has a ceiling in events and in bytes.
4. A slow onlooker loses only its own events, and learns how many, in their place.
5. What must not be shown is replaced as in the logs. Evidence is in the records, not here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

import msgspec

from hubd.adapters.host.redaction import redact

QUEUE_EVENTS_MAX = 256
QUEUE_BYTES_MAX = 256 * 1024
EVENT_BYTES_MAX = 16 * 1024


@dataclass(frozen=True, slots=True)
class Batch:
    """Encoded events in order, and how many were lost *after* them."""

    events: Sequence[bytes] = ()
    lost: int = 0


NOTHING = Batch()


class Subscription:
    """One onlooker's queue; a context manager, gone at its exit."""

    def __init__(self, tail: EventTail) -> None:
        self._tail = tail
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

    def __init__(self) -> None:
        self.onlookers: set[Subscription] = set()

    def publish(self, event: Mapping[str, object]) -> None:
        """Show one event to every onlooker. Call it on the event loop's thread."""
        if not self.onlookers:
            return
        shown = redact(event)
        encoded = msgspec.json.encode(shown)
        is_too_long = len(encoded) > EVENT_BYTES_MAX
        for onlooker in self.onlookers:
            onlooker.put(None if is_too_long else encoded)

    def subscribe(self) -> Subscription:
        """Return a queue that is filled inside its `with` block."""
        return Subscription(self)
