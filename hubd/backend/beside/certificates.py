"""Newer certificates wait here for their turn, whichever way brings them.

Laws:
1. Nothing that comes waits here but the newest of each kind.
2. After a refused one none of that kind is looked at for a while, which grows: each look costs a
   signature check.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import structlog

from hubcore.backend.pace import Pace
from hubcore.errors import HubError

log = structlog.get_logger()

TakeCertificate = Callable[[bytes], Awaitable[None]]
"""Puts a newer certificate in force. Raises HubError."""


class CertificateWorkers:
    """`take` gets those for phones, `take_tls` those for TLS. Call `run` once."""

    def __init__(
        self,
        take: TakeCertificate,
        take_tls: TakeCertificate,
        pace: Pace,
        counters: Counter[str],
    ) -> None:
        self._take = take
        self._take_tls = take_tls
        self._pace = pace
        self._counters = counters
        self._certificates: asyncio.Queue[bytes] = asyncio.Queue(1)
        self._tls_certificates: asyncio.Queue[bytes] = asyncio.Queue(1)

    def take_certificate(self, document: bytes) -> None:
        """Let a certificate wait for its turn, in place of the one that waits."""
        _put_newest(self._certificates, document)

    def take_tls_certificate(self, document: bytes) -> None:
        """The same of a certificate for TLS."""
        _put_newest(self._tls_certificates, document)

    async def run(self) -> None:
        """Take what comes, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_at(self._certificates, self._take))
            group.create_task(self._look_at(self._tls_certificates, self._take_tls))

    async def _look_at(self, waiting: asyncio.Queue[bytes], take: TakeCertificate) -> None:
        pause_seconds = self._pace.refused_seconds
        while True:
            document = await waiting.get()
            try:
                await take(document)
            except HubError as error:
                self._counters["certificates_refused"] += 1
                log.warning("certificate_refused", why=str(error))
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, self._pace.refused_cap_seconds)
            else:
                pause_seconds = self._pace.refused_seconds


def _put_newest(waiting: asyncio.Queue[bytes], document: bytes) -> None:
    """Put it in place of the one that waits."""
    if waiting.full():
        waiting.get_nowait()
    waiting.put_nowait(document)
