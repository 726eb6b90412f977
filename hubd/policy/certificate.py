"""The use case of a newer certificate: proven, made durable, then in force, without a pause.

Laws:
1. It proves itself by the issuer's signature, for this hub, site and key, and its doors
   (`hubcore.phone.certificates`). Who brought it proves nothing.
2. It is durable before it is in force. Until then phones get the one before, and a power cut leaves
   one of the two.
3. The one in force again changes nothing and leaves no record.
4. Two that begin in one second could take each other's place for ever: CHANGES says how often one
   may. What comes beyond is refused, and the backend brings it again.
5. They are taken one at a time, whoever brings them: uplink and bridge may bring two at once, and
   the newer one stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from hubcore.codec.cose import VerifyKey
from hubcore.errors import AuditError, TrustError
from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.evidence.records import RecordKind
from hubcore.phone.certificates import CertificateInForce
from hubcore.phone.tickets import TicketTable
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog
from hubcore.timing.pace import Bucket, Rate
from hubd.recording import record_now

CHANGES = Rate(burst=16, per_second=1 / 600)


@dataclass(frozen=True, slots=True)
class CertificateNotes:
    """How it is told and recorded that a newer certificate is in force."""

    log: AuditLog
    clock: Clock
    tell: Tell

    async def write(self, facts: Detail) -> None:
        """Tell it, and record it; a record that cannot be written is told of."""
        self.tell(EventName.CERTIFICATE, facts)
        record = record_now(self.clock, RecordKind.CERTIFICATE, facts)
        try:
            await self.log.append(record)
        except AuditError as error:
            self.tell(EventName.AUDIT_FAILED, {Fact.WHY: str(error)})


class CertificateIntake:
    """Takes newer certificates; `keep` makes one durable, or raises StoreError."""

    def __init__(
        self,
        in_force: CertificateInForce,
        *,
        issuer: VerifyKey,
        points: Collection[int],
        keep: Callable[[bytes], Awaitable[None]],
        tickets: TicketTable,
        notes: CertificateNotes,
    ) -> None:
        """`points`: the access points where this hub has a door."""
        self._in_force = in_force
        self._issuer = issuer
        self._points = points
        self._keep = keep
        self._tickets = tickets
        self._notes = notes
        self._changes = Bucket(CHANGES)
        self._turn = asyncio.Lock()

    async def accept(self, document: bytes) -> None:
        """Put a newer certificate in force.

        Raise TrustError or StoreError: the one before stays in force then.
        """
        async with self._turn:
            await self._accept(document)

    async def _accept(self, document: bytes) -> None:
        if document == self._in_force.document:
            return
        clock = self._notes.clock
        now = clock.wall()
        new = self._in_force.newer(document, self._issuer, self._points, now)
        if not self._changes.take(clock.monotonic()):
            raise TrustError("certificate: too many newer ones came lately; it may come again")
        await self._keep(document)
        self._in_force.renew(document, new)
        self._tickets.hub_lives_until(new.expires)
        await self._notes.write({Fact.EXPIRES: new.expires})
