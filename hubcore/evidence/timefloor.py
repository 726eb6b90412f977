"""What this hub's own records prove about the time: a floor under the wall clock.

Laws:
1. A record proves that its moment has come only if somebody else had proven the clock: a phone that
   was let in by the full path (it refuses an epoch that is not valid by its own clock), a time
   service of the system, a person.
2. A start alone proves nothing, nor does a refusal: both happen by any clock, however wrong.
3. The backend confirms the clock, by its time or by an order that is not late, but it proves
   nothing: it knows what the hub's clock says, from the records, and can say the same. So its word
   never raises the floor.
4. A confirmation holds for one life of the daemon, and until the wall clock is set. Then somebody
   must confirm the clock again.
5. Whoever vouches for the clock says what the time is now. That moment is the floor, whatever was
   recorded before. The backend's vouch only lowers it.
6. The issuer's signature proves that its moment has come: a policy, or a list of revocations that a
   phone brought, raises the floor to when it was issued. It says nothing of what the time is now,
   so it confirms no clock.
7. A phone that is let in by the full path proves also a clock that the backend contradicts.
8. The records themselves carry the floor: each start, and a mark after MARK_RECORDS others. So it
   is found again from the newest records by number, whatever times they have.

How it works: every record, of before a restart or of now, goes through `take` in the order of its
number. `_Meaning` says what a record means for the clock; `take` says what follows from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from hubcore.access.claim import Strength
from hubcore.errors import AuditError
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import RecordKind, StoredRecord, Value, facts

STEP_MS = 300_000
"""A wall clock that moved by more than this against the monotonic one was set by somebody."""
PHONE_CLOCK_SECONDS = 300
"""How far a phone's clock may be from an epoch's validity (docs/protocol.md)."""
CONFIRMED_AHEAD_SECONDS = 3900 + PHONE_CLOCK_SECONDS
"""How far ahead a clock may be if a phone with a right clock confirms it: an epoch's life more."""
MARK_RECORDS = 500
PAGE_RECORDS = 256
PAGES_MAX = 64

ISSUED_MAX = 253_402_300_799
"""The end of the year 9999: a signature of a later moment says nothing."""
CONTRADICTED = "contradicted"
"""What a record says of a clock that only the backend doubts (`ports.clock.ClockState`)."""

BACKEND = "backend"
"""Who confirms and vouches, if no person does."""


class _Meaning(Enum):
    """What a record means for the clock."""

    NOTHING = "its moment, by whatever clock there was"
    BEGINS = "a new life of the daemon: its clock is not confirmed yet"
    AGREES = "the backend says the same"
    PROVES = "somebody else's clock agreed"
    SIGNED = "the issuer has signed it: the moment of its signature has come"
    LOWERS = "the backend says that less time has passed than was recorded"
    VOUCHES = "somebody says what the time is"


