"""Records go up, until the backend has acknowledged each.

Laws:
1. A record waits until the backend has acknowledged its own number.
2. Records go up in order, a window at a time.
3. On a new uplink, what was sent and not acknowledged goes again.
4. A receipt counts once the log has noted it. While the log cannot, it is kept here.
5. What the backend has lost again waits again, a step at a time. Nothing is sent before the last
   step, and then a new round begins: what was sent meanwhile has passed by what is taken back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence

import structlog

from hubcore.backend.outbox import Outbox
from hubcore.backend.pace import Pace
from hubcore.backend.talk.effects import Comparison
from hubcore.backend.uplink import from_hub
from hubcore.errors import FrameError, StoreError
from hubcore.evidence.records import Head, StoredRecord
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog
from hubd.backend.oldest import OldestWaiting

log = structlog.get_logger()

SENT_AT_ONCE = 16
"""Records that are handed over before the doors have their turn."""

READ_AHEAD = 256
"""Records in one look at the log: receipts make room for a few at a time."""

TAKEN_BACK_AT_ONCE = 2000
"""Records in one step, so that a release never waits for long behind one."""


class RecordSender:
    """The hub's side of records and receipts. One task calls `note_receipts` and `send`."""

    def __init__(
        self,
        *,
        records: AuditLog,
        clock: Clock,
        pace: Pace,
        say: Callable[[from_hub.HubMessage], bool],
        counters: Counter[str],
        doors_first: Callable[[], Awaitable[None]],
    ) -> None:
        """`say` hands a message to the uplink; False when the uplink takes none for now.

        `doors_first` gives the doors their turn.
        """
        self._doors_first = doors_first
        self._records = records
        self._clock = clock
        self._retry_seconds = pace.retry_seconds
        self._say = say
        self._counters = counters
        self._outbox = Outbox(
            width=pace.window,
            patience_seconds=pace.acknowledge_seconds,
            patience_cap_seconds=pace.acknowledge_cap_seconds,
            held_seconds=pace.held_seconds,
        )
        self._lost_after: Head | None = None
        """The newest record that the backend still has, while those after it are taken back."""
        self._round = 0
        self._ahead: Sequence[StoredRecord] = ()
        """Records that were read and not sent yet, those after `self._ahead_of`."""
        self._ahead_of = 0
        self._receipts: set[int] = set()
        """Numbers that the log does not have as acknowledged yet."""
        self.oldest = OldestWaiting(records, clock)
        self.stopped_by = ""
        """Which record cannot be sent, and why, in a sentence; "" while all can."""

    def rewind(self) -> None:
        """Begin a new round: all that is not acknowledged goes again."""
        self._outbox.rewind()
        self._lost_after = None
        self._round += 1
        self.stopped_by = ""

    def acknowledged(self, numbers: Iterable[int]) -> None:
        """Take receipts; one for a record that does not wait for it is only counted."""
        now = self._clock.monotonic()
        for number in numbers:
            if self._outbox.acknowledged(number, now):
                self._receipts.add(number)
            else:
                self._counters["acknowledged_unasked"] += 1

    def held(self, numbers: Iterable[int]) -> None:
        """A carrier has these records: others may go meanwhile."""
        now = self._clock.monotonic()
        for number in numbers:
            if not self._outbox.held(number, now):
                self._counters["held_in_vain"] += 1

    def compare(self, durable: Head) -> Comparison:
        """Hold the log against the newest record that the backend has durably."""
        if durable.number > self._records.last():
            return Comparison.SHORTER
        try:
            if not self._records.holds(durable):
                return Comparison.OTHER
        except StoreError:  # nothing can be sent either; the next Welcome is looked at again
            return Comparison.AGREES
        noted = self._records.newest_acknowledged()
        if max(noted, *self._receipts, 0) > durable.number:
            return Comparison.LOST
        return Comparison.AGREES

    def send_again(self, durable: Head) -> None:
        """The backend has lost what comes after this record."""
        self._lost_after = durable

    @property
    def lost_after(self) -> Head | None:
        """The newest record that the backend still has, while those after it are taken back."""
        return self._lost_after

    @property
    def sent(self) -> int:
        """The newest record that was sent on this uplink, 0 for none."""
        return self._outbox.after

    async def take_back(self) -> bool:
        """Take back one step of what the backend has lost; True when nothing is left.

        Raise StoreError.
        """
        durable = self._lost_after
        if durable is None:
            return True
        ended = await self._records.take_back(durable.number, TAKEN_BACK_AT_ONCE)
        self.oldest.begin_again()
        if ended and self._lost_after is durable:  # another loss may have been told meanwhile
            self.rewind()
        return self._lost_after is None

    async def note_receipts(self) -> None:
        """Tell the log which records the backend holds. Raise StoreError."""
        while self._receipts:
            numbers = sorted(self._receipts)
            await self._records.acknowledge(numbers)
            self._receipts.difference_update(numbers)
            self.oldest.acknowledged(numbers)

    async def send(self) -> float | None:
        """Send what fits; return when to try again, None when only a receipt makes room.

        Raise StoreError.
        """
        now = self._clock.monotonic()
        if self._outbox.begin_again_if_overdue(now):
            self._counters["resends"] += 1
        all_sent = await self._fill_window()
        overdue_at = self._outbox.due()
        if all_sent:
            return overdue_at
        retry_at = now + self._retry_seconds
        return retry_at if overdue_at is None else min(overdue_at, retry_at)

    async def _fill_window(self) -> bool:
        """Send records while the window has room; False when the next must be tried again."""
        room = self._outbox.room()
        if not room:
            return True
        round_ = self._round
        records = await self._next(room)
        for sent, stored in enumerate(records, start=1):
            if self._round != round_:
                return True  # the uplink went meanwhile; the next round sends it
            try:
                evidence = from_hub.Evidence(stored.number, stored.body, stored.hash)
            except FrameError as error:
                self._stop_at(stored.number, error)
                return False
            if not self._say(evidence):
                return False
            self._outbox.sent(stored.number, self._clock.monotonic())
            if sent % SENT_AT_ONCE == 0:
                await self._doors_first()
        return True

    async def _next(self, room: int) -> Sequence[StoredRecord]:
        """Return at most so many records that go next. Raise StoreError."""
        after = self._outbox.after
        if self._ahead_of != after or not self._ahead:
            self._ahead = ()
            self._ahead = await self._records.unacknowledged(after, READ_AHEAD)
        records = self._ahead[:room]
        self._ahead = self._ahead[room:]
        self._ahead_of = records[-1].number if records else after
        return records

    def _stop_at(self, number: int, error: FrameError) -> None:
        self.stopped_by = f"record {number} cannot be sent, nor those after it: {error}"
        if not self._counters["unsendable"]:
            log.warning("record_unsendable", number=number, why=str(error))
        self._counters["unsendable"] += 1
