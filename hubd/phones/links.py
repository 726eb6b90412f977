"""The use case that serves phones: the table of the radio's links.

Laws:
1. Bytes are taken on the event loop at once; slow work is done elsewhere (`visit`).
2. There are at most `links_max` links; who was sent away does not count. The oldest of those that
   failed makes room, else one beside that has proven nothing, else the oldest.
3. After the hub has dropped a phone, its bytes are ignored until the radio reports the link closed.
4. Bytes count as come at the earliest moment that is possible (`timing.standstill`).
5. A link that writes to the second service first is served there (`beside`), within the same
   places. Who cannot be served there is counted once, and sent away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from functools import partial

from hubcore.door.state import DoorState
from hubcore.errors import PeerError, SequenceError
from hubcore.evidence.facts import Tell
from hubcore.phone.handshake import HubSide
from hubcore.phone.link import HubLink, LinkStanding
from hubcore.ports.clock import Clock
from hubcore.ports.radio import Adapter, LinkId, Radio
from hubcore.timing.standstill import TURN_SECONDS, Standstill
from hubd.phones.beside import Beside
from hubd.phones.dropping import DROP_PAUSE_SECONDS, Dropper
from hubd.phones.seen import LinkSeen, RadioSeen, Traced
from hubd.phones.visit import Present, TakeRefusal, TakeRevocations, TellDoorState, Visit

SWEEP_SECONDS = 0.5


class Links:
    """All links of one radio.

    Implements `ports.radio.RadioListener` and, with a second service, `PkocListener`.
    """

    def __init__(
        self,
        *,
        side: HubSide,
        radio: Radio,
        transport: str,
        links_max: int,
        rsa: Executor,
        present: Present,
        door_state: TellDoorState,
        strike_seconds: Mapping[int, float],
        refused: TakeRefusal,
        take_revocations: TakeRevocations,
        tell: Tell,
        traced: Traced,
        clock: Clock,
        beside: Beside | None = None,
        drop_pause_seconds: float = DROP_PAUSE_SECONDS,
    ) -> None:
        """RSA is done on `rsa`; `strike_seconds` goes by access point.

        `beside` serves the phones of the second service, where it is on.
        """
        self._beside = beside
        self._side = side
        self._radio = radio
        self._transport = transport
        self.places = links_max
        self.radio_seen = RadioSeen(clock)
        self._take_refusal = refused
        self._clock = clock
        self._make_visit = partial(
            Visit,
            radio=radio,
            dropper=Dropper(radio, tell, drop_pause_seconds),
            rsa=rsa,
            present=present,
            door_state=door_state,
            strike_seconds=strike_seconds,
            refused=self._refused,
            take_revocations=take_revocations,
            tell=tell,
            traced=traced,
            clock=clock,
        )
        self._visits: dict[LinkId, Visit] = {}
        self._sent_away: dict[LinkId, Visit] = {}
        self._standstill = Standstill(clock.monotonic())
        self._tasks: asyncio.TaskGroup | None = None

    def __len__(self) -> int:
        return len(self._visits)

    async def run(self, ready: Callable[[bool], None], beat: Callable[[], None]) -> None:
        """Serve the radio until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks

            def told(on_air: bool) -> None:
                self.radio_seen.went(on_air)
                ready(on_air)

            pkoc = None if self._beside is None else self
            tasks.create_task(self._radio.serve(self, told, pkoc))
            if self._beside is not None:
                tasks.create_task(self._beside.run(tasks))
            tasks.create_task(self._sweep(beat))
            tasks.create_task(self._turn())
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self._stop()

    def opened(self, link: LinkId) -> None:
        """A peer has connected."""
        if self._tasks is None:  # before the start, or after the stop
            return
        if link in self._visits or link in self._sent_away or self._is_beside(link):
            return
        if len(self._visits) + self._count_beside() >= self.places:
            self._make_room()
        now = self._clock.monotonic()
        begun = HubLink(self._side, self._transport, now)
        since = self.radio_seen.came()
        visit = self._make_visit(link, begun, self._tasks, since=since)
        self._visits[link] = visit
        self._tasks.create_task(visit.run())
        if self._beside is not None:
            self._beside.opened(link)

    def info(self, link: LinkId) -> bytes:
        """Answer a read of INFO."""
        visit = self._visit_of(link)
        if self._beside is not None:
            self._beside.spoke(link)
        return b"" if visit is None else visit.challenge()

    def frame(self, link: LinkId, data: bytes, mtu: int) -> None:
        """Take one write to RX.

        Raise PeerError for the write that ends the link, and for all after it.
        """
        visit = self._visit_of(link)
        if visit is None:
            raise SequenceError("link: not served")
        now = self._clock.monotonic()
        came = self._standstill.came(now)
        visit.frame(data, mtu, now, came)

    def listens(self, anybody: bool) -> None:
        """Somebody subscribes to the second service, or nobody does any more."""
        if self._beside is not None:
            self._beside.listens(anybody)

    def pkoc_frame(self, link: LinkId, data: bytes) -> None:
        """Take one write to the second service.

        Raise PeerError for the write that ends the visit, and for all after it.
        """
        beside = self._beside
        if beside is None:
            raise SequenceError("link: not served")
        now = self._clock.monotonic()
        came = self._standstill.came(now)
        if not beside.has(link):
            self._hand_over(link, beside)
        beside.frame(link, data, came)

    def next_frame(self, link: LinkId, mtu: int) -> bytes:
        """Answer a read of TXR, at once."""
        visit = self._visit_of(link)
        return b"" if visit is None else visit.pull(mtu)

    def _hand_over(self, link: LinkId, beside: Beside) -> None:
        """Have a link served beside, or send it away and raise SequenceError."""
        visit = self._visit_of(link)
        if visit is None:
            raise SequenceError("link: not served")
        try:
            if visit.has_begun:
                raise SequenceError("link: not served in two protocols")
            beside.begin(link)
        except SequenceError as error:
            self._refused(error)
            self._send_away(link)
            raise
        del self._visits[link]
        visit.leave()

    def closed(self, link: LinkId) -> None:
        """The peer has gone."""
        if self._beside is not None:
            self._beside.closed(link)
        sent_away = self._sent_away.pop(link, None)
        if sent_away is not None:
            sent_away.disconnected()
        visit = self._visits.pop(link, None)
        if visit is not None:
            visit.disconnected()
            visit.leave()

    def door_changed(self, access_point: int, state: DoorState) -> None:
        """Tell the phones that were let in there."""
        for visit in self._visits.values():
            visit.door_changed(access_point, state)

    def seen(self) -> list[LinkSeen]:
        """Show each link that is served, the oldest first."""
        return [visit.seen() for visit in self._visits.values()]

    def connected(self) -> int:
        """Return how many phones are served, those of the second service among them."""
        beside = 0 if self._beside is None else self._beside.connected
        return beside + len(self._visits)

    def unanswered(self) -> int:
        """Return how many phones have begun something that is not answered to its end."""
        beside = 0 if self._beside is None else self._beside.unanswered
        return beside + sum(visit.is_unanswered for visit in self._visits.values())

    def adapter(self) -> Adapter | None:
        """Return the adapter that serves them."""
        return self._radio.adapter()

    def _refused(self, cause: PeerError) -> None:
        self.radio_seen.failed(cause)
        self._take_refusal(cause)

    def _visit_of(self, link: LinkId) -> Visit | None:
        """Return a visit, which a radio may not have told of yet; None when none is served."""
        if link not in self._visits and not self._is_beside(link):
            self.opened(link)
        return self._visits.get(link)

    def _is_beside(self, link: LinkId) -> bool:
        return self._beside is not None and self._beside.has(link)

    def _count_beside(self) -> int:
        return 0 if self._beside is None else len(self._beside)

    def _make_room(self) -> None:
        """Send away who deserves its place least: law 2."""
        links = list(self._visits)  # the oldest first
        oldest = min(links, key=self._standing, default=None)
        has_failed = oldest is not None and self._standing(oldest) is not LinkStanding.NOT_FAILED
        if not has_failed and self._beside is not None and self._beside.make_room():
            return
        if oldest is not None:
            self._send_away(oldest)

    def _standing(self, link: LinkId) -> LinkStanding:
        return self._visits[link].standing

    def _send_away(self, link: LinkId) -> None:
        visit = self._visits.pop(link)
        self._sent_away[link] = visit
        visit.send_away()

    def _stop(self) -> None:
        """End every visit, and begin none."""
        self._tasks = None
        if self._beside is not None:
            self._beside.stop()
        while self._visits:
            _, visit = self._visits.popitem()
            visit.leave()

    async def _turn(self) -> None:
        """Show that the loop comes round."""
        while True:
            self._standstill.turned(self._clock.monotonic())
            await asyncio.sleep(TURN_SECONDS)

    async def _sweep(self, beat: Callable[[], None]) -> None:
        """Send away the links whose time is over."""
        while True:
            beat()
            if self._beside is not None:
                self._beside.sweep()
            now = self._clock.monotonic()
            for link, visit in list(self._visits.items()):
                why = visit.expired(now)
                if why is not None:
                    self._refused(SequenceError(f"link: {why}"))
                    self._send_away(link)
            await asyncio.sleep(SWEEP_SECONDS)
