"""One phone's visit: performs what its `phone.link` says, and nothing else.

Laws:
1. A visit has one task, which ends with the visit.
2. RSA and decisions begin at once. The rest is done step by step, in order.
3. A phone that leaves cancels no step half-way, and no decision.
4. Every Unseal gets a result, so that its place in the RSA budget comes back.
5. What goes wrong in a visit, its end included, harms no other.
6. A visit with more than EFFECTS_MAX steps in line is ended as too slow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import assert_never

import structlog

from hubcore.access.claim import Claim, ClaimOutcome
from hubcore.access.revocations import Revocations
from hubcore.door.state import DoorState
from hubcore.errors import LinkError, PeerError, ProofError, SequenceError
from hubcore.evidence.facts import EventName, Fact, Tell
from hubcore.phone.effects import Carried, Drop, FollowUp, Presented, Refused, Unseal
from hubcore.phone.handshake import HandshakePhase
from hubcore.phone.link import HubLink, LinkEffect, LinkStanding, Notify
from hubcore.phone.sealing import Opened
from hubcore.ports.clock import Clock
from hubcore.ports.radio import LinkId, Radio
from hubcore.timing.steps import UnlockStep
from hubd.phones.dropping import Dropper
from hubd.phones.seen import LinkSeen, Traced
from hubd.phones.unsealing import Unsealing

EFFECTS_MAX = 64
SEND_SECONDS = 5.0
_UNANSWERED = (HandshakePhase.READY, HandshakePhase.WORKING, HandshakePhase.ABANDONED)
FOLLOW_UP_SECONDS = 0.1
"""The state is sent so long after the end of a release: by then the strike is seen at rest."""

IsWaiting = Callable[[], bool]
"""Tells whether the phone still waits for its answer."""
Present = Callable[[Claim, IsWaiting], Awaitable[ClaimOutcome]]
"""Decides and acts: `unlock.Unlock.present`."""
TellDoorState = Callable[[int], DoorState]
"""Says what the door of an access point is seen to do."""
TakeRevocations = Callable[[Revocations], Awaitable[None]]
"""Has revocations count at once; awaited, keeps them: `policy.carried.CarriedIntake.take`."""
TakeRefusal = Callable[[PeerError], None]
"""Counts a refusal of a phone."""


@dataclass(frozen=True, slots=True)
class _Step:
    """An effect in line. `lose` is called in place of `perform` when the line overflows."""

    perform: Callable[[], Awaitable[None]]
    lose: Callable[[], None] = lambda: None


class Visit:
    """One link of a radio, from its beginning to its end.

    What is logged in its course has the number of the visit as `link`. The number names nobody: the
    same phone has another one the next time.
    """

    def __init__(
        self,
        link_id: LinkId,
        link: HubLink,
        tasks: asyncio.TaskGroup,
        *,
        radio: Radio,
        dropper: Dropper,
        rsa: Executor,
        present: Present,
        door_state: TellDoorState,
        strike_seconds: Mapping[int, float],
        refused: TakeRefusal,
        take_revocations: TakeRevocations,
        tell: Tell,
        traced: Traced,
        clock: Clock,
        since: float,
    ) -> None:
        """`tasks` runs the decisions; `strike_seconds` goes by access point.

        `since`: when the phone came, in Unix seconds.
        """
        self._id = link_id
        self._link = link
        self._tasks: asyncio.TaskGroup = tasks
        self._radio = radio
        self._dropper = dropper
        self._rsa = rsa
        self._present = present
        self._door_state = door_state
        self._strike_seconds = strike_seconds
        self._refused = refused
        self._take = take_revocations
        self._tell = tell
        self._traced = traced
        self._clock = clock
        self._since = since
        self._steps_taken = dict[UnlockStep, float]()
        """Those of the request that is to come, until it is decided."""
        self._steps_taken[UnlockStep.CONNECTED] = clock.monotonic()
        self._steps: asyncio.Queue[_Step | None] = asyncio.Queue(EFFECTS_MAX)
        self._left = asyncio.Event()
        self._disconnected = asyncio.Event()
        self._dropping = False
        self._follow_up: asyncio.TimerHandle | None = None

    @property
    def standing(self) -> LinkStanding:
        """What speaks for keeping this visit when there is room for fewer."""
        return self._link.standing

    def seen(self) -> LinkSeen:
        """Show where this visit stands."""
        return LinkSeen(
            number=self._id.visit,
            since=self._since,
            phase=self._link.phase,
            access_point=self._link.access_point,
            rssi=self._radio.rssi(self._id),
        )

    @property
    def has_begun(self) -> bool:
        """Whether the phone has spoken the hub's own protocol here."""
        return self._link.over or self._link.phase is not HandshakePhase.IDLE

    @property
    def is_unanswered(self) -> bool:
        """Whether the phone has begun something that is not answered to its end."""
        has_steps = not self._steps.empty()
        is_asked = self._link.phase in _UNANSWERED
        return has_steps or is_asked or self._follow_up is not None

    async def run(self) -> None:
        """Take one step after the other until the visit has ended."""
        structlog.contextvars.bind_contextvars(link=self._id.visit)
        while True:
            step = await self._steps.get()
            if step is None:
                return
            try:
                await step.perform()
            except LinkError as error:
                self._tell(EventName.SEND_FAILED, {Fact.WHY: str(error)})
            except Exception as error:
                await self._fail(error)

    def challenge(self) -> bytes:
        """Answer a read of INFO."""
        now = self._clock.monotonic()
        self._steps_taken[UnlockStep.CHALLENGE] = now
        self._steps_taken.pop(UnlockStep.UNSEALED, None)
        return self._link.challenge(now)

    def frame(self, data: bytes, mtu: int, now: float, came: float) -> None:
        """Take one write to RX.

        Raise PeerError for the write that ends the link, and for all after it.
        """
        if self._link.over:
            raise SequenceError("link: not served")
        wall = self._clock.wall()
        effects = self._link.frame(data, mtu, now, wall, came)
        self._perform(effects)
        ended = _why_ended(effects)
        if ended is not None:
            raise ended

    def pull(self, mtu: int) -> bytes:
        """Answer a read of TXR."""
        return self._link.pull(mtu)

    def door_changed(self, access_point: int, state: DoorState) -> None:
        """Tell the phone, if it was let in there."""
        now = self._clock.monotonic()
        wall = self._clock.wall()
        effects = self._link.door(access_point, state, now, wall)
        self._perform(effects)

    def expired(self, now: float) -> str | None:
        """Say which deadline has passed, if any."""
        return self._link.expired(now)

    def send_away(self) -> None:
        """Drop the phone, and leave."""
        self._enqueue(_Step(self._drop))
        self.leave()

    def leave(self) -> None:
        """End the visit: forget its keys, and take no further step after those in line."""
        self._left.set()
        self._link.close()
        self._cancel_follow_up()
        self._enqueue(None)

    def disconnected(self) -> None:
        """The radio says that the phone has gone."""
        self._disconnected.set()

    def _perform(self, effects: Sequence[LinkEffect]) -> None:
        """Begin RSA and decisions, beside what the radio does to answer a write; queue the rest."""
        with structlog.contextvars.bound_contextvars(link=self._id.visit):
            for effect in effects:
                self._perform_one(effect)

    def _perform_one(self, effect: LinkEffect) -> None:
        match effect:
            case Notify(frame):
                notify = partial(self._notify, frame)
                self._enqueue(_Step(notify))
            case Unseal(job, after_seconds):
                unsealing = Unsealing(job, after_seconds, self._rsa)
                unseal = partial(self._unseal, unsealing)
                lose = partial(self._lose, unsealing)
                self._enqueue(_Step(unseal, lose))
            case Carried(revocations):
                self._take_revocations(revocations)
            case Presented(claim):
                self._begin_decision(claim)
            case FollowUp():
                self._plan_follow_up(effect)
            case Refused(cause):
                count = partial(self._count, cause)
                self._enqueue(_Step(count))
            case Drop():
                self._enqueue(_Step(self._drop))
            case _:
                assert_never(effect)

    def _enqueue(self, step: _Step | None) -> None:
        """Queue a step; None ends the task."""
        if not self._steps.full():
            self._steps.put_nowait(step)
            return
        self._link.close()
        lost = [step]
        while not self._steps.empty():
            lost.append(self._steps.get_nowait())
        for one in lost:
            if one is not None:
                one.lose()
        self._steps.put_nowait(_Step(self._drop))
        if step is None:
            self._steps.put_nowait(None)

    async def _notify(self, frame: bytes) -> None:
        if self._left.is_set():
            return
        async with asyncio.timeout(SEND_SECONDS):
            await self._radio.notify(self._id, frame)

    async def _unseal(self, unsealing: Unsealing) -> None:
        """Bring the result to the link."""
        try:
            result = await unsealing.result(self._left)
        except Exception:
            self._return_place("link: a fault of our own")
            raise
        if not unsealing.started:
            self._link.unseal_cancelled()
        now = self._clock.monotonic()
        if isinstance(result, Opened):
            self._steps_taken[UnlockStep.UNSEALED] = now
        effects = self._link.unsealed(result, now)
        self._perform(effects)

    def _lose(self, unsealing: Unsealing) -> None:
        """Give up a request in line, or its result."""
        if unsealing.started:
            unsealing.cancel()
        else:
            self._link.unseal_cancelled()
        self._return_place("link: too slow")

    def _return_place(self, why: str) -> None:
        """Give the place in the RSA budget back; the link is about to end."""
        now = self._clock.monotonic()
        self._link.unsealed(ProofError(why), now)

    async def _count(self, cause: PeerError) -> None:
        self._refused(cause)

    def _take_revocations(self, revocations: Revocations) -> None:
        """Have them count now; they are kept in a task, so that no answer waits for the disk."""
        self._tasks.create_task(self._keep(self._take(revocations)))

    async def _keep(self, kept: Awaitable[None]) -> None:
        try:
            await kept
        except Exception as error:
            await self._fail(error)

    def _begin_decision(self, claim: Claim) -> None:
        """Have a claim decided now.

        Errors are handled in a task. The radio, which waits for `frame` to return, never sees one.
        """
        self._traced.presented(claim, self._id.visit, self._steps_taken)
        self._steps_taken = dict[UnlockStep, float]()
        try:
            decided = self._present(claim, lambda: self._link.at_work)
        except Exception as error:
            self._tasks.create_task(self._fail(error))
        else:
            self._tasks.create_task(self._answer(claim, decided))

    async def _answer(self, claim: Claim, decided: Awaitable[ClaimOutcome]) -> None:
        """Bring the outcome to the link; a decision is carried out even when the phone has left."""
        try:
            outcome = await decided
            now = self._clock.monotonic()
            wall = self._clock.wall()
            effects = self._link.answer(outcome, now, wall)
            self._perform(effects)
            self._enqueue(_Step(partial(self._answered, claim)))
        except Exception as error:
            await self._fail(error)

    async def _answered(self, claim: Claim) -> None:
        """All of the verdict was given to the radio, unless the phone has left."""
        if not self._left.is_set():
            self._traced.answered(claim)

    def _plan_follow_up(self, due: FollowUp) -> None:
        """Send one state when a release would have ended: after a yes and after a no."""
        self._cancel_follow_up()
        if self._left.is_set():
            return
        seconds = self._release_seconds(due.access_point) + FOLLOW_UP_SECONDS
        loop = asyncio.get_running_loop()
        self._follow_up = loop.call_later(seconds, self._send_follow_up, due)

    def _release_seconds(self, access_point: int) -> float:
        """Return how long a release takes there; of an unknown point, the longest."""
        seconds = self._strike_seconds.get(access_point)
        if seconds is None:
            return max(self._strike_seconds.values())
        return seconds

    def _send_follow_up(self, due: FollowUp) -> None:
        self._follow_up = None
        state = self._door_state(due.access_point)
        wall = self._clock.wall()
        effects = self._link.follow_up(due.session, state, wall)
        self._perform(effects)

    def _cancel_follow_up(self) -> None:
        if self._follow_up is not None:
            self._follow_up.cancel()
            self._follow_up = None

    async def _fail(self, error: Exception) -> None:
        """Tell of a fault of our own, and drop the phone."""
        why = f"{type(error).__name__}: {error}"
        self._tell(EventName.LINK_FAULT, {Fact.WHY: why})
        await self._drop()

    async def _drop(self) -> None:
        if self._dropping:
            return
        self._dropping = True
        await self._dropper.drop(self._id, self._disconnected)


def _why_ended(effects: Sequence[LinkEffect]) -> PeerError | None:
    """Return why these effects end the link, None when they do not."""
    drops = [effect for effect in effects if isinstance(effect, Drop)]
    if not drops:
        return None
    causes = [effect.cause for effect in effects if isinstance(effect, Refused)]
    if causes:
        return causes[0]
    return SequenceError("link ended")
