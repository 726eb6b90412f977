"""Telemetry goes up in small messages, at a pace, while no record waits.

Laws:
1. Nothing goes while a record waits: evidence comes first in every budget.
2. At most one message goes in `Pace.telemetry_seconds`, with at most MAX_DEVICES values.
3. What the uplink loses is lost. On a new uplink all that is known goes again.
"""

from __future__ import annotations

from collections.abc import Callable

from hubcore.backend.pace import Pace
from hubcore.backend.uplink import from_hub
from hubcore.backend.uplink.words import MAX_DEVICES
from hubcore.device.telemetry import Datum, TelemetryTable
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog


class TelemetrySender:
    """Sends what a table holds."""

    def __init__(
        self,
        *,
        table: TelemetryTable | None,
        records: AuditLog,
        clock: Clock,
        pace: Pace,
        say: Callable[[from_hub.HubMessage], bool],
    ) -> None:
        """`table` is None for a hub without devices.

        `say` hands a message to the uplink; False when the uplink takes none for now.
        """
        self._table = table
        self._records = records
        self._clock = clock
        self._seconds = pace.telemetry_seconds
        self._say = say
        self._next_at = 0.0

    def rewind(self) -> None:
        """The uplink ended: all that is known goes again on the next one."""
        if self._table is not None:
            self._table.all_again()

    def send(self) -> float | None:
        """Send what may go now; return when to look again, None when there never is any."""
        if self._table is None:
            return None
        now = self._clock.monotonic()
        if now < self._next_at:
            return self._next_at
        self._next_at = now + self._seconds
        batch = self._table.batch(MAX_DEVICES)
        if batch and not self._records.waiting() and self._say(_message(batch, now)):
            self._table.sent(batch, now)
        return self._next_at


def _message(batch: tuple[Datum, ...], now: float) -> from_hub.Telemetry:
    values = [
        from_hub.Measured(
            device=datum.device,
            quantity=datum.quantity,
            value=datum.value,
            age_seconds=max(0, int(now - datum.at)),
        )
        for datum in batch
    ]
    return from_hub.Telemetry(tuple(values))
