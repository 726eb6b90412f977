"""The newest records that wait for the backend, in memory: to send them as they come asks no disk.

Laws:
1. What is here is durable, and waits. Of the records above the floor all that wait are here.
2. At most RECENT records are here. The oldest leave first, and the floor rises to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from hubcore.evidence.records import StoredRecord

RECENT = 256
"""A MiB of the longest records."""


class RecentRecords:
    """Told of all that becomes durable, in its order."""

    def __init__(self, newest: int) -> None:
        """`newest` is the number of the newest record: those before it are on the disk alone."""
        self._floor = newest
        self._waiting: dict[int, StoredRecord] = {}

    def appended(self, records: Iterable[StoredRecord]) -> None:
        """These records are durable, and wait."""
        for record in records:
            self._waiting[record.number] = record
            if len(self._waiting) > RECENT:
                self._floor = next(iter(self._waiting))
                del self._waiting[self._floor]

    def acknowledged(self, numbers: Iterable[int]) -> None:
        """These wait no longer."""
        for number in numbers:
            self._waiting.pop(number, None)

    def taken_back(self, newest: int) -> None:
        """Older records wait again, up to the newest: the disk knows which."""
        self._floor = newest
        self._waiting.clear()

    def after(self, number: int, limit: int, waiting: int) -> Sequence[StoredRecord] | None:
        """Return at most `limit` records above a number that wait, of `waiting` in all.

        None: the disk must be asked.
        """
        if number < self._floor and waiting > len(self._waiting):
            return None
        above = (record for record in self._waiting.values() if record.number > number)
        return list(islice(above, max(0, limit)))
