"""The audit log of decisions: each release has its record, and what moves nothing is paced.

Laws:
1. The record of a granted release is always handed on: no release without its record.
2. A denial (also of a command to devices) or a query has a record of its own while its source
   keeps the pace and the disk has room. Otherwise it goes into a sum (`refusals`), which is
   recorded within a minute.
3. An event of a door, a reader or a device is refused while the disk has no room; whoever waits
   for it tries again.
4. A yes that comes to nothing leaves two records; `hubd.doors.unlock` keeps those to a pace
   (`access.once.TRIES`).
5. The backend is one source, whoever ordered there, and so are the technicians at the hub. A
   phone's source is its credential.
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
from hubd.evidence.forwarding import ForwardingLog
from hubd.evidence.refusals import Refusals, SumKey

EACH = Rate(burst=5, per_second=1 / 30)
"""Records of one source: somebody who tries a few doors has each try written down."""
WHOLE = Rate(burst=100, per_second=1.0)
"""Records of all sources together: some 50 MB a day at worst."""
SOURCES_MAX = 1000
_OF_DOORS = (RecordKind.DOOR, RecordKind.READER)
BACKEND = "backend"
TECHNICIAN = "technician"
QUERY = "query"


class PacedLog(ForwardingLog):
    """`ports.stores.AuditLog` around another. An append that went into a sum gives number 0."""

    def __init__(
        self, log: AuditLog, refusals: Refusals, clock: Clock, room: Callable[[], bool]
    ) -> None:
        """`room` tells whether the disk has room for more than releases."""
        super().__init__(log)
        self._log = log
        self._refusals = refusals
        self._clock = clock
        self._room = room
        self._paces = Paces(each=EACH, whole=WHOLE, sources_max=SOURCES_MAX)

    def append(self, record: Record) -> Awaitable[int]:
        """See `ports.stores.AuditLog.append`."""
        if _is_of_things(record) and not self._room():
            raise AuditError(
                "the disk is nearly full: its rest is kept for the records of releases"
            )
        key = _sum_key(record)
        if key is None or self._may_stand_alone(key):
            return self._log.append(record)
        self._refusals.add(key)
        return _summed()

    def _may_stand_alone(self, key: SumKey) -> bool:
        source = (key.kind, key.source)
        in_pace = self._paces.take(source, self._clock.monotonic())
        return in_pace and self._room()


def _is_of_things(record: Record) -> bool:
    """Tell whether a thing of the building makes records of this sort, at its own pace."""
    if record.kind is RecordKind.FAULT:
        return Fact.DEVICE in record.detail
    return record.kind in _OF_DOORS


async def _summed() -> int:
    return 0


def _sum_key(record: Record) -> SumKey | None:
    """Return what a record is summed under, None for one that always stands alone."""
    if record.kind not in (RecordKind.ACCESS, RecordKind.REMOTE, RecordKind.COMMAND):
        return None
    why = record.detail.get(Fact.WHY)
    is_query = record.detail.get(Fact.ACTION) == int(Action.QUERY)
    if why is None and not is_query:
        return None
    source = BACKEND if Fact.UID not in record.detail else TECHNICIAN
    if record.kind is RecordKind.ACCESS:
        source = str(record.detail.get(Fact.ASKER))
    return SumKey(record.kind, source, QUERY if why is None else str(why))
