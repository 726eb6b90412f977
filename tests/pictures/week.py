"""A week at a simulated site, as records: for the picture of `hubctl report`.

Law: it is written by hubd's own writer of evidence, and read by hubctl as any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

from hubcore.door.phases import Happening
from hubcore.evidence.records import Record, RecordKind, Value
from hubd.adapters.sqlite.audit import AuditStore

DAYS = 7
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
SEED = 1
BUSY = {7: 6, 8: 14, 9: 9, 10: 3, 11: 3, 12: 8, 13: 9, 14: 3, 15: 3, 16: 6, 17: 12, 18: 7, 19: 2}
"""How often the doors are opened in an hour of the day, by UTC."""
DENIALS = ("out-of-schedule", "out-of-schedule", "no-grant", "credential-revoked", "wrong-pin")
DOORS = {1: "front", 2: "back"}
PEOPLE = 12


async def write_week(file: Path, until_ms: int) -> None:
    """Write the records of the days before a moment into a new log."""
    records = sorted(_records(until_ms), key=lambda record: record.at_ms)
    async with await AuditStore.open(file) as store:
        for record in records:
            await store.append(record)


def _records(until_ms: int) -> Iterator[Record]:
    chance = Random(SEED)
    begins = until_ms - DAYS * DAY_MS
    yield Record(RecordKind.STARTED, begins, 0, {"version": "0.1.0", "floor": 0})
    midnight = begins - begins % DAY_MS
    for day in range(DAYS + 1):
        is_weekend = (midnight // DAY_MS + day + 4) % 7 in (0, 6)
        for hour, often in BUSY.items():
            at_ms = midnight + day * DAY_MS + hour * HOUR_MS
            for _ in range(often // 5 if is_weekend else often):
                for record in _visit(chance, at_ms + chance.randrange(HOUR_MS)):
                    if begins < record.at_ms < until_ms:
                        yield record


def _visit(chance: Random, at_ms: int) -> Iterator[Record]:
    """Somebody comes to a door: opens it, or is refused."""
    point = chance.choice((1, 1, 1, 2))
    facts: dict[str, Value] = {
        "op": chance.randbytes(8),
        "asker": chance.randrange(PEOPLE).to_bytes(8),
        "point": point,
        "action": 1,
        "path": chance.choice(("short", "short", "full")),
    }
    if chance.random() < 0.07:
        why = chance.choice(DENIALS)
        yield Record(RecordKind.ACCESS, at_ms, at_ms, {**facts, "allowed": False, "why": why})
        return
    yield Record(RecordKind.ACCESS, at_ms, at_ms, {**facts, "allowed": True, "why": None})
    opened_ms = at_ms + int(chance.lognormvariate(0.7, 0.4) * 1000)
    what = Happening.ACCESS_TAKEN if chance.random() < 0.96 else Happening.ACCESS_NOT_TAKEN
    door = {"door": DOORS[point], "what": str(what)}
    yield Record(RecordKind.DOOR, opened_ms, opened_ms, door)
    if chance.random() < 0.5:
        left_ms = opened_ms + chance.randrange(HOUR_MS)
        out = {"door": DOORS[point], "what": str(Happening.EXIT)}
        yield Record(RecordKind.DOOR, left_ms, left_ms, out)
