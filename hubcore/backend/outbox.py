"""Which record goes to the backend next: a window over the numbers, and growing patience.

Laws:
1. Records go in order.
2. At most `width` are sent and unanswered in one round.
3. A round without progress in time begins again with one record and twice the patience. So a
   backend that never acknowledges does not fill a paid line. Progress is a receipt: a slow line
   that brings some is not filled with repetitions.
4. Any receipt restores both.
5. A receipt for a number that was never sent, or was answered before, counts as nothing.
6. A record that a carrier holds makes room in the window and goes again later: after
   `held_seconds`, or on a new connection. It stays unanswered. At most HELD_MAX are so at once.
"""

from __future__ import annotations

HELD_MAX = 4096
"""So many records may be with a carrier and not yet durable; any beyond fill the window."""


class Outbox:
    """The sender's side of the receipts. Times are seconds of one monotonic clock, handed in."""

    def __init__(
        self,
        width: int,
        patience_seconds: float,
        patience_cap_seconds: float,
        held_seconds: float,
    ) -> None:
        self._held_seconds = held_seconds
        self._held: dict[int, float] = {}
        """When a carrier said that it has the record, by number; the longest ago first."""
        self._full_width = width
        self._width = width
        self._first_patience = patience_seconds
        self._patience = patience_seconds
        self._patience_cap = patience_cap_seconds
        self._unanswered: dict[int, float] = {}
        self._flying: dict[int, float] = {}
        """Of these, what was sent in this round and nobody has: when, the longest ago first."""
        self._progress_at = 0.0
        """When the last receipt came."""
        self.after = 0
        """The highest number sent in this round."""

    def rewind(self) -> None:
        """Begin a new round on a new connection: everything unanswered goes again.

        What was sent stays known.
        """
        self.after = 0
        self._held.clear()
        self._flying.clear()
        self._restore()

    def room(self) -> int:
        """How many records may be sent now."""
        return max(0, self._width - len(self._flying))

    def sent(self, number: int, now: float) -> None:
        """Record `number` was handed to the uplink."""
        self.after = number
        self._unanswered[number] = now
        self._flying.pop(number, None)
        self._flying[number] = now
        self._held.pop(number, None)

    def acknowledged(self, number: int, now: float) -> bool:
        """Take one receipt; tell whether it answers a record that was waiting for it."""
        self._held.pop(number, None)
        self._flying.pop(number, None)
        if self._unanswered.pop(number, None) is None:
            return False
        self._progress_at = now
        self._restore()
        return True

    def held(self, number: int, now: float) -> bool:
        """A carrier has this record; tell whether that makes room."""
        if number not in self._flying or len(self._held) >= HELD_MAX:
            return False
        del self._flying[number]
        self._held[number] = now
        self._restore()
        return True

    def _restore(self) -> None:
        self._width = self._full_width
        self._patience = self._first_patience

    def due(self) -> float | None:
        """When the round is overdue, None with nothing in flight."""
        overdue = []
        if self._flying:
            sent_at = next(iter(self._flying.values()))
            overdue.append(max(sent_at, self._progress_at) + self._patience)
        if self._held:
            held_at = next(iter(self._held.values()))
            overdue.append(held_at + self._held_seconds)
        return min(overdue, default=None)

    def begin_again_if_overdue(self, now: float) -> bool:
        """Go back to the first unanswered record if no receipt came in time; tell whether so."""
        due = self.due()
        if due is None or now < due:
            return False
        self.after = 0
        self._held.clear()
        self._flying.clear()
        self._width = 1
        self._patience = min(2 * self._patience, self._patience_cap)
        return True
