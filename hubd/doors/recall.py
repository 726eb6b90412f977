"""What the newest records say of operations that were asked before a restart.

Laws:
1. Only what an operation's own record says is believed; what another version wrote is passed over.
2. An age is never overstated: what is old enough to be forgotten is left out, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hubcore.access.words import Action, Denial
from hubcore.errors import AuditError
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import Record, RecordKind, StoredRecord, Value
from hubd.doors.operation import Operation

ORDER_REMEMBERED_SECONDS = 420.0
"""Longer than an order may live and a trusted clock may step back, together."""
_KINDS = (RecordKind.ACCESS, RecordKind.REMOTE)
_NOTHING_MOVED = (Denial.TOO_LATE, Denial.LOCKDOWN, Denial.BUSY)
"""With these nothing moved, in records of releases that do not say whether anything did."""


@dataclass(frozen=True, slots=True)
class Decided:
    """An operation was decided at monotonic second `at`; `why` None was a yes."""

    operation: Operation
    why: Denial | None
    at: float


@dataclass(frozen=True, slots=True)
class NothingMoved:
    """A granted release did not happen."""

    operation: Operation


def recall(records: Sequence[StoredRecord], now: float) -> Iterator[Decided | NothingMoved]:
    """Yield what the records say, the oldest first; `now` is the monotonic time."""
    for record, age_seconds in with_ages(records, now):
        found = _read(record, now - age_seconds)
        if found is not None:
            yield found


def _read(record: Record, at: float) -> Decided | NothingMoved | None:
    match record.detail:
        case {
            Fact.ASKER: str(asker),
            Fact.OP: bytes(op),
            Fact.POINT: int(point),
            Fact.ACTION: int(action),
            **rest,
        }:
            if record.kind not in _KINDS or action not in set(Action):
                return None
            uid = rest.get(Fact.UID)
            operation = Operation(
                kind=record.kind,
                asker=asker,
                op=op,
                point=point,
                action=Action(action),
                uid=uid if isinstance(uid, int) else None,
            )
            why = _denial(rest.get(Fact.WHY))
            return Decided(operation, why, at)
        case {
            Fact.OF: bytes(op),
            Fact.OF_KIND: str(kind),
            Fact.ASKER: str(asker),
            Fact.POINT: int(point),
            **rest,
        }:
            if kind not in _KINDS or not _nothing_moved(rest):
                return None
            operation = Operation(
                kind=RecordKind(kind),
                asker=asker,
                op=op,
                point=point,
                action=Action.OPEN,
            )
            return NothingMoved(operation)
    return None


def _nothing_moved(fault: Mapping[str, Value]) -> bool:
    """Tell whether the record of a release that did not happen says that nothing moved."""
    if Fact.MOVED in fault:
        return fault[Fact.MOVED] is False
    why = _denial(fault.get(Fact.WHY))
    return why in _NOTHING_MOVED


def _denial(why: Value) -> Denial | None:
    """Read a recorded reason; one of another version of hubd is a denial all the same."""
    if why is None:
        return None
    if isinstance(why, str) and why in set(Denial):
        return Denial(why)
    return Denial.NO_GRANT


def with_ages(records: Sequence[StoredRecord], now: float) -> Sequence[tuple[Record, float]]:
    """Return the records that may be remembered, each with its least age in seconds.

    The wall clock says nothing of an age: it is set. The monotonic clock begins again with each
    boot of the machine. So each life of the daemon, from its STARTED record on, is compared with
    the moment after it. If its last record has the greater time, the machine was booted in between,
    and all of that moment's time has passed since. If it has the smaller one, at least the
    difference has passed, booted or not.
    """
    found: list[tuple[Record, float]] = []
    moment = now
    moment_age = 0.0
    last: float | None = None
    """When the last record of this life was made."""
    for stored in reversed(records):
        record = _decoded(stored)
        if record is None:
            continue
        at = record.mono_ms / 1000
        if last is None:
            last = at
            moment_age += _passed(at, moment)
        age = moment_age + max(0.0, last - at)
        if age > ORDER_REMEMBERED_SECONDS:  # and so is what came before it
            break
        found.append((record, age))
        if record.kind is RecordKind.STARTED:
            moment = at
            moment_age = age
            last = None
    found.reverse()
    return found


def _passed(at: float, moment: float) -> float:
    """Return the least seconds from a record to a moment after it, perhaps of another boot."""
    if at > moment:
        return moment
    return moment - at


def _decoded(stored: StoredRecord) -> Record | None:
    """Return a record, None for one that a later version wrote."""
    try:
        return Record.decode(stored.body)
    except AuditError:
        return None