class TimeFloor:
    """The floor, and whether the clock is confirmed now; Unix and monotonic milliseconds."""

    def __init__(self) -> None:
        self.floor_ms = 0
        self.unmarked = 0
        """Records since one that carried the floor."""
        self._offset_ms: int | None = None
        """Wall less monotonic of the confirmed clock."""
        self._proven = False

    def proven(self, wall_ms: int, mono_ms: int) -> bool:
        """Tell whether the clock is confirmed by more than the backend, and not set since."""
        return self._proven and self.confirmed(wall_ms, mono_ms)

    def confirmed(self, wall_ms: int, mono_ms: int) -> bool:
        """Tell whether the clock is confirmed, and not set since."""
        if self._offset_ms is None:
            return False
        moved_ms = wall_ms - mono_ms - self._offset_ms
        return abs(moved_ms) <= STEP_MS

    def take(
        self,
        kind: str,
        at_ms: int,
        mono_ms: int,
        detail: Mapping[str, Value],
    ) -> None:
        """Learn from a record, in the order of their numbers."""
        meaning = _meaning(kind, detail)
        self.unmarked += 1
        match meaning:
            case _Meaning.BEGINS:
                self._offset_ms = None
                self._proven = False
            case _Meaning.PROVES | _Meaning.VOUCHES:
                self._offset_ms = at_ms - mono_ms
                self._proven = True
            case _Meaning.AGREES | _Meaning.LOWERS if not self.proven(at_ms, mono_ms):
                self._offset_ms = at_ms - mono_ms
                self._proven = False
        if _is_number(detail.get(Fact.FLOOR)):
            self._carried(detail)
        if meaning is _Meaning.SIGNED:
            self._signed(detail)
        if meaning is _Meaning.VOUCHES:
            self.floor_ms = at_ms
            self.unmarked = 0
        elif meaning is _Meaning.LOWERS:
            self.floor_ms = min(self.floor_ms, at_ms)
        elif self.proven(at_ms, mono_ms):
            self.floor_ms = max(self.floor_ms, at_ms)

    def _carried(self, detail: Mapping[str, Value]) -> None:
        """Take what a start or a mark says of the records before it."""
        floor_ms = detail[Fact.FLOOR]
        offset_ms = detail.get(Fact.OFFSET)
        if isinstance(floor_ms, int):
            self.floor_ms = floor_ms
            self.unmarked = 0
        if isinstance(offset_ms, int):
            self._offset_ms = offset_ms
            self._proven = detail.get(Fact.PROVEN) is True

    def _signed(self, detail: Mapping[str, Value]) -> None:
        """Take the moment of the issuer's signature."""
        issued = detail[Fact.ISSUED]
        if isinstance(issued, int) and 0 <= issued <= ISSUED_MAX:
            self.floor_ms = max(self.floor_ms, 1000 * issued)

    def mark(self) -> dict[Fact, Value]:
        """Return the facts that carry the floor within one life of the daemon."""
        return {Fact.FLOOR: self.floor_ms, Fact.OFFSET: self._offset_ms, Fact.PROVEN: self._proven}

    def begin(self) -> dict[Fact, Value]:
        """Return the facts that carry the floor into a new life."""
        return {Fact.FLOOR: self.floor_ms}


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _meaning(kind: str, detail: Mapping[str, Value]) -> _Meaning:
    if kind == RecordKind.STARTED:
        return _Meaning.BEGINS
    if kind == RecordKind.CLOCK:
        return _meaning_of_clock(detail)
    if kind in (RecordKind.POLICY, RecordKind.REVOCATION):
        return _Meaning.SIGNED if _is_number(detail.get(Fact.ISSUED)) else _Meaning.NOTHING
    if detail.get(Fact.ALLOWED) is not True:
        return _Meaning.NOTHING
    doubt = detail.get(Fact.CLOCK)
    if kind == RecordKind.REMOTE and doubt is None:
        return _Meaning.AGREES
    by_full_path = kind == RecordKind.ACCESS and detail.get(Fact.PATH) == Strength.FULL
    if by_full_path and doubt in (None, CONTRADICTED):
        return _Meaning.PROVES
    return _Meaning.NOTHING


def _meaning_of_clock(detail: Mapping[str, Value]) -> _Meaning:
    if Fact.VOUCHED_BY in detail:
        by_backend = detail[Fact.VOUCHED_BY] == BACKEND
        return _Meaning.LOWERS if by_backend else _Meaning.VOUCHES
    if Fact.CONFIRMED_BY in detail:
        by_backend = detail[Fact.CONFIRMED_BY] == BACKEND
        return _Meaning.AGREES if by_backend else _Meaning.PROVES
    return _Meaning.NOTHING


def from_records(newest: Callable[[int, int], Sequence[StoredRecord]], last: int) -> TimeFloor:
    """Return what the records prove; `last` is the number of the newest one.

    `newest(before, limit)` gives the records next below a number, oldest first. It is called back
    to the newest record that carries the floor. Records that this version cannot read prove
    nothing.
    """
    pages: list[Sequence[StoredRecord]] = []
    before = last + 1
    for _ in range(PAGES_MAX):
        page = newest(before, PAGE_RECORDS)
        if not page:
            break
        pages.append(page)
        before = page[0].number
        if any(_carries(record) for record in page):
            break
    floor = TimeFloor()
    for page in reversed(pages):
        for record in page:
            said = _read(record)
            if said is not None:
                floor.take(said["kind"], said["at"], said["mono"], said)
    return floor


def _carries(record: StoredRecord) -> bool:
    """Tell whether a record says where the floor is."""
    said = _read(record)
    if said is None:
        return False
    return Fact.FLOOR in said or _meaning(said["kind"], said) is _Meaning.VOUCHES


def _read(record: StoredRecord) -> dict[str, Any] | None:
    try:
        return facts(record.body)
    except AuditError:
        return None
