"""Evidence that cannot be written in time: its cause is told, phones are answered, and it ends when
mended.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from hubcore.errors import AuditError, StoreError
from hubcore.evidence.records import Record, RecordKind, StoredRecord
from hubcore.evidence.timefloor import TimeFloor
from hubcore.phone.handshake import WORKING_SECONDS
from hubcore.phone.messages import Reason
from hubd.adapters.sqlite.audit import AuditStore
from hubd.evidence.reporting import SLOW, ReportingLog
from hubsim import site
from tests.fakes.audit import FakeAudit
from tests.pair import DeskHub, Phone, make_wallet


def written_down(records: Sequence[StoredRecord]) -> list[Record]:
    """The records that say what was lost."""
    decoded = [Record.decode(stored.body) for stored in records]
    return [
        record
        for record in decoded
        if record.detail.get("fault") == "evidence could not be written"
    ]


@contextlib.contextmanager
def technician(path: Path) -> Iterator[None]:
    """Somebody typed BEGIN IMMEDIATE into sqlite3 and went for a coffee."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


class Told:
    """What `on_health` was told, and the last of it."""

    def __init__(self) -> None:
        self.said: list[tuple[bool, str]] = []
        self.changed = asyncio.Event()

    def hear(self, up: bool, why: str) -> None:
        self.said.append((up, why))
        self.changed.set()

    async def until(self, up: bool) -> str:
        async with asyncio.timeout(10):
            while not self.said or self.said[-1][0] is not up:
                self.changed.clear()
                await self.changed.wait()
        return self.said[-1][1]


@contextlib.asynccontextmanager
async def mending(log: ReportingLog, hub: DeskHub) -> AsyncIterator[None]:
    task = asyncio.create_task(log.mend(hub.clock))
    try:
        yield
    finally:
        task.cancel()


def on(log: ReportingLog) -> DeskHub:
    hub = DeskHub(site.make_key())
    hub.start_unlock(log=log)
    return hub


async def knock(hub: DeskHub) -> tuple[Reason, float]:
    """Return what a phone is told, and after how many seconds."""
    began = time.monotonic()
    visit = await Phone(hub, make_wallet(hub.issuer)).visit()
    assert visit.verdict is not None
    return visit.verdict.reason, time.monotonic() - began


async def test_a_lock_that_a_technician_holds_is_told_with_its_cause_and_ends(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.db"
    async with await AuditStore.open(path) as store:
        told = Told()
        log = ReportingLog(store, TimeFloor(), on_health=told.hear, try_again_seconds=0.05)
        hub = on(log)
        async with mending(log, hub):
            with technician(path):
                for _ in range(2):
                    reason, seconds = await knock(hub)
                    assert reason is Reason.FAULT
                    assert seconds < WORKING_SECONDS - 0.4
                    assert "another process has locked it" in await told.until(False)
            assert await told.until(True) == ""  # nobody came, and all is well again
            assert (await knock(hub))[0] is Reason.OK
            async with asyncio.timeout(10):
                while not (mended := written_down(await store.unacknowledged(0, 100))):  # noqa: ASYNC110 -- the record is written by another task
                    await asyncio.sleep(0.01)
    (mended,) = mended
    assert mended.kind is RecordKind.FAULT
    lost = mended.detail["lost"]
    assert isinstance(lost, int)
    assert lost >= 2  # both decisions; that nothing was released may have become durable just then


@pytest.mark.parametrize("tries_in_vain", [0, 3])
async def test_what_was_lost_is_written_down_whatever_is_durable_first(tries_in_vain: int) -> None:
    """A record that comes between the loss and the next try ends the problem, and not the account
    of it.
    """
    audit = FakeAudit()
    log = ReportingLog(audit, TimeFloor(), try_again_seconds=0.02)
    hub = on(log)
    audit.failing = StoreError("told to fail")
    with pytest.raises(AuditError):
        await log.append(
            Record.at(RecordKind.DOOR, 1_800_000_000.0, 1.0, {"door": "front", "what": "closed"})
        )
    tried = 0

    def count(record: Record) -> None:
        nonlocal tried
        tried += record.kind is RecordKind.FAULT
        if tried >= tries_in_vain:
            audit.failing = None

    async with mending(log, hub):
        audit.on_taken = count
        if not tries_in_vain:
            audit.failing = None
            await log.append(
                Record.at(
                    RecordKind.DOOR, 1_800_000_001.0, 2.0, {"door": "front", "what": "forced"}
                )
            )
        async with asyncio.timeout(10):
            while not (found := written_down(audit.stored)):  # noqa: ASYNC110 -- the same
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
    assert [record.detail["lost"] for record in found] == [1]
    assert len(written_down(audit.stored)) == 1, "it is written down once"


async def test_a_disk_that_stands_still_is_told_before_the_phone_is_answered() -> None:
    audit = FakeAudit()
    told = Told()
    log = ReportingLog(audit, TimeFloor(), on_health=told.hear)
    hub = on(log)
    audit.hold()
    reason, seconds = await knock(hub)
    assert reason is Reason.FAULT
    assert seconds < WORKING_SECONDS - 0.4
    assert told.said[0] == (False, SLOW)
    audit.move_on()
    await told.until(True)
    assert hub.strikes == 0


async def test_a_record_that_nobody_waits_for_any_more_is_still_told_when_it_is_durable() -> None:
    audit = FakeAudit()
    appended = asyncio.Event()
    log = ReportingLog(audit, TimeFloor(), on_append=appended.set)
    audit.hold()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await log.append(Record(RecordKind.ACCESS, 1234, 0, {}))
    audit.move_on()
    async with asyncio.timeout(1):
        await appended.wait()
    assert Record.decode(audit.stored[0].body).at_ms == 1234


async def test_a_failure_is_told_though_nobody_waits_for_it() -> None:
    audit = FakeAudit()
    told = Told()
    log = ReportingLog(audit, TimeFloor(), on_health=told.hear)
    audit.failing = AuditError("no room")
    waiting = asyncio.ensure_future(log.append(Record(RecordKind.ACCESS, 1, 0, {})))
    waiting.cancel()
    assert await told.until(False) == "told to fail"
