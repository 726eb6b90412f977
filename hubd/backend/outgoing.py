"""What goes up while the hub and the backend speak, in its order.

Laws:
1. Receipts are noted before anything goes up.
2. What the backend has lost is recorded first, and then waits again, a step at a time. No record
   goes up before the last step, nor when they have ceased to speak meanwhile.
3. Records go first, then notices, then telemetry, then the question for a newer certificate, then
   which version runs here, then what is wrong here.
4. On a new uplink each of them begins again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

import structlog

from hubcore.backend.pace import Pace
from hubcore.backend.talk.effects import Comparison
from hubcore.backend.uplink.from_backend import Halt
from hubcore.backend.uplink.from_hub import HubMessage
from hubcore.device.telemetry import TelemetryTable
from hubcore.evidence.records import Head
from hubcore.phone.certificates import CertificateInForce
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog
from hubd.backend.beside.health import HealthTeller, ReadStanding
from hubd.backend.beside.notices import NoticeSender
from hubd.backend.beside.renewal import RenewalAsker
from hubd.backend.beside.telemetry import TelemetrySender
from hubd.backend.beside.updates import ReadBoard, UpdateTeller
from hubd.backend.breaks import BreakRecorder
from hubd.backend.sender import RecordSender

log = structlog.get_logger()

Say = Callable[[HubMessage], bool]
"""Hands a message to the uplink; False when that takes none for now."""


class Outgoing:
    """One task calls `note` and then, while they speak, `send`."""

    def __init__(
        self,
        *,
        records: AuditLog,
        clock: Clock,
        pace: Pace,
        say: Say,
        counters: Counter[str],
        telemetry: TelemetryTable | None,
        certificate: CertificateInForce | None,
        board: ReadBoard | None,
        standing: ReadStanding | None,
        software: str,
        doors_first: Callable[[], Awaitable[None]],
    ) -> None:
        """`doors_first` gives the doors their turn."""
        self._records = records
        self._clock = clock
        self._counters = counters
        self._breaks = BreakRecorder(records, clock)
        self._loss_recorded: Head | None = None
        self._round = 0
        """One ends when they cease to speak."""
        self._sender = RecordSender(
            records=records,
            clock=clock,
            pace=pace,
            say=say,
            counters=counters,
            doors_first=doors_first,
        )
        self._notices = NoticeSender(records=records, clock=clock, pace=pace, say=say)
        self._telemetry = TelemetrySender(
            table=telemetry, records=records, clock=clock, pace=pace, say=say
        )
        self._renewal = RenewalAsker(
            certificate=certificate,
            clock=clock,
            again_seconds=pace.certificate_seconds,
            say=say,
        )
        self._updates = UpdateTeller(read=board, software=software, clock=clock, pace=pace, say=say)
        self._health = HealthTeller(read=standing, clock=clock, pace=pace, say=say)

    def compare(self, durable: Head) -> Comparison:
        """Hold the log against the newest record that the backend has durably."""
        return self._sender.compare(durable)

    def acknowledged(self, numbers: tuple[int, ...]) -> None:
        """The backend holds these records."""
        self._sender.acknowledged(numbers)

    def held(self, numbers: tuple[int, ...]) -> None:
        """A carrier has these records."""
        self._sender.held(numbers)

    def send_again(self, durable: Head) -> None:
        """The backend has lost what comes after this record."""
        log.warning(
            "backend_restored",
            holds=durable.number,
            acknowledged=self._records.newest_acknowledged(),
            gone=self._records.gone(),
        )
        self._counters["restored"] += 1
        self._sender.send_again(durable)

    def rewind(self) -> None:
        """They do not speak any more."""
        self._round += 1
        self._sender.rewind()
        self._telemetry.rewind()
        self._notices.rewind()
        self._renewal.rewind()
        self._updates.rewind()
        self._health.rewind()

    @property
    def stopped_by(self) -> str:
        """Which record cannot be sent, and why, in a sentence; "" while all can."""
        return self._sender.stopped_by

    def unacknowledged_seconds(self) -> float | None:
        """Return for how long the oldest record has waited, None where none waits."""
        return self._sender.oldest.seconds()

    async def note(self, halt: Halt | None) -> float | None:
        """Note receipts and the Halt that holds; return when to look again. Raise StoreError."""
        await self._sender.note_receipts()
        find_at = await self._sender.oldest.find()
        await self._breaks.record(halt)
        return find_at

    async def send(self) -> float | None:
        """Send what is due; return when something is due again. Raise StoreError."""
        round_ = self._round
        if not await self._take_back() or self._round != round_:
            return self._clock.monotonic()
        send_at = await self._sender.send()
        notice_at = await self._notices.send(self._sender.sent)
        measure_at = self._telemetry.send()
        renew_at = self._renewal.ask()
        look_at = self._updates.tell()
        wrong_at = self._health.tell()
        return earliest(send_at, notice_at, measure_at, renew_at, look_at, wrong_at)

    async def _take_back(self) -> bool:
        """Let what the backend has lost wait again, one step; False while more is to be done."""
        durable = self._sender.lost_after
        if durable is None:
            return True
        if self._loss_recorded != durable:
            await self._breaks.record_loss(durable)
            self._loss_recorded = durable
        if not await self._sender.take_back():
            return False
        self._loss_recorded = None
        return True


def earliest(*moments: float | None) -> float | None:
    """Return the earliest moment; None is never."""
    return min((moment for moment in moments if moment is not None), default=None)
