"""The hub signs what a bridge holds of its records, so that nobody can make up the next ones.

How it works: a record bears no signature, its hash leads to all before it. So one signed head
speaks for many records. The bridge says how far it needs no head. From there on a head is signed
each time that a stretch is full (`hubcore.bridge.stretch`), and for what is left before it is full
as soon as there was a pause of HEAD_SECONDS since the last one. So the last record of all has its
head without waiting for another record, and a busy door costs two signatures a second.

Laws:
1. A head is signed only of a record of this log that the bridge has said to hold.
2. Between two heads, and between the first and where the bridge begins, there is at most a stretch
   of records that this log still has.
3. No record waits for its head: it is signed after the bridge has said Held, and after the doors
   had their turn.
4. At most HEADS are signed, whatever a bridge says that it needs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from hubcore.access.words import HubName
from hubcore.bridge.from_hub import OwnHead
from hubcore.bridge.signedhead import HeadKind, SignedHead, sign_head
from hubcore.bridge.stretch import STRETCH_RECORDS, reach
from hubcore.codec.cose import SigningKey
from hubcore.evidence.records import Head, StoredRecord
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog
from hubcore.timing.pace import Bucket, Rate

HEAD_SECONDS = 0.5
"""Between two heads of stretches that are not full: a signature takes a small board 1 ms."""
HEADS = Rate(burst=64, per_second=64.0)
"""64 heads are 4096 records: more than a small board records in a second."""
RETRY_SECONDS = 1.0


class OwnHeads:
    """Signs heads. One task calls `give`."""

    def __init__(
        self,
        *,
        records: AuditLog,
        hub: HubName,
        key: SigningKey,
        clock: Clock,
        held: Callable[[], int],
        say: Callable[[OwnHead], bool],
        doors_first: Callable[[], Awaitable[None]],
    ) -> None:
        """`held` returns the number up to which the bridge holds this log.

        `say` hands a message to the connection; False when it takes none for now. `doors_first`
        gives the doors their turn.
        """
        self._records = records
        self._hub = hub
        self._key = key
        self._clock = clock
        self._held = held
        self._say = say
        self._doors_first = doors_first
        self._pace = Bucket(HEADS)
        self._signed: int | None = None
        """The newest record that needs no head on this connection; None: no bridge takes any."""
        self._next_at = 0.0

    def begin(self, signed: int) -> None:
        """A bridge needs heads of the records after this one."""
        self._signed = signed

    def stop(self) -> None:
        """The connection is gone, or the bridge takes nothing."""
        self._signed = None

    async def give(self) -> float | None:
        """Sign what is due; return when to look again, None when a Held must come first.

        Raise StoreError.
        """
        while self._signed is not None and self._held() > self._signed:
            now = self._clock.monotonic()
            is_full = self._held() - self._signed >= STRETCH_RECORDS
            if not is_full and now < self._next_at:
                return self._next_at
            if not self._pace.take(now):
                return now + 1 / HEADS.per_second
            if not self._sign_next(self._signed, now):
                return now + RETRY_SECONDS
            await self._doors_first()
        return None

    def _sign_next(self, signed: int, now: float) -> bool:
        """Sign one stretch; False when the connection does not take it. Raise StoreError."""
        found = self._next(signed)
        if not found:  # they went because the backend has them
            self._signed = self._held()
            return True
        head = Head(found[-1].number, found[-1].hash)
        at = max(1, int(self._clock.wall()))
        said = SignedHead(HeadKind.OWN, self._hub.hub, self._hub, head, at)
        if not self._say(OwnHead(sign_head(said, self._key))):
            return False
        self._signed = head.number
        self._next_at = now + HEAD_SECONDS
        return True

    def _next(self, signed: int) -> Sequence[StoredRecord]:
        """Return the next stretch of what is held (laws 1 and 2)."""
        after = max(signed, self._records.gone())
        last = min(self._held(), after + STRETCH_RECORDS)
        found = self._records.newest(last + 1, last - after) if last > after else ()
        stretch = [one for one in found if one.number > after]
        return stretch[: reach(len(one.body) for one in stretch)]
