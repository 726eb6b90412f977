"""The first records of a session."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from hubcore.checks import CheckId, problem
from hubcore.evidence.facts import Detail, EventName, Fact
from hubcore.evidence.records import RecordKind
from hubcore.version import __version__
from hubd.app import Hub
from hubd.session.writing import append_record, in_time
from hubd.stores import Stores

FIRST_RECORDS_SECONDS = 3.0
"""How long a start waits for the disk. One that takes nothing opens no door, but hubd still starts,
so that somebody can look.
"""


def first_of(hub: Hub, stores: Stores) -> Coroutine[Any, Any, None]:
    """Return what writes the first records."""
    return record_start(hub, stores.audit.mended, stores.audit.uses_mended)


async def record_start(hub: Hub, mended: int, uses_mended: int) -> None:
    """Write the first records; what cannot be written stands as a problem.

    `mended` is the count of records that were taken out of the outbox, `uses_mended` of rows of
    uses that did not fit the records.
    """
    started: Detail = {
        Fact.VERSION: __version__,
        **hub.floor.begin(),
        **hub.policy.carried(),
        **hub.carried_orders.begin(),
    }
    await in_time(FIRST_RECORDS_SECONDS, _first_records(hub, started, mended, uses_mended))


async def _first_records(hub: Hub, started: Detail, mended: int, uses_mended: int) -> None:
    await append_record(hub, RecordKind.STARTED, started)
    await hub.policy.begin()
    hub.carried.begin()
    if mended:
        await _tell_mended(hub, mended)
    if uses_mended:
        await _tell_uses_mended(hub, uses_mended)


async def _tell_mended(hub: Hub, records: int) -> None:
    """Records were taken out of the outbox: they wait again, and somebody must know."""
    hub.health.set(problem(CheckId.OUTBOX_EDITED, records=records))
    facts: Detail = {
        Fact.FAULT: "the outbox was edited",
        Fact.RECORDS: records,
    }
    hub.tell(EventName.OUTBOX_EDITED, facts)
    await append_record(hub, RecordKind.FAULT, facts)


async def _tell_uses_mended(hub: Hub, rows: int) -> None:
    """The table of uses was edited: it is what the records say again, and somebody must know."""
    hub.health.set(problem(CheckId.USES_EDITED, rows=rows))
    facts: Detail = {
        Fact.FAULT: "the table of uses was edited",
        Fact.RECORDS: rows,
    }
    hub.tell(EventName.USES_EDITED, facts)
    await append_record(hub, RecordKind.FAULT, facts)
