"""What happened, for the journal, the counters and `hubctl tail` at once.

Law: no whole id leaves here; its first characters, at most half of them, tell a technician which record is meant, and
the record has all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hubcore.evidence.records import Value
from hubcore.ports.clock import Clock
from hubd.adapters.host.log import get_logger
from hubd.adapters.local.event_tail import EventTail

IDS = frozenset({"asker", "grant", "op", "of"})
ID_CHARS = 8
FAULTS = frozenset(
    {
        "audit_failed",
        "not_released",
        "not_secured",
        "policy_unreadable",
        "link_fault",
        "send_failed",
        "drop_failed",
        "door_unrecorded",
        "state",
        "not_noted",
        "outbox_edited",
        "unguarded",
    }
)
"""What a technician must hear of even where only warnings are kept."""
"""At most so many are shown; of an id with fewer than twice as many, half."""


class Teller:
    """Takes events with their facts; `count` takes the event's name."""

    def __init__(self, tail: EventTail, clock: Clock, count: Callable[[str], None]) -> None:
        self._tail, self._clock, self._count = tail, clock, count
        self._log = get_logger()

    def __call__(self, event: str, facts: Mapping[str, Value]) -> None:
        """Take one event."""
        self._count(event)
        shown = {key: _shown(key, value) for key, value in facts.items()}
        is_bad = event in FAULTS or facts.get("up") is False or facts.get("stands") is True
        say = self._log.warning if is_bad else self._log.info
        say(event, **shown)
        self._tail.publish({**shown, "event": event, "at": self._clock.wall()})


def _shown(key: str, value: Value) -> Value:
    text = value.hex() if isinstance(value, bytes) else value
    return f"{text[: min(ID_CHARS, len(text) // 2)]}…" if key in IDS and isinstance(text, str) else text
