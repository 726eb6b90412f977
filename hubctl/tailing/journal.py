"""Events of hubd from the journal, for when hubd is down.

Laws:
1. An event from there looks as it did when it happened.
2. It is as much as a tail would show: lines of the journal that are no events are left out.
3. What cannot be seen there is told, and is no error: the error is that hubd is down.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from hubcore.evidence.facts import EventName
from hubcore.timing.moment import read_seconds
from hubctl.gathering.running import Run

LINES_MAX = 1000
SECONDS = 20.0
NAMES = frozenset(str(name) for name in EventName)
_OF_THE_LINE = frozenset({"event", "level", "time"})


class Found(NamedTuple):
    """The events, oldest first, and what is to be said of them."""

    events: list[dict[str, Any]]
    says: str


def events(run: Run, since: float, door: str | None, level: str) -> Found:
    """Return the newest events since a moment."""
    command = [
        "journalctl", "--no-pager", "-q", "-u", "hubd", "-o", "json", "--output-fields=MESSAGE",
        "-n", str(LINES_MAX), f"--since=@{int(since)}",
    ]  # fmt: skip
    if level == "warning":
        command += ["-p", level]
    if door is not None:
        command.append(f"DOOR={door}")
    said = run(command, SECONDS)
    lines = [line for line in said.text.splitlines() if line.startswith("{")]
    found = [event for line in lines if (event := event_of(line, since)) is not None]
    if said.trouble and not found:
        return Found([], f"The journal cannot be read: {said.trouble}.")
    if not found:
        return Found([], "The journal shows none; root and group systemd-journal see all of it.")
    if len(lines) >= LINES_MAX:
        return Found(found, f"These are from the newest {LINES_MAX} lines of the journal.")
    return Found(found, "These are from the journal.")


def event_of(line: str, since: float) -> dict[str, Any] | None:
    """Return the event of one entry; None for any other line."""
    try:
        message = json.loads(line).get("MESSAGE")
        said = json.loads(message)
    except (ValueError, TypeError, RecursionError):
        return None
    if not isinstance(said, Mapping) or said.get("event") not in NAMES:
        return None
    at = read_seconds(str(said.get("time")))
    if at is None or at < since:
        return None
    facts = {key: value for key, value in said.items() if key not in _OF_THE_LINE}
    return {**facts, "event": said["event"], "at": at}
