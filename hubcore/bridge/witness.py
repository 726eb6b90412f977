"""What a bridge has seen of a hub's chain, and how a hub shows that was turned back.

How it works: the first Hello of a hub tells where its chain stands, and the bridge begins there.
From then on only the true successor of the newest record is new. A hub whose disk was swapped, or
set back to an older copy, has fewer records than the bridge has seen, or others under the same
numbers. The first of these that comes is enough.

Laws:
1. A hub that keeps its log is never doubted: whatever is lost, late or comes twice, and however
   often hub and bridge start again.
2. A Hello that names fewer records than were seen is a cut tail. One that names another record
   under a number that was seen is a fork, and so is a record with other bytes, or one that does not
   follow.
3. A doubt stays, whatever the hub says later. Only somebody's decision ends it (`accept`).
4. A Hello counts only on the newest connection: on an older one it may be late. A record counts on
   each: its hash does not become another.
5. A hole is passed only over a head that the backend has signed. Over a head that the hub names it
   is not: who was turned back could name one.
6. An empty bridge knows nothing: it believes the first Hello. What was turned back before is for
   the backend to see.
7. What is judged is a value. Keep it on the disk in the transaction that keeps the record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from hubcore.backend.uplink.words import Cause
from hubcore.errors import AuditError
from hubcore.evidence.records import GENESIS, Head, StoredRecord, follows

HashOf = Callable[[int], bytes | None]
"""Returns the chain's hash with a record that was seen, None where it is not kept any more."""


class Sight(Enum):
    """What a record is to a bridge."""

    NEW = "new"
    """It follows the newest: keep it, then say Held."""
    AGAIN = "again"
    """It is held: say Held again."""
    OLD = "old"
    """It is older than what is kept here. It was not compared, so nothing is said of it."""
    EARLY = "early"
    """Its predecessor has not come."""
    DOUBTED = "doubted"
    """The hub is in doubt: nothing of it is taken."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a hub is doubted: `told` is what it said, and what was seen does not have."""

    cause: Cause
    told: Head


@dataclass(frozen=True, slots=True)
class SeenChain:
    """What is known of one hub. `turn` numbers its connections, the newest has the highest."""

    head: Head
    turn: int
    doubt: Doubt | None = None

    def meet(self, turn: int, durable: Head, newest: Head, hash_of: HashOf) -> SeenChain:
        """Return what is known after a Hello on this connection."""
        if turn < self.turn or self.doubt is not None:
            return self
        met = replace(self, turn=turn)
        if newest.number < self.head.number:
            cause = Cause.FORK if self._is_other(newest, hash_of) else Cause.TAIL_CUT
            return replace(met, doubt=Doubt(cause, newest))
        for told in (durable, newest):
            if self._is_other(told, hash_of):
                return replace(met, doubt=Doubt(Cause.FORK, told))
        return met

    def take(self, record: StoredRecord, hash_of: HashOf) -> tuple[Sight, SeenChain]:
        """Return what a record is, and what is known after it."""
        if self.doubt is not None:
            return Sight.DOUBTED, self
        if record.number > self.head.number + 1:
            return Sight.EARLY, self
        told = Head(record.number, record.hash)
        if record.number == self.head.number + 1:
            if not _follows(self.head, record):
                return self._fork(told)
            return Sight.NEW, SeenChain(told, self.turn)
        if self._is_other(told, hash_of):
            return self._fork(told)
        seen = self._hash(record.number, hash_of)
        before = self._hash(record.number - 1, hash_of)
        if seen is None:
            return Sight.OLD, self
        if before is not None and not _follows(Head(record.number - 1, before), record):
            return self._fork(told)
        return Sight.AGAIN, self

    def jump(self, signed: Head) -> SeenChain:
        """Return what is known once the backend has signed this head, further on than was seen."""
        if self.doubt is not None or signed.number <= self.head.number:
            return self
        return replace(self, head=signed)

    def accept(self, head: Head) -> SeenChain:
        """Return what is known once somebody has decided that the chain goes on from here."""
        return replace(self, head=head, doubt=None)

    def _fork(self, told: Head) -> tuple[Sight, SeenChain]:
        return Sight.DOUBTED, replace(self, doubt=Doubt(Cause.FORK, told))

    def _hash(self, number: int, hash_of: HashOf) -> bytes | None:
        if number == 0:
            return GENESIS
        return self.head.hash if number == self.head.number else hash_of(number)

    def _is_other(self, told: Head, hash_of: HashOf) -> bool:
        """Tell whether another record was seen under this number."""
        if told.number > self.head.number:
            return False
        seen = self._hash(told.number, hash_of)
        return seen is not None and seen != told.hash


def begin(turn: int, durable: Head) -> SeenChain:
    """Return what an empty bridge knows after the first Hello of a hub (law 6)."""
    return SeenChain(durable, turn)


def _follows(before: Head, record: StoredRecord) -> bool:
    try:
        follows(before, record)
    except AuditError:
        return False
    return True
