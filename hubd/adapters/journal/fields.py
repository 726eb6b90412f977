"""Which facts of a log line can be searched for in the journal, and under which names.

Laws:
1. A field holds what the line shows, no more: it is taken from the line's own facts.
2. The names never change: people and their scripts search by them.
3. A value that is too long to be typed has no field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

FIELDS: Final[Mapping[str, str]] = {
    "event": "EVENT",
    "door": "DOOR",
    "link": "LINK",
    "why": "REASON",
    "reader": "READER",
    "device": "DEVICE",
}
"""The facts of a line that become fields."""
VALUE_CHARS_MAX = 128
PRIORITIES: Final[Mapping[str, str]] = {"debug": "7", "info": "6", "warning": "4", "error": "3"}
"""Levels as syslog has them; `journalctl -p warning` goes by them."""


def fields_of(event: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of a line whose facts may be shown already."""
    fields = {"PRIORITY": PRIORITIES.get(str(event.get("level")), PRIORITIES["error"])}
    for fact, name in FIELDS.items():
        value = event.get(fact)
        if isinstance(value, str | int) and len(shown := str(value)) <= VALUE_CHARS_MAX:
            fields[name] = shown
    return fields
