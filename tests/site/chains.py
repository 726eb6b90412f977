"""Chains of records as a hub makes them, and messages of the engine as a gateway writes them."""

from __future__ import annotations

from collections.abc import Iterable

from hubcore.evidence.facts import Fact, RecordKind
from hubcore.evidence.records import Head, Record, StoredRecord, chain_hash
from hubgateway.rules.chain import write_batch
from hubsite.records.engine import Message

NOW = 1_900_000_000
"""The moment of the first record, in Unix seconds; each comes a second after the one before."""


def access(allowed: bool = True, point: int = 1, credential: str = "c1", **more: object) -> dict:  # type: ignore[type-arg]
    why = None if allowed else "no-grant"
    said = {Fact.ASKER: credential, Fact.POINT: point, Fact.ALLOWED: allowed, Fact.WHY: why}
    return {"kind": RecordKind.ACCESS, **said, **more}


def at_door(what: str, door: str = "front", **more: object) -> dict:  # type: ignore[type-arg]
    return {"kind": RecordKind.DOOR, Fact.DOOR: door, Fact.WHAT: what, **more}


def made(bodies: Iterable[bytes], before: Head = Head()) -> list[StoredRecord]:  # noqa: B008
    found = []
    for body in bodies:
        number = before.number + 1
        digest = chain_hash(before.hash, number, body)
        found.append(StoredRecord(number, body, digest))
        before = Head(number, digest)
    return found


def told(*facts: dict, before: Head = Head(), at: int = NOW) -> list[StoredRecord]:  # type: ignore[type-arg]  # noqa: B008
    """Return a chain that says these facts, a second each."""
    bodies = []
    for place, said in enumerate(facts):
        detail = {str(key): value for key, value in said.items() if key != "kind"}
        moment = (at + place) * 1000
        bodies.append(Record(said["kind"], moment, moment, detail).encode())
    return made(bodies, before)


def visits(count: int, before: Head = Head(), at: int = NOW) -> list[StoredRecord]:  # noqa: B008
    return told(*[access() for _ in range(count)], before=before, at=at)


def head(records: list[StoredRecord]) -> Head:
    return Head(records[-1].number, records[-1].hash)


def message(place: int, records: list[StoredRecord], hub: str = "hub-1", at: int = 0) -> Message:
    return Message(place, hub, write_batch(records), at)
