"""The records of orders: who gave them, for which door, and whether they were taken.

Laws:
1. A record that changes what stands by somebody's word holds all that stand after it.
2. Records are taken at once, in the order in which they are written. What is awaited is the disk.
3. Nobody waits longer than RECORD_SECONDS for the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable

from hubcore.access.precedence import DoorOrder
from hubcore.errors import AuditError
from hubcore.evidence.carried_orders import CarriedOrder, write_orders
from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.evidence.records import RecordKind
from hubcore.ports.clock import Clock, ClockState
from hubcore.ports.stores import AuditLog
from hubd.recording import record_now

RECORD_SECONDS = 1.5


class OrderLog:
    """Writes the records of orders, and tells them."""

    def __init__(
        self,
        log: AuditLog,
        clock: Clock,
        tell: Tell,
        record_seconds: float = RECORD_SECONDS,
    ) -> None:
        self._record_seconds = record_seconds
        self._log = log
        self._clock = clock
        self._tell = tell

    def last(self) -> int:
        """Return the number of the newest durable record."""
        return self._log.last()

    def write(
        self, detail: Detail, carried: Iterable[CarriedOrder] | None = None
    ) -> Awaitable[bool]:
        """Record and tell an order; awaited, tell whether the record is durable.

        `carried` are those that stand by somebody's word after it, None when it changes none.
        """
        if self._clock.state() is not ClockState.TRUSTED:
            detail = {**detail, Fact.CLOCK: self._clock.state().value}
        self._tell(EventName.ORDER, detail)
        if carried is not None:
            detail = {**detail, Fact.ORDERS: write_orders(carried)}
        return self._append(detail)

    def mark(self, carried: Iterable[CarriedOrder]) -> Awaitable[bool]:
        """Record which orders stand by somebody's word, though none has changed."""
        return self._append({Fact.ORDERS: write_orders(carried)})

    def _append(self, detail: Detail) -> Awaitable[bool]:
        record = record_now(self._clock, RecordKind.ORDER, detail)
        try:
            written = self._log.append(record)
        except AuditError as error:
            return self._durable(None, str(error))
        return self._durable(written)

    async def _durable(self, written: Awaitable[int] | None, why: str = "") -> bool:
        """Wait for the disk; tell WHY of a record that it did not take."""
        if written is not None:
            try:
                async with asyncio.timeout(self._record_seconds):
                    await written
            except (AuditError, TimeoutError) as error:
                why = str(error) or f"the disk has not taken it for {self._record_seconds:g} s"
            else:
                return True
        self._tell(EventName.AUDIT_FAILED, {Fact.WHY: why})
        return False


def facts_of(
    order: DoorOrder,
    on: bool,
    given_by: str,
    until: int | None,
) -> dict[Fact, str | bool | int | None]:
    """Return the facts that each record of an order has."""
    return {
        Fact.GIVEN_BY: str(given_by),
        Fact.ORDER: order.name.lower(),
        Fact.ON: on,
        Fact.UNTIL: until,
    }
