"""What does not fit the list of facts: of a record, and of an event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hubcore.evidence.facts import (
    EVENTS,
    FACTS,
    ON_EVERY_RECORD,
    RECORD_FACTS,
    EventName,
    Fact,
    RecordKind,
    Value,
)


def misfits_of_record(kind: RecordKind, detail: Mapping[str, Value]) -> list[str]:
    """Return what a record says that its kind does not, a sentence each."""
    return list(_misfits(f"a {kind} record", RECORD_FACTS[kind] | ON_EVERY_RECORD, detail))


def misfits_of_event(event: str, facts: Mapping[str, Value]) -> list[str]:
    """Return what an event says that it should not, a sentence each."""
    if event not in set(EventName):
        return [f"no event is called {event}"]
    return list(_misfits(f"the event {event}", EVENTS[EventName(event)].facts, facts))


def _misfits(what: str, allowed: frozenset[Fact], said: Mapping[str, Value]) -> Iterator[str]:
    for name, value in said.items():
        if name not in allowed:
            yield f"{what} has no fact {name}"
        elif type(value) not in FACTS[Fact(name)].types:
            yield f"{name} of {what} is no {type(value).__name__}"
