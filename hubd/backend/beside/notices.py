"""Alarms that wait behind many other records are told to the backend ahead of them.

How it works: after an outage records go up in order, and an alarm of now would come last. So the
hub looks ahead over the records that wait, and says each alarm among them in a Notice.

Laws:
1. A Notice is no evidence. The record goes in its order as well, and nothing else ends its wait.
2. An alarm that goes up at once needs none: nothing is looked at unless more waits than the window
   holds.
3. On a new uplink all of them are said again.
4. At most PACE of them go, and none is left out: the look ahead waits.
5. Nothing at the hub tells of them, for one may be a silent alarm.
"""

from __future__ import annotations

from collections.abc import Callable

from hubcore.backend.pace import Pace
from hubcore.backend.uplink import from_hub
from hubcore.errors import FrameError
from hubcore.evidence.alarms import alarm_of
from hubcore.evidence.records import StoredRecord
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog
from hubcore.timing.pace import Bucket, Rate

LOOKED_AT_ONCE = 256
PACE = Rate(burst=64, per_second=1.0)


class NoticeSender:
    """Looks ahead. One task calls `send`."""

    def __init__(
        self,
        *,
        records: AuditLog,
        clock: Clock,
        pace: Pace,
        say: Callable[[from_hub.HubMessage], bool],
    ) -> None:
        """`say` hands a message to the uplink; False when the uplink takes none for now."""
        self._records = records
        self._clock = clock
        self._retry_seconds = pace.retry_seconds
        self._window = pace.window
        self._say = say
        self._looked = 0
        """The newest record that was looked at."""
        self._bucket = Bucket(PACE)
        self._round = 0

    def rewind(self) -> None:
        """The uplink ended: all is looked at again on the next one."""
        self._looked = 0
        self._round += 1

    async def send(self, sent: int) -> float | None:
        """Look at the next records above `sent`; return when to look on, None when all was.

        Raise StoreError.
        """
        self._looked = max(self._looked, sent)
        newest = self._records.last()
        if self._looked >= newest or newest - sent <= self._window:
            return None
        round_ = self._round
        found = await self._records.unacknowledged(self._looked, LOOKED_AT_ONCE)
        if self._round != round_:
            return None  # the uplink went meanwhile; the next one begins anew
        now = self._clock.monotonic()
        for stored in found:
            if alarm_of(stored.body) and not self._notice(stored, now):
                return now + self._retry_seconds
            self._looked = stored.number
        if len(found) < LOOKED_AT_ONCE:
            self._looked = max(self._looked, newest)
        return now

    def _notice(self, stored: StoredRecord, now: float) -> bool:
        """Say a notice; False when it must be tried again."""
        try:
            notice = from_hub.Notice(stored.number, stored.body, stored.hash)
        except FrameError:  # its record cannot go either, and that is told
            return True
        return self._bucket.take(now) and self._say(notice)
