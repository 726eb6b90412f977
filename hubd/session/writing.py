"""Writes records at once, for so long as a session has."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

from hubcore.errors import AuditError
from hubcore.evidence.facts import Detail
from hubcore.evidence.records import RecordKind
from hubd.app import Hub
from hubd.recording import record_now

LAST_RECORD_SECONDS = 1.0


async def append_record(hub: Hub, kind: RecordKind, detail: Detail) -> None:
    """Put a record of this moment in line. Raise AuditError."""
    record = record_now(hub.clock, kind, detail)
    await hub.log.append(record)


async def in_time(seconds: float, writing: Awaitable[None]) -> None:
    """Write for so many seconds at most; what the disk refuses, `hub.log.mend` tries again."""
    with suppress(AuditError, TimeoutError):
        async with asyncio.timeout(seconds):
            await writing
