"""What happened, for the journal, the counters and `hubctl tail` at once.

Law: no whole id leaves here (`hubcore.evidence.facts` says how much of each fact is shown); the
record has all.
"""

from __future__ import annotations

from collections.abc import Callable

from hubcore.evidence.facts import EVENTS, Detail, EventName, Fact, shown
from hubcore.ports.clock import Clock
from hubd.adapters.host.log import get_logger
from hubd.adapters.local.event_tail import EventTail


class Teller:
    """Takes events with their facts; `count` takes the event's name."""

    def __init__(self, tail: EventTail, clock: Clock, count: Callable[[str], None]) -> None:
        self._tail = tail
        self._clock = clock
        self._count = count
        self._log = get_logger()

    def __call__(self, event: EventName, facts: Detail) -> None:
        """Take one event."""
        name = str(event)
        self._count(name)
        told = shown(facts)
        is_bad = (
            EVENTS[event].is_fault or facts.get(Fact.UP) is False or facts.get(Fact.STANDS) is True
        )
        say = self._log.warning if is_bad else self._log.info
        say(name, **told)
        self._tail.publish({**told, "event": name, "at": self._clock.wall()})
