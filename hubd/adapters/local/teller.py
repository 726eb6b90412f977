"""What happened, for the journal, the counters and `hubctl tail` at once.

Law: no whole id leaves here: `hubcore.evidence.facts` says how much of each fact is shown. The
record has all of it.
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
        shown_facts = shown(facts)
        if _is_bad(event, facts):
            self._log.warning(name, **shown_facts)
        else:
            self._log.info(name, **shown_facts)
        at = self._clock.wall()
        self._tail.publish({**shown_facts, "event": name, "at": at})


def _is_bad(event: EventName, facts: Detail) -> bool:
    """Tell whether a technician should see it among the warnings."""
    if EVENTS[event].is_fault:
        return True
    is_down = facts.get(Fact.UP) is False
    has_problem = facts.get(Fact.STANDS) is True
    return is_down or has_problem
