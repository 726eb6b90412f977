"""What happened, for the journal, the counters and `hubctl tail` at once.

Laws:
1. No whole id leaves here: `hubcore.evidence.facts` says how much of each fact is shown. The
   record has all of it.
2. An event at an access point names its door, too, so that it is found by either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hubcore.evidence.facts import EVENTS, Detail, EventName, Fact, shown
from hubcore.ports.clock import Clock
from hubd.adapters.host.log import get_logger
from hublocal.tail.events import EventTail


class Teller:
    """Takes events with their facts; `count` takes the event's name.

    `doors` has the door of each access point.
    """

    def __init__(
        self,
        tail: EventTail,
        clock: Clock,
        count: Callable[[str], None],
        doors: Mapping[int, str],
    ) -> None:
        self._tail = tail
        self._clock = clock
        self._count = count
        self._doors = dict(doors)
        self._log = get_logger()

    def __call__(self, event: EventName, facts: Detail) -> None:
        """Take one event."""
        name = str(event)
        self._count(name)
        shown_facts = shown(facts)
        door = self._doors.get(_number(facts.get(Fact.POINT)))
        if door is not None:
            shown_facts.setdefault(str(Fact.DOOR), door)
        is_bad = _is_bad(event, facts)
        if is_bad:
            self._log.warning(name, **shown_facts)
        else:
            self._log.info(name, **shown_facts)
        at = self._clock.wall()
        told = {**shown_facts, "event": name, "at": at}
        self._tail.publish(told, "warning" if is_bad else "info")


def _number(point: object) -> int:
    return point if isinstance(point, int) else 0  # 0 is no access point


def _is_bad(event: EventName, facts: Detail) -> bool:
    """Tell whether a technician should see it among the warnings."""
    if EVENTS[event].is_fault:
        return True
    is_down = facts.get(Fact.UP) is False
    has_problem = facts.get(Fact.STANDS) is True
    return is_down or has_problem
