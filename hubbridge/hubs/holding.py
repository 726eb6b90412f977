"""What the bridge makes of a hub's records, and says of them: held, full, doubted, witnessed.

Laws:
1. Held is said of what is on the disk, and of nothing else.
2. A full disk is told once each FULL_SECONDS, and loses nothing.
3. A testimony is of a head that is on the disk, at most one each `witness_seconds`. Whoever falls
   silent before the time has the last one with the next Ping after it.
4. People hear of an alarm once: by its Notice, or by its record once that is on the disk.
"""

from __future__ import annotations

from collections.abc import Sequence

from hubbridge.hubs.happenings import Happenings
from hubbridge.hubs.neighbours import Records, Upward
from hubbridge.hubs.state import Alarm
from hubbridge.hubs.talking import Talking
from hubbridge.rules.proven import ProvenHead
from hubcore.access.words import HubName
from hubcore.backend.uplink.from_backend import Halt, Held
from hubcore.backend.uplink.words import MAX_ACKNOWLEDGED
from hubcore.bridge.from_bridge import Full, Witnessed
from hubcore.bridge.signedhead import HeadKind, SignedHead, sign_head
from hubcore.bridge.witness import Doubt
from hubcore.codec.cose import SigningKey
from hubcore.errors import PeerError
from hubcore.evidence.records import Head, StoredRecord
from hubcore.ports.clock import Clock

FULL_SECONDS = 60
WHY = "the bridge has seen another log of this hub"


class Holding:
    """Keeps the records of all hubs. `testimony` is the bridge's key, None for no testimonies."""

    def __init__(
        self,
        *,
        bridge: str,
        site: str,
        records: Records,
        clock: Clock,
        happenings: Happenings,
        testimony: SigningKey | None,
        witness_seconds: float,
    ) -> None:
        self._bridge = bridge
        self._site = site
        self._records = records
        self._clock = clock
        self._happenings = happenings
        self._testimony = testimony
        self._witness_seconds = witness_seconds
        self._upward: Upward | None = None

    def reports_to(self, upward: Upward) -> None:
        """Join with the way to the backend."""
        self._upward = upward

    async def keep(
        self, talking: Talking, records: Sequence[StoredRecord], heads: Sequence[ProvenHead]
    ) -> None:
        """Keep records, and say which are held (laws 1 and 2). Raise PeerError."""
        offered = await self._records.offer(talking.hub, tuple(records), tuple(heads))
        if heads and self._upward is not None:
            self._upward.grew(talking.hub)
        if offered.held:
            for begins in range(0, len(offered.held), MAX_ACKNOWLEDGED):
                talking.line.say(Held(offered.held[begins : begins + MAX_ACKNOWLEDGED]))
            if self._upward is not None:
                self._upward.grew(talking.hub)
            held = frozenset(offered.held)
            for alarm in talking.state.records([one for one in records if one.number in held]):
                self.tell_alarm(talking, alarm)
            newest = records[-1]
            if newest.number == offered.held[-1] > talking.state.newest.number:
                talking.state.newest = Head(newest.number, newest.hash)
                self.bear_witness(talking)
        if offered.refused:
            self._say_full(talking)
        if offered.doubt is not None and talking.state.doubt is None:
            talking.state.doubt = offered.doubt
            self._happenings.doubted(talking.hub, offered.doubt)
            self.halt(talking, offered.doubt)
        if offered.unfit:
            raise PeerError(offered.unfit)

    def tell_alarm(self, talking: Talking, alarm: Alarm | None) -> None:
        """Tell people of an alarm, if it is one of which they did not hear (law 4)."""
        if alarm is not None:
            self._happenings.alarmed(talking.hub, alarm)

    def halt(self, talking: Talking, doubt: Doubt) -> None:
        """Tell a hub, and the backend, that it is doubted."""
        newest = talking.state.newest
        talking.line.say(Halt(doubt.cause, newest.number, newest.hash, WHY))
        if self._upward is not None:
            self._upward.doubted(talking.hub, doubt, newest)

    def _say_full(self, talking: Talking) -> None:
        now = self._clock.monotonic()
        if now >= talking.full_until:
            talking.full_until = now + FULL_SECONDS
            talking.state.full_told += 1
            talking.line.say(Full(FULL_SECONDS))

    def bear_witness(self, talking: Talking) -> None:
        """Sign the newest head of a hub, if it is time (law 3)."""
        now = self._clock.monotonic()
        newest = talking.state.newest.number
        if self._testimony is None or now < talking.witness_at or newest <= talking.witnessed:
            return
        talking.witness_at = now + self._witness_seconds
        talking.witnessed = newest
        said = SignedHead(
            kind=HeadKind.TESTIMONY,
            by=self._bridge,
            hub=HubName(self._site, talking.hub),
            head=talking.state.newest,
            at=int(self._clock.wall()),
        )
        document = sign_head(said, self._testimony)
        talking.line.say(Witnessed(document))
        if self._upward is not None:
            self._upward.testified(talking.hub, document)
