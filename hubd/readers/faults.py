"""What is wrong with readers: told, recorded, and a problem that names them while it stands.

Laws:
1. A problem stands as long as any reader has its fault, and ends with the last one.
2. A fault is recorded when it begins and when it ends: both are evidence. A reader's records keep
   EACH. What comes faster is counted, and the next record has the count and how it stands then.
   A start of hubd begins again: what still stands is recorded as new.
3. What the disk refuses is tried again; what waits is one entry for each reader and fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from hubcore.checks import CHECK_OF_READER_FAULT, CHECKS, Problem
from hubcore.errors import AuditError
from hubcore.evidence.facts import Detail, EventName, Fact, Tell, Value
from hubcore.evidence.records import RecordKind
from hubcore.ports.clock import Clock
from hubcore.ports.reader import ReaderFault
from hubcore.ports.stores import AuditLog
from hubcore.timing.pace import Bucket, Rate
from hubd.recording import record_now
from hubd.upkeep.standing import StandingProblems

EACH = Rate(burst=20, per_second=1 / 60)
"""Records of one reader: a loose wire is recorded twenty times, then once a minute."""
RETRY_SECONDS = 5.0
LAST_SECONDS = 1.0
"""How long a stop waits for the records that are left."""


@dataclass(frozen=True, slots=True)
class _Unwritten:
    """How a fault stands now, and how often that has changed since its last record."""

    stands: bool
    changes: int


@dataclass(frozen=True, slots=True)
class FaultSpan:
    """A fault of a reader; its moments in Unix seconds. `ended` is None while it stands."""

    fault: ReaderFault
    began: float
    ended: float | None = None


class ReaderFaults:
    """Takes what readers have. Run `run` beside everything else."""

    def __init__(
        self,
        readers: Iterable[str],
        *,
        problems: StandingProblems,
        log: AuditLog,
        clock: Clock,
        tell: Tell,
    ) -> None:
        self._problems = problems
        self._log = log
        self._clock = clock
        self._tell = tell
        self._standing: dict[ReaderFault, set[str]] = {fault: set() for fault in ReaderFault}
        self._paces = {reader: Bucket(EACH) for reader in readers}
        self._began: dict[tuple[str, ReaderFault], float] = {}
        self._over: dict[str, FaultSpan] = {}
        """The fault of each reader that ended last."""
        self._unwritten: dict[tuple[str, ReaderFault], _Unwritten] = {}
        self._changed = asyncio.Event()

    def take(self, reader: str, fault: ReaderFault, stands: bool) -> None:
        """A fault began or ended."""
        readers = self._standing[fault]
        if stands == (reader in readers):
            return
        if stands:
            readers.add(reader)
            self._began[reader, fault] = self._clock.wall()
        else:
            readers.discard(reader)
            began = self._began.pop((reader, fault))
            self._over[reader] = FaultSpan(fault, began, self._clock.wall())
        self._show(fault)
        facts: Detail = {
            Fact.READER: reader,
            Fact.WHAT: str(fault),
            Fact.STANDS: stands,
        }
        self._tell(EventName.READER, facts)
        before = self._unwritten.get((reader, fault))
        changes = 1 if before is None else before.changes + 1
        self._unwritten[reader, fault] = _Unwritten(stands, changes)
        self._changed.set()

    def has(self, reader: str, fault: ReaderFault) -> bool:
        """Tell whether a reader has a fault now."""
        return reader in self._standing[fault]

    def standing(self, reader: str) -> list[FaultSpan]:
        """Return the faults of a reader that stand."""
        return [FaultSpan(fault, at) for (one, fault), at in self._began.items() if one == reader]

    def over(self, reader: str) -> FaultSpan | None:
        """Return the fault of a reader that ended last; None when none has since hubd started."""
        return self._over.get(reader)

    async def run(self, retry_seconds: float = RETRY_SECONDS) -> None:
        """Write until cancelled; then, for LAST_SECONDS, what is left."""
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self._write_some()
                while self._unwritten:
                    await asyncio.sleep(retry_seconds)
                    await self._write_some()
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_SECONDS):
                    await self._write_some()

    def _show(self, fault: ReaderFault) -> None:
        """Let the problem of a fault stand for its readers, or end it."""
        check = CHECK_OF_READER_FAULT[fault]
        readers = tuple(sorted(self._standing[fault]))
        found = Problem(check, {"readers": ", ".join(readers)}, readers) if readers else None
        self._problems.update(CHECKS[check].topic, found)

    async def _write_some(self) -> None:
        """Write what the paces and the disk take now."""
        for key in list(self._unwritten):
            reader, _fault = key
            if not self._paces[reader].take(self._clock.monotonic()):
                continue
            if not await self._write(key, self._unwritten.pop(key)):
                return

    async def _write(self, key: tuple[str, ReaderFault], entry: _Unwritten) -> bool:
        """Write a record; what the disk refuses waits again. Tell whether it is durable."""
        reader, fault = key
        detail: dict[Fact, Value] = {
            Fact.READER: reader,
            Fact.WHAT: str(fault),
            Fact.STANDS: entry.stands,
        }
        if entry.changes > 1:
            detail[Fact.COUNT] = entry.changes
        try:
            await self._log.append(record_now(self._clock, RecordKind.READER, detail))
        except AuditError as error:
            self._tell(EventName.AUDIT_FAILED, {Fact.WHY: str(error)})
            newer = self._unwritten.get(key)
            changes = entry.changes + (newer.changes if newer else 0)
            stands = newer.stands if newer else entry.stands
            self._unwritten[key] = _Unwritten(stands, changes)
            return False
        return True
