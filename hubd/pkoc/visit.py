"""One PKOC phone's visit: performs what `hubcore.pkoc.reader` says, and nothing else.

Laws:
1. A visit has one task, which ends with the visit. A decision has its own, and is carried out even
   when the phone has left.
2. What goes wrong in a visit, its end included, harms no other.
3. A phone may write twice, so that a visit has EFFECTS_MAX steps in line at most.
4. A phone is sent away once; `hubd.phones.dropping` says how often that is tried.
5. A write after the end is counted once at most, and sends the phone away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, assert_never

import structlog

from hubcore.errors import LinkError, PeerError, SequenceError
from hubcore.evidence.facts import EventName, Fact, Tell
from hubcore.pkoc.reader import Effect, Leave, Proven, ReaderLink, ReaderPhase, Refused, Say
from hubcore.ports.clock import Clock
from hubcore.ports.radio import LinkId, Radio

EFFECTS_MAX = 16
SEND_SECONDS = 5.0
_UNPROVEN = (ReaderPhase.MEETING, ReaderPhase.PROVING)

Decide = Callable[[bytes, float, Callable[[], bool]], Awaitable[bool]]
"""Decides on a proven public key: `rights.KeyRights.decide`."""
TakeRefusal = Callable[[PeerError], None]
"""Counts a refusal of a phone."""


class Drops(Protocol):
    """Who sends phones away: `hubd.phones.dropping.Dropper`."""

    async def drop(self, link_id: LinkId, gone: asyncio.Event) -> None:
        """Disconnect a peer; return when `gone` is set, or after the last try."""


class PkocVisit:
    """One link, from its first write to its end."""

    def __init__(
        self,
        link_id: LinkId,
        link: ReaderLink,
        tasks: asyncio.TaskGroup,
        *,
        radio: Radio,
        dropper: Drops,
        decide: Decide,
        refused: TakeRefusal,
        tell: Tell,
        clock: Clock,
    ) -> None:
        self._id = link_id
        self._link = link
        self._tasks: asyncio.TaskGroup = tasks
        self._radio = radio
        self._dropper = dropper
        self._decide = decide
        self._refused = refused
        self._tell = tell
        self._clock = clock
        self._steps: asyncio.Queue[Say | Leave | None] = asyncio.Queue(EFFECTS_MAX)
        self._gone = asyncio.Event()
        self._came = 0.0
        self._is_leaving = False

    @property
    def is_amid(self) -> bool:
        """Whether the phone is not answered yet."""
        return self._link.phase is not ReaderPhase.OVER

    @property
    def is_unproven(self) -> bool:
        """Whether the phone has proven no key yet, and may still do so."""
        return self._link.phase in _UNPROVEN

    async def run(self) -> None:
        """Take one step after the other until the visit has ended."""
        structlog.contextvars.bind_contextvars(link=self._id.visit)
        while (step := await self._steps.get()) is not None:
            try:
                await self._take(step)
            except (LinkError, TimeoutError) as error:
                self._tell(EventName.SEND_FAILED, {Fact.WHY: str(error) or "pkoc: too slow"})
            except Exception as error:
                self._fault(error)

    def frame(self, data: bytes, came: float) -> None:
        """Take one write.

        Raise PeerError for the write that ends the visit, unless it gets a response.
        """
        if self._link.phase is ReaderPhase.OVER:
            raise self._too_late()
        self._came = came
        effects = self._link.frame(data, self._clock.monotonic())
        self._perform(effects)
        is_answered = any(isinstance(effect, Say) for effect in effects)
        for effect in effects:
            if isinstance(effect, Refused) and not is_answered:
                raise effect.cause

    def expired(self) -> str | None:
        """Say which time is over, if any."""
        return self._link.expired(self._clock.monotonic())

    def send_away(self) -> None:
        """Drop the phone; the visit ends when it has gone."""
        self._link.close(self._clock.monotonic())
        self._enqueue(Leave())

    def leave(self) -> None:
        """End the visit: the phone has gone, or the hub ends."""
        self._gone.set()
        self._link.close(self._clock.monotonic())
        self._enqueue(None)

    def _too_late(self) -> SequenceError:
        """Return what a write after the end raises: law 5."""
        error = SequenceError("pkoc: the visit is over")
        if not self._is_leaving:
            self._refused(error)
            self.send_away()
        return error

    def _perform(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Say() | Leave():
                    self._enqueue(effect)
                case Proven(public_key):
                    self._tasks.create_task(self._have_decided(public_key, self._came))
                case Refused(cause):
                    self._refused(cause)
                case _:
                    assert_never(effect)

    def _enqueue(self, step: Say | Leave | None) -> None:
        if isinstance(step, Leave):
            if self._is_leaving:
                return
            self._is_leaving = True
        while self._steps.full():  # not with law 3; what ends the visit must not be lost
            self._steps.get_nowait()
        self._steps.put_nowait(step)

    async def _take(self, step: Say | Leave) -> None:
        if isinstance(step, Leave):
            await self._dropper.drop(self._id, self._gone)
        elif not self._gone.is_set():
            async with asyncio.timeout(SEND_SECONDS):
                await self._radio.notify_pkoc(step.message)

    async def _have_decided(self, public_key: bytes, came: float) -> None:
        """Bring the decision to the phone."""
        is_granted = False
        try:
            is_granted = await self._decide(public_key, came, self._is_there)
        except Exception as error:
            self._fault(error)
        self._perform(self._link.decided(is_granted, self._clock.monotonic()))

    def _is_there(self) -> bool:
        return not self._gone.is_set()

    def _fault(self, error: Exception) -> None:
        """Tell of a fault of our own."""
        self._tell(EventName.LINK_FAULT, {Fact.WHY: f"{type(error).__name__}: {error}"})
