"""Records of this very moment, by the clocks of the hub."""

from __future__ import annotations

from hubcore.evidence.facts import Detail
from hubcore.evidence.records import Record, RecordKind
from hubcore.ports.clock import Clock


def record_now(clock: Clock, kind: RecordKind, detail: Detail) -> Record:
    """Return a record of what is so now."""
    wall = clock.wall()
    monotonic = clock.monotonic()
    return Record.at(kind, wall, monotonic, detail)
