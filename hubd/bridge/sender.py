"""Records go to the bridge, each one, whether the backend has it or not.

How it works: the bridge says after which record it wants records. From there on they go in order, a
window at a time; Held makes room for the next ones. It lets nothing go from the log.

Laws:
1. Records go in order, each one that this hub has, also what the backend has: the bridge is to see
   the chain.
2. On a new connection it begins where the bridge says. Where those records have gone, it begins
   with the oldest that this hub has.
3. Held counts for this way alone. What is not held in time goes again.
4. A full bridge gets no record until its time is over. It counts as full until it holds one again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

from hubcore.backend.outbox import Outbox
from hubcore.backend.pace import Pace
from hubcore.evidence.records import Head, StoredRecord
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog

READ_AT_ONCE = 64
"""Records in one look at the log."""
UNHELD_MAX = 4096
"""So many records may be sent and not yet held. A bridge puts up to 2,048 into a commit, and
meanwhile others are to be under way: it reads them only as fast as it writes.
"""


class RecordsToBridge:
    """The hub's side of Evidence and Held. One task calls `send`."""

    def __init__(
        self,
        *,
        records: AuditLog,
        clock: Clock,
        pace: Pace,
        say: Callable[[Sequence[StoredRecord]], int],
        doors_first: Callable[[], Awaitable[None]],
    ) -> None:
        """`say` hands records to the connection in order; it returns how many that took.

        `doors_first` gives the doors their turn.
        """
        self._records = records
        self._clock = clock
        self._pace = pace
        self._say = say
        self._doors_first = doors_first
        self._base: Head | None = None
        self._outbox = self._new_outbox()
        self._full_until = 0.0
        self.is_full = False
        """Whether the bridge has said that it has no room, and has held none since (law 4)."""
        self._unheld: set[int] = set()
        """Sent on this connection, and not said to be held."""
        self.held_number = 0
        """The newest record that the bridge has said to hold."""

    def begin(self, held: Head) -> None:
        """The bridge has all up to this record (law 2)."""
        self._base = held
        self._outbox = self._new_outbox()
        self._unheld = set()
        self._full_until = 0.0
        self.is_full = False
        self.held_number = held.number

    def stop(self) -> None:
        """The connection is gone, or the bridge takes none."""
        self._base = None

    def held(self, numbers: Iterable[int]) -> None:
        """The bridge holds these records (law 3)."""
        now = self._clock.monotonic()
        answered = [one for one in numbers if self._outbox.acknowledged(one, now)]
        if answered:
            self._unheld.difference_update(answered)
            self.is_full = now < self._full_until
            self.held_number = max(self.held_number, *answered)

    def full(self, seconds: int) -> None:
        """The bridge has no room for so long (law 4)."""
        self._full_until = self._clock.monotonic() + seconds
        self.is_full = True
        self._outbox.rewind()

    @property
    def waiting(self) -> int:
        """How many records the bridge does not hold yet, as far as it has said."""
        return max(0, self._records.last() - self.held_number)

    async def send(self) -> float | None:
        """Send what fits; return when to look again, None when a Held or a record must come first.

        Raise StoreError.
        """
        base = self._base
        if base is None:
            return None
        now = self._clock.monotonic()
        if now < self._full_until:
            return self._full_until
        self._outbox.begin_again_if_overdue(now)
        while self._base is base and self._outbox.room():
            after = self._outbox.after or min(self._unheld, default=base.number + 1) - 1
            records = self._next(after, min(READ_AT_ONCE, self._outbox.room()))
            if not records:
                break
            taken = self._say(records)
            for record in records[:taken]:
                self._outbox.sent(record.number, now)
                self._unheld.add(record.number)
            if taken < len(records):
                return now + self._pace.retry_seconds
            await self._doors_first()
        return self._outbox.due()

    def _next(self, after: int, most: int) -> Sequence[StoredRecord]:
        last = self._records.last()
        if after >= last:
            return ()
        oldest_after = max(after, self._records.gone())
        before = min(last, oldest_after + most) + 1
        found = self._records.newest(before, most)
        return [one for one in found if one.number > oldest_after]

    def _new_outbox(self) -> Outbox:
        return Outbox(
            width=self._pace.window,
            patience_seconds=self._pace.acknowledge_seconds,
            patience_cap_seconds=self._pace.acknowledge_cap_seconds,
            held_seconds=self._pace.held_seconds,
        )
