"""Which locks were unlocked over a socket, and not proven to be locked since.

Law: one report of a lock may have been under way before its command. So PROOFS of them say that it
is locked, and only after it was told to lock.
"""

from __future__ import annotations

from drivers.openzwave.values import LOCKED

PROOFS = 2


class OpenedLocks:
    """Locks by their numbers."""

    def __init__(self) -> None:
        self._missing: dict[int, int] = {}
        """How many reports each still owes."""
        self._is_locking: set[int] = set()

    def was_set(self, number: int, value: int) -> None:
        """A lock is told to unlock or to lock."""
        if value != LOCKED:
            self._missing[number] = PROOFS
            self._is_locking.discard(number)
        elif number in self._missing:
            self._missing[number] = PROOFS
            self._is_locking.add(number)

    def said(self, number: int, value: int) -> None:
        """A lock reported how it stands."""
        if number not in self._is_locking:
            return
        if value != LOCKED:
            self._missing[number] = PROOFS
            return
        self._missing[number] -= 1
        if not self._missing[number]:
            del self._missing[number]
            self._is_locking.discard(number)

    def numbers(self) -> tuple[int, ...]:
        """Return those that may stand open by us."""
        return tuple(self._missing)
