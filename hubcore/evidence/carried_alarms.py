"""The alarms of the doors that stand, as the log carries them over a restart.

Laws:
1. An alarm stands when the newest record about it says that it began.
2. A record of what was left out (`too_often`) says what the door was in: that ends what a door in
   that state cannot have, and begins what it shows.
3. What cannot be read, or is of another kind, says nothing.
4. Nothing is opened by it: it is believed of records whose chain was not checked, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hubcore.door.phases import Happening
from hubcore.door.state import DoorState
from hubcore.errors import AuditError
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import Record, RecordKind, StoredRecord

BEGUN_BY_END: Mapping[Happening, Happening] = {
    Happening.FORCED_ENDED: Happening.FORCED,
    Happening.HELD_OPEN_ENDED: Happening.HELD_OPEN,
    Happening.TAMPER_ENDED: Happening.TAMPER,
    Happening.FAULT_ENDED: Happening.FAULT,
}
"""Each alarm's beginning, by its end."""
_BEGINS = frozenset(BEGUN_BY_END.values())
_OF_THE_LEAF = frozenset({Happening.FORCED, Happening.HELD_OPEN})
_SHUT = frozenset({DoorState.SECURED.name.lower(), DoorState.RELEASED.name.lower()})
_RAISED_BY_STATE = {
    DoorState.FORCED.name.lower(): Happening.FORCED,
    DoorState.HELD_OPEN.name.lower(): Happening.HELD_OPEN,
}
_WORDS = tuple(str(one).encode() for one in (*_BEGINS, Happening.TOO_OFTEN))
"""A record about an alarm has one of these in its bytes; others are not read."""


def standing_alarms(records: Sequence[StoredRecord]) -> dict[str, frozenset[Happening]]:
    """Return which alarms stand, each by its beginning, by door; `records` the oldest first."""
    found: dict[str, set[Happening]] = {}
    for record in _of_doors(records):
        door = record.detail.get(Fact.DOOR)
        what = record.detail.get(Fact.WHAT)
        if not isinstance(door, str) or what not in set(Happening):
            continue
        take_happening(found.setdefault(door, set()), Happening(what), record.detail)
    return {door: frozenset(standing) for door, standing in found.items() if standing}


def take_happening(
    standing: set[Happening], happening: Happening, detail: Mapping[str, object]
) -> None:
    """Change which alarms of a door stand; `detail` are the facts of the record that says it."""
    if happening in _BEGINS:
        standing.add(happening)
    elif happening in BEGUN_BY_END:
        standing.discard(BEGUN_BY_END[happening])
    elif happening is Happening.TOO_OFTEN:
        _sum_up(standing, detail.get(Fact.STATE))


def _sum_up(standing: set[Happening], state: object) -> None:
    """Take what a door was in after happenings that have no records of their own."""
    if state in _SHUT:
        standing -= _OF_THE_LEAF
    raised = _RAISED_BY_STATE.get(str(state))
    if raised is not None:
        standing.add(raised)


def _of_doors(records: Sequence[StoredRecord]) -> Iterator[Record]:
    for stored in records:
        if not any(word in stored.body for word in _WORDS):
            continue
        try:
            record = Record.decode(stored.body)
        except AuditError:
            continue
        if record.kind is RecordKind.DOOR:
            yield record
