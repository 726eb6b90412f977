"""What happened at the doors, told and recorded at a pace that a loose contact cannot exceed.

Laws:
1. In any span of t seconds a door has at most HAPPENINGS' burst and rate times t records.
2. What is left out is counted, and one record tells it as soon as the pace allows.
3. Records are written in order. What the disk refuses is tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from hubcore.door.phases import Happening
from hubcore.door.state import DoorState
from hubcore.errors import AuditError
from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.evidence.records import Record, RecordKind
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog
from hubcore.timing.pace import Bucket, Rate
from hubd.recording import record_now

HAPPENINGS = Rate(burst=60, per_second=0.5)
"""Records of one door: more than people who go through it give, and at worst some 10 MB a day."""
UNRECORDED_MAX = 256
RETRY_SECONDS = 1.0
LAST_SECONDS = 1.0
"""How long a stop waits for the records that are left."""


class Happenings:
    """Records of doors that wait to be written."""

    def __init__(
        self,
        doors: Iterable[str],
        *,
        log: AuditLog,
        clock: Clock,
        tell: Tell,
    ) -> None:
        self._log = log
        self._clock = clock
        self._tell = tell
        self._paces = {door: Bucket(HAPPENINGS) for door in doors}
        self._left_out = dict.fromkeys(self._paces, 0)
        self._unwritten: asyncio.Queue[Record] = asyncio.Queue(UNRECORDED_MAX)

    def take(self, door: str, happening: Happening, now: float) -> None:
        """Tell what happened at a door, and record it or count it as left out."""
        detail: Detail = {
            Fact.DOOR: door,
            Fact.WHAT: str(happening),
        }
        self._tell(EventName.DOOR, detail)
        left_out = self._left_out[door]
        if left_out or not self._paces[door].take(now):
            self._left_out[door] = left_out + 1
            return
        self._record(detail)

    def sum_up(self, door: str, state: DoorState, now: float) -> None:
        """Record how much was left out, if the pace allows it, and the door's state after it."""
        count = self._left_out[door]
        if not count or not self._paces[door].take(now):
            return
        self._left_out[door] = 0
        detail: Detail = {
            Fact.DOOR: door,
            Fact.WHAT: str(Happening.TOO_OFTEN),
            Fact.COUNT: count,
            Fact.STATE: state.name.lower(),
        }
        self._record(detail)

    async def write(self) -> None:
        """Write until cancelled; then, for LAST_SECONDS, what is left."""
        try:
            while True:
                record = await self._unwritten.get()
                written = await self._written(record)
                while not written:
                    await asyncio.sleep(RETRY_SECONDS)
                    written = await self._written(record)
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_SECONDS):
                    await self._write_the_rest()

    async def _write_the_rest(self) -> None:
        while not self._unwritten.empty():
            await self._written(self._unwritten.get_nowait())

    def _record(self, detail: Detail) -> None:
        record = record_now(self._clock, RecordKind.DOOR, detail)
        try:
            self._unwritten.put_nowait(record)
        except asyncio.QueueFull:
            self._tell(EventName.DOOR_UNRECORDED, detail)

    async def _written(self, record: Record) -> bool:
        """Write a record, and tell whether it is durable."""
        try:
            await self._log.append(record)
        except AuditError as error:
            self._tell(EventName.AUDIT_FAILED, {Fact.WHY: str(error)})
            return False
        return True
