"""Receipts: by the backend's signature, records may go, whoever carried it.

Laws:
1. A receipt is believed by the mandate for receipts alone, and only if it is for this hub.
2. It lets records go only if this hub's log has the record that it names, with its hash: then all
   up to that one.
3. A proven receipt that does not fit the log is a break: this hub was turned back, or the receipt
   is of another log. Each cause is recorded once in the daemon's life, however often a bridge says
   it, and nothing goes. What does not prove itself is no break: a bridge alone makes no record.
"""

from __future__ import annotations

from collections import Counter

from hubcore.access.words import HubName
from hubcore.backend.uplink.from_backend import Halt
from hubcore.backend.uplink.words import Cause
from hubcore.bridge.mandate import Use
from hubcore.bridge.signedhead import HeadKind, prove_head
from hubcore.errors import PeerError
from hubcore.evidence.records import Head
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog
from hubd.backend.breaks import BreakRecorder
from hubd.bridge.mandates import MandatesHere

RELEASED_AT_ONCE = 256


class ReceiptTaker:
    """Takes the receipts that a bridge carries."""

    def __init__(
        self,
        *,
        records: AuditLog,
        hub: HubName,
        mandates: MandatesHere,
        clock: Clock,
        counters: Counter[str],
    ) -> None:
        self._records = records
        self._hub = hub
        self._mandates = mandates
        self._counters = counters
        self._breaks = BreakRecorder(records, clock)

    async def take(self, document: bytes) -> None:
        """Let go what the backend has durably. Raise HubError."""
        mandate = self._mandates.find(Use.RECEIPTS)
        if mandate is None:
            raise PeerError("a receipt came, and this hub knows no mandate for receipts")
        head = prove_head(HeadKind.RECEIPT, document, self._hub, mandate).head
        if not self._records.holds(head):
            await self._refuse(head)
        self._counters["receipts"] += 1
        await self._let_go(head.number)

    async def _refuse(self, head: Head) -> None:
        """Record the break, then raise PeerError for the receipt (law 3). Raise StoreError."""
        self._counters["receipts_of_another_log"] += 1
        if head.number > self._records.last():
            cause = Cause.TAIL_CUT
            why = "this log ends before it"
        else:
            cause = Cause.FORK
            why = "this log has another hash there"
        said = f"the backend has signed record {head.number} of this hub: {why}"
        await self._breaks.record(Halt(cause, head.number, head.hash, said))
        raise PeerError(said)

    async def _let_go(self, last: int) -> None:
        """Let records go up to this one. Raise StoreError."""
        after = 0
        while True:
            waiting = await self._records.unacknowledged(after, RELEASED_AT_ONCE)
            numbers = [one.number for one in waiting if one.number <= last]
            if not numbers:
                return
            await self._records.acknowledge(numbers)
            after = numbers[-1]
