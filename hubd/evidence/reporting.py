"""The audit log with somebody told of each durable record and of each failure, and with what the
records prove of time.

1. It changes no record and no order; who is told is told after the fact.
2. What a record says of the clock is believed once the record is durable, and not before.
3. A record that the disk has not taken after SLOW_SECONDS is told as a failure, before anybody who
   waits gives up. Who gives up takes nothing back: the record's own end is told when it comes.
4. After a failure it tries again until a record is durable, so that the problem ends when its cause
   has ended.
5. What was lost is written down: since when evidence could not be written, and how much was lost.
   Another record that is durable first takes nothing of that away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from hubcore.errors import AuditError
from hubcore.evidence.facts import Detail, Fact
from hubcore.evidence.records import Record, RecordKind
from hubcore.evidence.timefloor import TimeFloor
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog
from hubd.evidence.around import LogAround

SLOW_SECONDS = 1.2
"""Longer than the log takes to say why it cannot write, less than anybody waits for a record."""
TRY_AGAIN_SECONDS = 5.0
SLOW = f"The disk has not taken a record for {SLOW_SECONDS:g} s; see `dmesg`."


class DurableLog(AuditLog, Protocol):
    """An audit log whose appends end by themselves, whether or not anybody waits for them."""

    def append(self, record: Record) -> asyncio.Future[int]:
        """See `ports.stores.AuditLog.append`."""


class ReportingLog(LogAround):
    """`ports.stores.AuditLog` around another. Run `mend` beside everything else.

    `floor` learns from each durable record. `on_append` is called after it. `on_health` takes
    whether records can be written, and the sentence why not.
    """

    def __init__(
        self,
        log: DurableLog,
        floor: TimeFloor,
        *,
        on_append: Callable[[], None] = lambda: None,
        on_health: Callable[[bool, str], None] = lambda _up, _why: None,
        try_again_seconds: float = TRY_AGAIN_SECONDS,
    ) -> None:
        super().__init__(log)
        self._log = log
        self._floor = floor
        self._on_append = on_append
        self._on_health = on_health
        self._try_again_seconds = try_again_seconds
        self._failed = asyncio.Event()
        self._lost = 0
        self._failed_ms = 0

    def append(self, record: Record) -> Awaitable[int]:
        """See `ports.stores.AuditLog.append`."""
        try:
            durable = self._log.append(record)
        except AuditError as error:
            self._fail(record, str(error), lost=True)
            raise
        slow = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._fail, record, SLOW, False)
        if durable.done():
            self._ended(record, slow, durable)
        else:
            durable.add_done_callback(partial(self._ended, record, slow))
        return asyncio.shield(durable)

    async def mend(self, clock: Clock) -> None:
        """After each failure try again until a record is durable; run until cancelled."""
        while True:
            await self._failed.wait()
            await asyncio.sleep(self._try_again_seconds)
            if self._failed.is_set():
                await self._write_down(clock, self._lost)

    async def _write_down(self, clock: Clock, lost: int) -> None:
        """Record that so many records were lost."""
        detail: Detail = {
            Fact.FAULT: "evidence could not be written",
            Fact.SINCE: self._failed_ms,
            Fact.LOST: lost,
        }
        try:
            await self.append(Record.at(RecordKind.FAULT, clock.wall(), clock.monotonic(), detail))
        except AuditError:
            self._lost -= 1  # this record is no loss: it is made again
            return
        self._lost -= lost
        if not self._lost:
            self._failed.clear()

    def _fail(self, record: Record, why: str, lost: bool) -> None:
        if not self._failed.is_set():
            self._failed_ms = record.at_ms
            self._lost = 0
            self._failed.set()
        self._lost += lost
        self._on_health(False, why)

    def _ended(
        self, record: Record, slow: asyncio.TimerHandle, durable: asyncio.Future[int]
    ) -> None:
        slow.cancel()
        if durable.cancelled():  # the loop ends
            return
        error = durable.exception()
        if error is not None:
            self._fail(record, str(error), lost=True)
            return
        if not self._lost:
            self._failed.clear()
        self._on_health(True, "")
        self._floor.take(record.kind, record.at_ms, record.mono_ms, record.detail)
        self._on_append()
