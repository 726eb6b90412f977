"""The use case that serves radio links: it performs what `phone.link` says, and nothing it does not
say.

Laws:
1. Bytes are taken on the event loop at once, slow work is done elsewhere.
2. A link has one task, which ends with it.
3. There are at most `links_max` links; the oldest of those that failed makes room, else the oldest.
4. A link that has gone cancels nothing half-way.
5. Every Unseal that a link asked for is answered to it, so that its place in the RSA budget comes
   back.
6. What goes wrong on one link, ending it included, harms no other.
7. A link that should be gone and is not is dropped again, DROP_TRIES times at most; each time that
   fails is told.
8. Bytes count as come at the earliest moment that is possible (`timing.standstill`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import assert_never

from hubcore.access.claim import Claim, ClaimOutcome
from hubcore.door.state import DoorState
from hubcore.errors import LinkError, PeerError, ProofError, SequenceError
from hubcore.evidence.facts import EventName, Fact, Tell
from hubcore.phone.effects import Drop, FollowUp, Presented, Refused, Unseal
from hubcore.phone.handshake import HubSide
from hubcore.phone.link import HubLink, LinkEffect, Notify
from hubcore.phone.sealing import Opened, OpenJob, open_request
from hubcore.ports.clock import Clock
from hubcore.ports.radio import LinkId, Radio
from hubcore.timing.standstill import TURN_SECONDS, Standstill
from hubd.aside import no_thread

SWEEP_SECONDS = 0.5
EFFECTS_MAX = 64
SEND_SECONDS = 5.0
DROP_SECONDS = 5.0
DROP_TRIES = 5
DROP_PAUSE_SECONDS = 2.0
"""Before a link that should be gone is dropped again; each further pause is twice as long."""
FOLLOW_UP_SECONDS = 0.1
"""How long after the end of a release its state is told: by then the strike is seen to be at rest.
"""

Present = Callable[[Claim, Callable[[], bool]], Awaitable[ClaimOutcome]]
"""Decides and acts: `unlock.Unlock.present`."""


@dataclass(frozen=True, slots=True)
class Means:
    """What links work with: where RSA is done, how many links there may be, where refusals are
    told.

    `door` says what the door of an access point is seen to do.
    """

    clock: Clock
    rsa: Executor
    links_max: int
    transport: str
    refused: Callable[[PeerError], None]
    tell: Tell
    door: Callable[[int], DoorState]


@dataclass(frozen=True, slots=True)
class _Unsealing:
    """An Unseal that is being done, or (`result` is None) that stands in line until `turn`, a
    second of the loop's.
    """

    job: OpenJob
    turn: float
    result: asyncio.Future[Opened | ProofError] | None


_Begun = Notify | _Unsealing | Refused | Drop


@dataclass(slots=True)
class _Served:
    """One link, and its effects still to be performed.

    `left`: nothing is served any more. `closed`: the radio says that the peer has gone.
    """

    link: HubLink
    effects: asyncio.Queue[_Begun | None] = field(
        default_factory=lambda: asyncio.Queue(EFFECTS_MAX)
    )
    left: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    dropping: bool = False
    follow_up: asyncio.TimerHandle | None = None

    @property
    def gone(self) -> bool:
        """Whether the peer has left."""
        return self.left.is_set()


class Links:
    """All links of one radio. Implements `ports.radio.RadioListener`."""

    def __init__(
        self,
        side: HubSide,
        radio: Radio,
        present: Present,
        strike_seconds: Mapping[int, float],
        means: Means,
        drop_pause_seconds: float = DROP_PAUSE_SECONDS,
    ) -> None:
        self._side = side
        self._radio = radio
        self._present = present
        self._strike_seconds = strike_seconds
        self._means = means
        self._drop_pause_seconds = drop_pause_seconds
        self._clock = means.clock
        self._served: dict[LinkId, _Served] = {}
        self._sent_away: dict[LinkId, _Served] = {}
        self._standstill = Standstill(means.clock.monotonic())
        self._tasks: asyncio.TaskGroup | None = None

    def __len__(self) -> int:
        return len(self._served)

    async def run(self, ready: Callable[[bool], None], beat: Callable[[], None]) -> None:
        """Serve the radio until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._radio.serve(self, ready))
            tasks.create_task(self._sweep(beat))
            tasks.create_task(self._turn())
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self._tasks = None  # nothing is begun any more

    def opened(self, link: LinkId) -> None:
        """A peer has connected."""
        if self._tasks is None or link in self._served or link in self._sent_away:
            return
        if len(self._served) >= self._means.links_max:
            self._make_room()
        served = self._served[link] = _Served(
            HubLink(self._side, self._means.transport, self._clock.monotonic())
        )
        self._tasks.create_task(self._serve(link, served))

    def info(self, link: LinkId) -> bytes:
        """Answer a read of INFO."""
        served = self._of(link)
        return served.link.challenge(self._clock.monotonic()) if served else b""

    def frame(self, link: LinkId, data: bytes, mtu: int) -> None:
        """Take one write to RX.

        Raise PeerError for the write that ends the link, and for all after it.
        """
        served = self._of(link)
        if served is None or served.link.over:
            raise SequenceError("link: not served")
        now = self._clock.monotonic()
        effects = served.link.frame(data, mtu, now, self._clock.wall(), self._standstill.came(now))
        self._begin(link, served, effects)
        if any(isinstance(effect, Drop) for effect in effects):
            raise next(
                (e.cause for e in effects if isinstance(e, Refused)), SequenceError("link ended")
            )

    def next_frame(self, link: LinkId, mtu: int) -> bytes:
        """Answer a read of TXR, at once."""
        served = self._of(link)
        return served.link.pull(mtu) if served else b""

    def closed(self, link: LinkId) -> None:
        """The peer has gone."""
        served = self._sent_away.pop(link, None) or self._served.get(link)
        if served is not None:
            served.closed.set()
        self._forget(link)

    def _send_away(self, link: LinkId, why: str) -> None:
        """Drop a link; its peer may still send for seconds, until the radio has ended the link, and
        is not heard.
        """
        served = self._served[link]
        self._enqueue(served, Drop(why))
        self._sent_away[link] = served
        self._forget(link)

    def _forget(self, link: LinkId) -> None:
        served = self._served.pop(link, None)
        if served is None:
            return
        served.left.set()
        served.link.close()
        if served.follow_up is not None:
            served.follow_up.cancel()
        self._enqueue(served, None)

    def door_changed(self, access_point: int, state: DoorState) -> None:
        """Tell the phones that were let in there."""
        now = self._clock.monotonic()
        wall = self._clock.wall()
        for link, served in self._served.items():
            self._begin(
                link,
                served,
                served.link.door(access_point=access_point, door=state, now=now, wall=wall),
            )

    def _of(self, link: LinkId) -> _Served | None:
        """Return a link, which a radio may not have told of yet; None before the start and after
        the stop.
        """
        if link not in self._served:
            self.opened(link)
        return self._served.get(link)

    def _make_room(self) -> None:
        """Drop the oldest of the links that failed, else the oldest."""
        oldest = min(self._served, key=lambda link: self._served[link].link.standing)
        self._send_away(oldest, "made room for a newer link")

    def _begin(self, link: LinkId, served: _Served, effects: Sequence[LinkEffect]) -> None:
        """Begin RSA and decisions at once, beside what the radio still does to answer the write;
        queue the rest.
        """
        for effect in effects:
            match effect:
                case Unseal(job, after_seconds):
                    turn = asyncio.get_running_loop().time() + after_seconds
                    self._enqueue(
                        served, _Unsealing(job, turn, None if after_seconds else self._unseal(job))
                    )
                case Presented(claim) if self._tasks is not None:
                    try:
                        decided = self._present(claim, lambda: served.link.at_work)
                    except Exception as error:  # not the radio's, which may be waiting for `frame`
                        self._tasks.create_task(self._fault(link, served, error))
                    else:
                        self._tasks.create_task(self._decide(link, served, decided))
                case Presented():
                    pass
                case FollowUp():
                    self._follow_up(link, served, effect)
                case _:
                    self._enqueue(served, effect)

    async def _decide(
        self, link: LinkId, served: _Served, decided: Awaitable[ClaimOutcome]
    ) -> None:
        """Bring the outcome to the link; a decision goes on to its end even when its link
        has gone.
        """
        try:
            outcome = await decided
            self._begin(
                link,
                served,
                served.link.answer(outcome, self._clock.monotonic(), self._clock.wall()),
            )
        except Exception as error:
            await self._fault(link, served, error)

    async def _fault(self, link: LinkId, served: _Served, error: Exception) -> None:
        """A fault of our own ends one link only, and is told."""
        self._means.tell(EventName.LINK_FAULT, {Fact.WHY: f"{type(error).__name__}: {error}"})
        await self._drop(link, served)

    def _enqueue(self, served: _Served, effect: _Begun | None) -> None:
        """Queue an effect; a link with more than EFFECTS_MAX unperformed has lost its peer, and
        only its end counts.
        """
        if not served.effects.full():
            served.effects.put_nowait(effect)
            return
        served.link.close()
        for lost in [effect, *(served.effects.get_nowait() for _ in range(EFFECTS_MAX))]:
            if isinstance(lost, _Unsealing):
                if lost.result is None:
                    served.link.unseal_cancelled()
                else:
                    lost.result.cancel()
                served.link.unsealed(ProofError("link: too slow"), self._clock.monotonic())
        served.effects.put_nowait(Drop("too slow"))
        if effect is None:
            served.effects.put_nowait(None)

    async def _serve(self, link: LinkId, served: _Served) -> None:
        """Perform a link's effects until it has gone."""
        while (effect := await served.effects.get()) is not None:
            try:
                await self._perform(link, served, effect)
            except LinkError as error:
                self._means.tell(EventName.SEND_FAILED, {Fact.WHY: str(error)})
            except Exception as error:
                await self._fault(link, served, error)

    async def _drop(self, link: LinkId, served: _Served) -> None:
        """Disconnect a peer, until the radio says that it has gone; one that stays harms this link
        only.
        """
        if served.dropping:
            return
        served.dropping = True
        for attempt in range(1, DROP_TRIES + 1):
            why = await self._why_not_dropped(link)
            if why:
                self._means.tell(EventName.DROP_FAILED, {Fact.WHY: why, Fact.ATTEMPT: attempt})
            if await _within(self._drop_pause_seconds * 2 ** (attempt - 1), served.closed):
                return
            if not why:
                self._means.tell(
                    EventName.DROP_FAILED,
                    {Fact.WHY: "the peer is still there", Fact.ATTEMPT: attempt},
                )

    async def _why_not_dropped(self, link: LinkId) -> str:
        """Ask the radio once to disconnect a peer; say what went wrong, or ""."""
        try:
            async with asyncio.timeout(DROP_SECONDS):
                await self._radio.drop(link)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""

    async def _perform(self, link: LinkId, served: _Served, effect: _Begun) -> None:
        match effect:
            case Notify(frame):
                if not served.gone:
                    async with asyncio.timeout(SEND_SECONDS):
                        await self._radio.notify(link, frame)
            case _Unsealing():
                result = await self._unsealed(served, effect)
                self._begin(link, served, served.link.unsealed(result, self._clock.monotonic()))
            case Refused(cause):
                self._means.refused(cause)
            case Drop():
                await self._drop(link, served)
            case _:
                assert_never(effect)

    def _unseal(self, job: OpenJob) -> asyncio.Future[Opened | ProofError]:
        """Hand a job to the RSA thread; a machine that gives no thread fails this job alone."""
        loop = asyncio.get_running_loop()
        try:
            return loop.run_in_executor(self._means.rsa, _unseal, job)
        except RuntimeError as error:
            failed: asyncio.Future[Opened | ProofError] = loop.create_future()
            failed.set_exception(no_thread("RSA", error))
            return failed

    async def _unsealed(self, served: _Served, begun: _Unsealing) -> Opened | ProofError:
        """Wait for the result, or for the turn before; a peer that leaves the line costs
        nothing.
        """
        try:
            if begun.result is not None:
                return await begun.result
            try:
                async with asyncio.timeout_at(begun.turn):
                    await served.left.wait()
            except TimeoutError:
                return await self._unseal(begun.job)
            served.link.unseal_cancelled()
            return ProofError("link: gone before its turn")
        except Exception:
            served.link.unsealed(ProofError("link: a fault of our own"), self._clock.monotonic())
            raise

    def _follow_up(self, link: LinkId, served: _Served, due: FollowUp) -> None:
        """Send one door state when a release would have ended, after a yes and after a no, in this
        session only.
        """
        if served.follow_up is not None:
            served.follow_up.cancel()
        if served.gone:
            return
        seconds = (
            self._strike_seconds.get(due.access_point, max(self._strike_seconds.values()))
            + FOLLOW_UP_SECONDS
        )
        served.follow_up = asyncio.get_running_loop().call_later(
            seconds, self._tell_state, link, served, due
        )

    def _tell_state(self, link: LinkId, served: _Served, due: FollowUp) -> None:
        state = self._means.door(due.access_point)
        self._begin(link, served, served.link.follow_up(due.session, state, self._clock.wall()))

    async def _turn(self) -> None:
        """Show that the loop comes round."""
        while True:
            self._standstill.turned(self._clock.monotonic())
            await asyncio.sleep(TURN_SECONDS)

    async def _sweep(self, beat: Callable[[], None]) -> None:
        """Drop the links whose time is over."""
        while True:
            beat()
            now = self._clock.monotonic()
            for link, served in list(self._served.items()):
                why = served.link.expired(now)
                if why is not None:
                    self._means.refused(SequenceError(f"link: {why}"))
                    self._send_away(link, why)
            await asyncio.sleep(SWEEP_SECONDS)


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Tell whether an event happens within so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


def _unseal(job: OpenJob) -> Opened | ProofError:
    """Do the RSA and the signatures, on the RSA thread."""
    try:
        return open_request(job)
    except ProofError as error:
        return error
