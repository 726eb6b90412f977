"""Reads what a report is made of: a window of the evidence, record by record, and the running hubd.

Laws:
1. The evidence is read from the window's begin on, never as a whole, and each record once.
2. At most `count_max` records are read, the newest; the report says when that left some out.
3. A hub that does not answer leaves `not known` behind, and is no error: the evidence is there.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hubcore.errors import AuditError
from hubcore.evidence.records import facts
from hubctl.answers import ask
from hubctl.client import NoAnswer
from hubctl.evidence.reading import in_window, window
from hubctl.report.sums import Sums
from hubterm.progress import Show

RECORDS_MAX = 1_000_000
"""More of a window would take minutes on a hub."""
SHOWN_EVERY = 1024
"""Records between two signs of progress."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the running hubd says. `why`: why it said nothing, "" when it did."""

    status: Mapping[str, Any]
    why: str = ""
    measured: Mapping[str, Any] = field(default_factory=dict)

    @property
    def zone(self) -> ZoneInfo:
        """The site's; UTC where it is not known, or not of this machine."""
        name = self.status.get("zone")
        if isinstance(name, str):
            with contextlib.suppress(ZoneInfoNotFoundError, ValueError, OSError):
                return ZoneInfo(name)
        return ZoneInfo("UTC")

    def doors(self) -> dict[int, str]:
        """Return the door of each access point."""
        found: dict[int, str] = {}
        for door in mappings(self.status.get("doors")):
            for point in mappings(door.get("access_points")):
                number = point.get("number")
                if isinstance(number, int) and isinstance(door.get("id"), str):
                    found[number] = door["id"]
        return found


def ask_hub(socket: Path) -> Told:
    """Ask the running hubd how it is."""
    try:
        status = ask(socket, "status")
    except NoAnswer as error:
        return Told({}, str(error))
    measured: Mapping[str, Any] = {}
    with contextlib.suppress(NoAnswer):  # then that alone is not known
        measured = ask(socket, "measured")
    return Told(status, measured=measured)


def sum_up(
    connection: sqlite3.Connection,
    sums: Sums,
    since_ms: int,
    until_ms: int,
    show: Show,
    count_max: int = RECORDS_MAX,
) -> bool:
    """Take the records of a span; return whether the oldest of them were left out.

    Raise AuditError and sqlite3.Error.
    """
    found = window(connection, since_ms, count_max)
    count = max(0, found.last - found.first + 1)
    for read, row in enumerate(in_window(connection, found), 1):
        if read % SHOWN_EVERY == 0:
            show(read, count)
        if not since_ms <= row.at_ms < until_ms:
            continue
        try:
            said = facts(row.body)
        except AuditError as error:
            raise AuditError(f"record {row.number}: {error}") from error
        sums.take(row.at_ms, said)
    show(count, count)
    return found.is_cut


def mappings(value: object) -> list[Mapping[str, Any]]:
    """Return the mappings of a list; of anything else none."""
    if not isinstance(value, list):
        return []
    return [item for item in value if isinstance(item, Mapping)]
