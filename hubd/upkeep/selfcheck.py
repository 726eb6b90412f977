"""The use case that looks after the hub itself: it compares what the daemon sees with its checks.

Law: it mends only what needs no person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from hubcore.checks import Topic
from hubcore.codec.tls import TlsInForce
from hubcore.phone.certificates import CertificateInForce
from hubcore.phone.epochs import EpochRing
from hubcore.ports.clock import Clock
from hubd.backend.sync import Sync
from hubd.bridge.way import BridgeWay
from hubd.upkeep.clockcare import ClockCare
from hubd.upkeep.looks import LOOKS, Seen
from hubd.upkeep.standing import StandingProblems

CHECK_SECONDS = 2.0


class SelfCheck:
    """Run `run` beside everything else, and `check` when something has changed."""

    def __init__(
        self,
        *,
        problems: StandingProblems,
        clock: Clock,
        clock_care: ClockCare,
        epochs: EpochRing,
        sync: Sync | None,
        way: BridgeWay | None,
        certificate: CertificateInForce,
        certificate_file: str,
        backend_key_file: str,
        tls: TlsInForce | None,
        tls_file: str,
        offline_seconds: Callable[[], float],
        offline_budgets: Mapping[str, float],
    ) -> None:
        """Files as the installer knows them; budgets of doors in seconds, by id."""
        self._problems = problems
        self._clock = clock
        self._clock_care = clock_care
        self._epochs = epochs
        self._sync = sync
        self._way = way
        self._certificate = certificate
        self._certificate_file = certificate_file
        self._backend_key_file = backend_key_file
        self._tls = tls
        self._tls_file = tls_file
        self._offline_seconds = offline_seconds
        self._offline_budgets = dict(offline_budgets)

    async def run(self) -> None:
        """Check and mend every CHECK_SECONDS until cancelled."""
        while True:
            await self.check_and_mend()
            await asyncio.sleep(CHECK_SECONDS)

    async def check_and_mend(self) -> None:
        """Check once, and do what needs no person."""
        self.check()
        await self._clock_care.confirm_if_possible()

    def check(self) -> None:
        """Let problems stand or end by what is seen now."""
        self._problems.update(Topic.CLOCK, self._clock_care.trouble())
        seen = self._seen()
        for topic, look in LOOKS.items():
            self._problems.update(topic, look(seen))
        self._problems.write_journal(self._clock.monotonic())

    def _seen(self) -> Seen:
        return Seen(
            now=self._clock.wall(),
            epoch_is_ready=self._epochs.current is not None,
            certificate_begins=self._certificate.certified.not_before,
            certificate_expires=self._certificate.certified.expires,
            certificate_file=self._certificate_file,
            backend_key_file=self._backend_key_file,
            tls=None if self._tls is None else self._tls.certified,
            tls_file=self._tls_file,
            uplink=None if self._sync is None else self._sync.state,
            way=None if self._way is None else self._way.state,
            offline_seconds=self._offline_seconds(),
            offline_budgets=self._offline_budgets,
        )
