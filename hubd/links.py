"""The use case that serves radio links: it performs what `core.link` says, and nothing it does not say.

Laws: bytes are taken on the event loop at once, slow work is done elsewhere; a link has one task, which ends with it;
there are at most `links_max` links, and the oldest of those that have shown least makes room; a link that has gone
cancels nothing half-way; every Unseal that a link asked for is answered to it, so that its place in the RSA budget
comes back; what goes wrong on one link, ending it included, harms no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import assert_never

from hubd.core.handshake import Drop, HubSide, Outcome, Presented, Proof, Refused, Unseal
from hubd.core.link import HubLink, LinkEffect, Notify
from hubd.core.messages import Action, DoorState
from hubd.core.records import Value
from hubd.core.sealing import Opened, OpenJob, open_request
from hubd.errors import LinkError, PeerError, ProofError, SequenceError
from hubd.ports import Clock, LinkId, Radio

SWEEP_SECONDS = 0.5
EFFECTS_MAX = 64
SEND_SECONDS = 5.0
DROP_SECONDS = 5.0

Present = Callable[[Proof, Callable[[], bool]], Awaitable[Outcome]]
"""Decides and acts: `unlock.Unlock.present`."""


@dataclass(frozen=True, slots=True)
class Means:
    """What links work with: where RSA is done, how many links there may be, where refusals are told."""

    clock: Clock
    rsa: Executor
    links_max: int
    transport: str
    refused: Callable[[PeerError], None]
    tell: Callable[[str, Mapping[str, Value]], None]


@dataclass(frozen=True, slots=True)
class _Unsealing:
    """An Unseal that is being done, or (`result` is None) that stands in line until `turn`, a second of the loop's."""

    job: OpenJob
    turn: float
    result: asyncio.Future[Opened | ProofError] | None


_Begun = Notify | _Unsealing | Refused | Drop


@dataclass(slots=True)
class _Served:
    """One link, and its effects still to be performed."""

    link: HubLink
    effects: asyncio.Queue[_Begun | None] = field(default_factory=lambda: asyncio.Queue(EFFECTS_MAX))
    left: asyncio.Event = field(default_factory=asyncio.Event)
    timers: list[asyncio.TimerHandle] = field(default_factory=list)

    @property
    def gone(self) -> bool:
        """Whether the peer has left."""
        return self.left.is_set()


