"""The audit log that reports: each durable record, and each failure to write one.

Laws:
1. It changes no order, and no record but for law 6. It reports after the fact.
2. What a record says of the clock is believed once the record is durable, and not before.
3. A record that the disk has not taken after SLOW_SECONDS is reported as a failure, before anybody
   who waits gives up. Giving up takes nothing back: the record's own end is reported when it comes.
4. After a failure it tries again until a record is durable, so that the problem ends when its cause
   has ended.
5. Losses are recorded: since when evidence could not be written, and how many records were lost.
   The loss stays noted, even if other records are written first.
6. A record tells how far the backend's clock is from this one, when the two are surely apart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

from hubcore.errors import AuditError
from hubcore.evidence.facts import Detail, Fact, named
from hubcore.evidence.records import Record, RecordKind
from hubcore.evidence.timefloor import TimeFloor
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog
from hubd.evidence.forwarding import ForwardingLog

SLOW_SECONDS = 1.2
"""Longer than the log takes to say why it cannot write, shorter than anybody waits for a record."""
TRY_AGAIN_SECONDS = 5.0
SLOW = f"The disk has not taken a record for {SLOW_SECONDS:g} s; see `dmesg`."


class DurableLog(AuditLog, Protocol):
    """An audit log whose appends end by themselves, whether or not anybody waits for them."""

    def append(self, record: Record) -> asyncio.Future[int]:
        """See `ports.stores.AuditLog.append`."""


class ReportingLog(ForwardingLog):
    """`ports.stores.AuditLog` around another. Run `mend` beside everything else."""

    def __init__(
        self,
        log: DurableLog,
        floor: TimeFloor,
        *,
        apart: Callable[[], Detail] = dict,
        on_append: Callable[[], None] = lambda: None,
        on_health: Callable[[bool, str], None] = lambda _up, _why: None,
        try_again_seconds: float = TRY_AGAIN_SECONDS,
    ) -> None:
        """`floor` learns from each durable record; `on_append` is called after that.

        `apart` returns what a record of now says of the backend's clock. `on_health` takes whether
        records can be written, and the sentence why not.
        """
        super().__init__(log)
        self._log = log
        self._floor = floor
        self._apart = apart
        self._on_append = on_append
        self._on_health = on_health
        self._try_again_seconds = try_again_seconds
        self._failing = asyncio.Event()
        """Set from a failure until a record is durable and no loss is left to be recorded."""
        self._failing_since_ms = 0
        self._lost = 0
        """Records lost since then, and not recorded as lost yet."""

    def append(self, record: Record) -> Awaitable[int]:
        """See `ports.stores.AuditLog.append`."""
        record = self._telling_the_backends_time(record)
        try:
            durable = self._log.append(record)
        except AuditError as error:
            self._record_lost(record, str(error))
            raise
        loop = asyncio.get_running_loop()
        slow = loop.call_later(SLOW_SECONDS, self._report_failure, record, SLOW)
        if durable.done():
            self._append_ended(record, slow, durable)
        else:
            durable.add_done_callback(partial(self._append_ended, record, slow))
        return asyncio.shield(durable)

    def _telling_the_backends_time(self, record: Record) -> Record:
        """Return the record with what it tells of the backend's clock, where there is room."""
        apart = self._apart()
        if not apart:
            return record
        longer = replace(record, detail={**record.detail, **named(apart)})
        try:
            longer.encode()
        except AuditError:
            return record
        return longer

    async def mend(self, clock: Clock) -> None:
        """After each failure try again until a record is durable; run until cancelled."""
        while True:
            await self._failing.wait()
            await asyncio.sleep(self._try_again_seconds)
            if self._failing.is_set():
                await self._append_loss(clock)

    async def _append_loss(self, clock: Clock) -> None:
        """Record how many records were lost by now."""
        lost = self._lost
        detail: Detail = {
            Fact.FAULT: "evidence could not be written",
            Fact.SINCE: self._failing_since_ms,
            Fact.LOST: lost,
        }
        record = Record.at(RecordKind.FAULT, clock.wall(), clock.monotonic(), detail)
        try:
            await self.append(record)
        except AuditError:
            self._lost -= 1  # this record is no loss: it is made again
            return
        self._lost -= lost
        self._stop_failing_if_all_is_recorded()

    def _append_ended(
        self, record: Record, slow: asyncio.TimerHandle, durable: asyncio.Future[int]
    ) -> None:
        slow.cancel()
        if durable.cancelled():  # the loop ends
            return
        error = durable.exception()
        if error is not None:
            self._record_lost(record, str(error))
            return
        self._stop_failing_if_all_is_recorded()
        self._on_health(True, "")
        self._floor.take(record.kind, record.at_ms, record.mono_ms, record.detail)
        self._on_append()

    def _record_lost(self, record: Record, why: str) -> None:
        self._start_failing(record)
        self._lost += 1
        self._on_health(False, why)

    def _report_failure(self, record: Record, why: str) -> None:
        self._start_failing(record)
        self._on_health(False, why)

    def _start_failing(self, record: Record) -> None:
        if self._failing.is_set():
            return
        self._failing.set()
        self._failing_since_ms = record.at_ms
        self._lost = 0

    def _stop_failing_if_all_is_recorded(self) -> None:
        if not self._lost:
            self._failing.clear()
