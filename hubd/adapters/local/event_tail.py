"""Events for whoever looks on: published without waiting, kept for each onlooker up to a ceiling,
then counted as lost.

Laws: `publish` never waits, never raises and costs nothing while nobody looks; an event is encoded
once for all; a queue has a ceiling in events and in bytes; one slow onlooker loses its own events
only and is told how many, in their place. Events are for people's eyes: evidence is in the records.
What must not be shown is replaced as in the logs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from types import TracebackType

import msgspec

from hubd.adapters.host.log import redact

QUEUE_EVENTS_MAX = 256
QUEUE_BYTES_MAX = 256 * 1024
EVENT_BYTES_MAX = 16 * 1024


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
        if (
            event is None
            or len(self._events) >= QUEUE_EVENTS_MAX
            or self._bytes + len(event) > QUEUE_BYTES_MAX
        ):
            self._lost += 1
        else:
            self._events.append(event)
            self._bytes += len(event)
        self._some.set()

    async def next(self) -> tuple[int, list[bytes]]:
        """Wait; return (how many were lost *after* these events, the encoded events in order)."""
        await self._some.wait()
        self._some.clear()
        taken = self._lost, list(self._events)
        self._lost = self._bytes = 0
        self._events.clear()
        return taken

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
        encoded: bytes | None = msgspec.json.encode(redact(None, "", dict(event)))
        if encoded is not None and len(encoded) > EVENT_BYTES_MAX:
            encoded = None
        for onlooker in self.onlookers:
            onlooker.put(encoded)

    def subscribe(self) -> Subscription:
        """Return a queue that is filled inside its `with` block."""
        return Subscription(self)