class Links:
    """All links of one radio. Implements `ports.RadioListener`."""

    def __init__(
        self, side: HubSide, radio: Radio, present: Present, strike_seconds: Mapping[int, float], means: Means
    ) -> None:
        self._side, self._radio, self._present, self._strike_seconds, self._means = (
            side,
            radio,
            present,
            strike_seconds,
            means,
        )
        self._clock = means.clock
        self._served: dict[LinkId, _Served] = {}
        self._sent_away: set[LinkId] = set()
        self._tasks: asyncio.TaskGroup | None = None

    def __len__(self) -> int:
        return len(self._served)

    async def run(self, ready: Callable[[bool], None], beat: Callable[[], None]) -> None:
        """Serve the radio until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._radio.serve(self, ready))
            tasks.create_task(self._sweep(beat))
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
        served = self._served[link] = _Served(HubLink(self._side, self._means.transport, self._clock.monotonic()))
        self._tasks.create_task(self._serve(link, served))

    def info(self, link: LinkId) -> bytes:
        """Answer a read of INFO."""
        served = self._of(link)
        return served.link.challenge(self._clock.monotonic()) if served else b""

    def frame(self, link: LinkId, data: bytes, mtu: int) -> None:
        """Take one write to RX. Raise PeerError for the write that ends the link, and for all after it."""
        served = self._of(link)
        if served is None or served.link.over:
            raise SequenceError("link: not served")
        effects = served.link.frame(data, mtu, self._clock.monotonic(), self._clock.wall())
        self._begin(link, served, effects)
        if any(isinstance(effect, Drop) for effect in effects):
            raise next((e.cause for e in effects if isinstance(e, Refused)), SequenceError("link ended"))

    def next_frame(self, link: LinkId, mtu: int) -> bytes:
        """Answer a read of TXR, at once."""
        served = self._of(link)
        return served.link.pull(mtu) if served else b""

    def closed(self, link: LinkId) -> None:
        """The peer has gone."""
        self._sent_away.discard(link)
        self._forget(link)

    def _send_away(self, link: LinkId, why: str) -> None:
        """Drop a link; its peer may still send for seconds, until the radio has ended the link, and is not heard."""
        self._enqueue(self._served[link], Drop(why))
        self._sent_away.add(link)
        self._forget(link)

    def _forget(self, link: LinkId) -> None:
        served = self._served.pop(link, None)
        if served is None:
            return
        served.left.set()
        served.link.close()
        for timer in served.timers:
            timer.cancel()
        self._enqueue(served, None)

    def door_changed(self, access_point: int, state: DoorState) -> None:
        """Tell the phones that were let in there."""
        now, wall = self._clock.monotonic(), self._clock.wall()
        for link, served in self._served.items():
            self._begin(link, served, served.link.door(access_point, state, now, wall))

    def _of(self, link: LinkId) -> _Served | None:
        """Return a link, which a radio may not have told of yet; None before the start and after the stop."""
        if link not in self._served:
            self.opened(link)
        return self._served.get(link)

    def _make_room(self) -> None:
        """Drop the oldest of the links that have shown least."""
        oldest = min(self._served, key=lambda link: self._served[link].link.standing)
        self._send_away(oldest, "made room for a newer link")

    def _begin(self, link: LinkId, served: _Served, effects: Sequence[LinkEffect]) -> None:
        """Begin RSA and decisions at once, beside what the radio still does to answer the write; queue the rest."""
        for effect in effects:
            match effect:
                case Unseal(job, after_seconds):
                    turn = asyncio.get_running_loop().time() + after_seconds
                    self._enqueue(served, _Unsealing(job, turn, None if after_seconds else self._unseal(job)))
                case Presented(proof) if self._tasks is not None:
                    try:
                        decided = self._present(proof, lambda: served.link.at_work)
                    except Exception as error:  # not the radio's, which may be waiting for `frame`
                        self._tasks.create_task(self._fault(link, error))
                    else:
                        self._tasks.create_task(self._decide(link, served, proof, decided))
                case Presented():
                    pass
                case _:
                    self._enqueue(served, effect)

    async def _decide(self, link: LinkId, served: _Served, proof: Proof, decided: Awaitable[Outcome]) -> None:
        """Bring the outcome to the link; a decision goes on to its end even when its link has gone."""
        try:
            outcome = await decided
            self._begin(link, served, served.link.answer(outcome, self._clock.monotonic(), self._clock.wall()))
            self._follow_up(link, served, proof, outcome)
        except Exception as error:
            await self._fault(link, error)

    async def _fault(self, link: LinkId, error: Exception) -> None:
        """A fault of our own ends one link only, and is told."""
        self._means.tell("link_fault", {"why": f"{type(error).__name__}: {error}"})
        await self._drop(link)

    def _enqueue(self, served: _Served, effect: _Begun | None) -> None:
        """Queue an effect; a link with more than EFFECTS_MAX unperformed has lost its peer, and only its end counts."""
        if not served.effects.full():
            served.effects.put_nowait(effect)
            return
        served.link.close()
        for lost in [effect, *(served.effects.get_nowait() for _ in range(EFFECTS_MAX))]:
            if isinstance(lost, _Unsealing):
                if lost.result is None:
                    served.link.unbegun()
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
                self._means.tell("send_failed", {"why": str(error)})
            except Exception as error:
                await self._fault(link, error)

    async def _drop(self, link: LinkId) -> None:
        """Disconnect a peer; a radio that cannot is told of, and harms this link only."""
        try:
            async with asyncio.timeout(DROP_SECONDS):
                await self._radio.drop(link)
        except Exception as error:
            self._means.tell("drop_failed", {"why": f"{type(error).__name__}: {error}"})

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
                await self._drop(link)
            case _:
                assert_never(effect)

    def _unseal(self, job: OpenJob) -> asyncio.Future[Opened | ProofError]:
        return asyncio.get_running_loop().run_in_executor(self._means.rsa, _unseal, job)

    async def _unsealed(self, served: _Served, begun: _Unsealing) -> Opened | ProofError:
        """Wait for the result, or for the turn before; a peer that leaves the line costs nothing."""
        try:
            if begun.result is not None:
                return await begun.result
            try:
                async with asyncio.timeout_at(begun.turn):
                    await served.left.wait()
            except TimeoutError:
                return await self._unseal(begun.job)
            served.link.unbegun()
            return ProofError("link: gone before its turn")
        except Exception:
            served.link.unsealed(ProofError("link: a fault of our own"), self._clock.monotonic())
            raise

    def _follow_up(self, link: LinkId, served: _Served, proof: Proof, outcome: Outcome) -> None:
        """After a denial send a door state when a release would have ended: from outside, yes and no look alike."""
        opened = proof.opened
        if served.gone or outcome.allowed or opened.action is not Action.OPEN:
            return
        seconds = self._strike_seconds.get(opened.access_point, max(self._strike_seconds.values()))
        timer = asyncio.get_running_loop().call_later(seconds, self._tell_state, link, served, opened.access_point)
        served.timers = [*(t for t in served.timers if not t.cancelled()), timer][-2:]

    def _tell_state(self, link: LinkId, served: _Served, access_point: int) -> None:
        unknown, now = DoorState.UNKNOWN, self._clock.monotonic()
        self._begin(link, served, served.link.door(access_point, unknown, now, self._clock.wall()))

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


def _unseal(job: OpenJob) -> Opened | ProofError:
    """Do the RSA and the signatures, on the RSA thread."""
    try:
        return open_request(job)
    except ProofError as error:
        return error
