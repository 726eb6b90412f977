"""The audit log of decisions: a release has a record of its own, what moves nothing is paced and
summed beyond that.

1. The record of a granted release is handed on, always: no release without its record.
2. A denial or a query has a record of its own while its source keeps to its pace and the disk has
   room; else it goes into a sum (`refusals`), which is evidence a minute later.
3. A door event, which whoever waits for it tries again, is refused while the disk has no room.
4. A yes that comes to nothing leaves two records; `hubd.doors.unlock` keeps those to a pace
   (`access.once.TRIES`).
5. The backend is one source, whoever ordered there; a phone's source is its credential.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hubcore.access.words import Action
from hubcore.errors import AuditError
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import Record, RecordKind
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog
from hubcore.timing.pace import Paces, Rate
from hubd.evidence.around import LogAround
from hubd.evidence.refusals import Refusals, What

EACH = Rate(burst=5, per_second=1 / 30)
"""Records of a source's denials and queries: somebody who tries a few doors has each written down.
"""
WHOLE = Rate(burst=100, per_second=1.0)
"""The same of all sources together: some 50 MB a day at worst."""
SOURCES_MAX = 1000
BACKEND = "backend"


class PacedLog(LogAround):
    """`ports.stores.AuditLog` around another. `room` tells whether the disk has room for more than
    releases.

    An append that went into a sum gives the number 0.
    """

    def __init__(
        self, log: AuditLog, refusals: Refusals, clock: Clock, room: Callable[[], bool]
    ) -> None:
        super().__init__(log)
        self._log = log
        self._refusals = refusals
        self._clock = clock
        self._room = room
        self._paces = Paces(each=EACH, whole=WHOLE, sources_max=SOURCES_MAX)

    def append(self, record: Record) -> Awaitable[int]:
        """See `ports.stores.AuditLog.append`."""
        if record.kind is RecordKind.DOOR and not self._room():
            raise AuditError(
                "the disk is nearly full: its rest is kept for the records of releases"
            )
        what = _what(record)
        if what is None or (
            self._paces.take((what.kind, what.source), self._clock.monotonic()) and self._room()
        ):
            return self._log.append(record)
        self._refusals.add(what)
        return _summed()


async def _summed() -> int:
    return 0


def _what(record: Record) -> What | None:
    """Return what a record would be summed as, None for one that always has a place of its own."""
    if record.kind not in (RecordKind.ACCESS, RecordKind.REMOTE):
        return None
    why = record.detail.get(Fact.WHY)
    asker = record.detail.get(Fact.ASKER)
    if why is None and record.detail.get(Fact.ACTION) != int(Action.QUERY):
        return None
    source = BACKEND if record.kind is RecordKind.REMOTE else str(asker)
    return What(record.kind, source, "query" if why is None else str(why))
