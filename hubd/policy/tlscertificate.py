"""The use case of a newer TLS certificate: proven, made durable, then in force.

Laws:
1. It proves itself by the signature of the site's authority, for this hub and its TLS key
   (`hubcore.codec.tls`). Who brought it proves nothing.
2. It is durable before it is in force. A power cut leaves one of the two.
3. The one in force again changes nothing and leaves no record.
4. CHANGES says how often one may take another's place, as for the hub's certificate, and they are
   taken one at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hubcore.codec.tls import TlsInForce, pem_of
from hubcore.errors import TrustError
from hubcore.evidence.facts import Fact
from hubcore.timing.pace import Bucket
from hubd.policy.certificate import CHANGES, CertificateNotes

TLS = "tls"
"""What the record of such a certificate says beside its end."""


class TlsIntake:
    """Takes newer ones; `keep` makes one durable, as PEM, or raises StoreError."""

    def __init__(
        self,
        in_force: TlsInForce,
        *,
        keep: Callable[[bytes], Awaitable[None]],
        notes: CertificateNotes,
    ) -> None:
        self._in_force = in_force
        self._keep = keep
        self._notes = notes
        self._changes = Bucket(CHANGES)
        self._turn = asyncio.Lock()

    async def accept(self, document: bytes) -> None:
        """Put a newer certificate (DER) in force.

        Raise TrustError or StoreError: the one before stays in force then.
        """
        async with self._turn:
            await self._accept(document)

    async def _accept(self, document: bytes) -> None:
        if document == self._in_force.certified.document:
            return
        clock = self._notes.clock
        new = self._in_force.newer(document, clock.wall())
        if not self._changes.take(clock.monotonic()):
            raise TrustError("TLS certificate: too many newer ones came lately; it may come again")
        await self._keep(pem_of(document))
        self._in_force.renew(new)
        await self._notes.write({Fact.EXPIRES: new.expires, Fact.WHAT: TLS})
