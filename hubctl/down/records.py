"""What the evidence says of a hub that is down: how it ended, which policy, who was refused.

Laws:
1. Only the newest records are read, RECORDS_READ of them.
2. What cannot be read is a sentence, and no error: the other parts are shown all the same.
3. No id of anybody is shown in whole, as everywhere outside the records.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubcore.errors import AuditError, StoreError
from hubcore.evidence.facts import Fact, RecordKind, shown
from hubcore.evidence.records import facts
from hubctl.evidence.opening import DatabaseError, open_log
from hubctl.evidence.reading import count_waiting, newest
from hubterm.text import clean

RECORDS_READ = 5000
DENIALS_MAX = 64


@dataclass
class Kept:
    """`why`: why nothing is known, "" when something is. Moments in Unix seconds."""

    why: str = ""
    last: int | None = None
    last_at: float | None = None
    started: float | None = None
    stopped: float | None = None
    """None: it did not end by itself, or has never run."""
    version: Any = None
    policy: Mapping[str, Any] = field(default_factory=dict)
    waiting: int | None = None
    since: float | None = None
    """The first record that was read."""
    denials: list[dict[str, Any]] = field(default_factory=list)
    """The newest first, as the call `denials` has them."""


def read(path: Path, points: Mapping[int, Mapping[str, Any]], count: int = RECORDS_READ) -> Kept:
    """Read the newest records; `points` says what is known of each access point."""
    kept = Kept()
    try:
        with contextlib.closing(open_log(path)) as connection:
            for row in newest(connection, count):
                _take(kept, row.number, row.at_ms / 1000, facts(row.body), points)
            kept.waiting = count_waiting(connection)
    except PermissionError:
        return Kept(why=f"{clean(str(path))}: only root may read it: type sudo before hubctl")
    except (OSError, DatabaseError, StoreError, AuditError) as error:
        return Kept(why=f"{clean(str(path))}: {clean(str(error))}; see: hubctl audit verify")
    kept.denials.reverse()
    del kept.denials[DENIALS_MAX:]
    return kept


def _take(
    kept: Kept, number: int, at: float, said: Mapping[str, Any], points: Mapping[int, Any]
) -> None:
    kept.last = number
    kept.last_at = at
    kept.since = at if kept.since is None else kept.since
    match said.get("kind"):
        case RecordKind.STARTED:
            kept.started = at
            kept.stopped = None
            kept.version = said.get("version")
        case RecordKind.STOPPED:
            kept.stopped = at
        case RecordKind.POLICY:
            kept.policy = {"version": said.get("version"), "issued": said.get("issued")}
        case RecordKind.ACCESS | RecordKind.REMOTE if said.get("allowed") is False:
            kept.denials.append(_denial(at, said, points))


def _denial(at: float, said: Mapping[str, Any], points: Mapping[int, Any]) -> dict[str, Any]:
    """Return a record of a denial as hubd tells it, without what only a running hub can judge."""
    asker = shown({Fact.ASKER: said.get("asker")})["asker"]
    number = said.get("point")
    place = points.get(number, {}) if isinstance(number, int) else {}
    return {
        "at": at,
        "count": 1,
        "by": said.get("kind"),
        "asker": asker,
        "path": said.get("path"),
        "reader": said.get("reader"),
        "point": number,
        "point_name": place.get("point_name"),
        "door": place.get("door"),
        "door_name": place.get("door_name"),
        "why": said.get("why"),
        "begins": None,
        "expires": said.get("expires"),
        "hours_begin": None,
        "now": None,
    }
