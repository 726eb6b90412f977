"""Which record goes to the backend next: a window over the numbers, a memory of what was sent,
growing patience.

Laws: records go in order; at most `width` are sent and unanswered in one round; a round that makes
no progress in time is begun again with one record and twice the patience, so that a backend which
never acknowledges does not fill a paid line; any receipt restores both; a receipt for a number that
was never sent, or was answered before, counts as nothing.
"""

from __future__ import annotations


class Outbox:
    """The sender's side of the receipts. Times are seconds of one monotonic clock, handed in."""

    def __init__(self, width: int, patience_seconds: float, patience_cap_seconds: float) -> None:
        self._full_width = self._width = width
        self._first_patience = self._patience = patience_seconds
        self._patience_cap = patience_cap_seconds
        self._unanswered: dict[int, float] = {}
        self.after = 0
        """The highest number sent in this round."""

    def rewind(self) -> None:
        """Begin a new round, on a new link: everything unanswered goes again.

        What was sent stays known.
        """
        self.after = 0
        self._width = self._full_width
        self._patience = self._first_patience

    def room(self) -> int:
        """How many records may be sent now."""
        return max(0, self._width - sum(number <= self.after for number in self._unanswered))

    def sent(self, number: int, now: float) -> None:
        """Record `number` was handed to the link."""
        self.after = number
        self._unanswered[number] = now

    def acknowledged(self, number: int) -> bool:
        """Take one receipt; tell whether it answers a record that was waiting for it."""
        if self._unanswered.pop(number, None) is None:
            return False
        self._width = self._full_width
        self._patience = self._first_patience
        return True

    def due(self) -> float | None:
        """When the round is overdue, None with nothing in flight."""
        oldest = min(
            (at for number, at in self._unanswered.items() if number <= self.after), default=None
        )
        return None if oldest is None else oldest + self._patience

    def begin_again_if_overdue(self, now: float) -> bool:
        """Go back to the first unanswered record when no receipt came in time; tell whether it was
        so.
        """
        due = self.due()
        if due is None or now < due:
            return False
        self.after = 0
        self._width = 1
        self._patience = min(2 * self._patience, self._patience_cap)
        return True
