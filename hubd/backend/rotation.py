"""The use case that changes the hub's key of the uplink: it performs what `backend.rotation` says.

Laws:
1. One step at a time, in one task. What waits for the disk runs in a thread.
2. A disk that refuses costs this step alone; it is tried again later. The uplink goes on with the
   current pair.
3. The journal has a line for each step, without a secret.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar, assert_never

import structlog

from hubcore.backend.ownkeys import KnownPairs
from hubcore.backend.rotation import NotNow, Now, Rotation, RotationPace, Step, Waits
from hubcore.backend.uplink.from_backend import KeyTaken, RotateKey
from hubcore.backend.uplink.from_hub import NewKey, RetireKey
from hubcore.errors import HardwareError, StoreError
from hubcore.ports.clock import Clock, ClockState
from hubcore.ports.keys import KeyPairs
from hubcore.ports.uplink import Uplink
from hubd.threads import run_in_thread

_T = TypeVar("_T")
log = structlog.get_logger()

DISK_SECONDS = 60.0
"""After a step that the disk refused, until the next one."""
FULL_SECONDS = 1.0
"""After a message that the uplink did not take, until it is said again."""
_COME_WITH_NEXT = "the hub comes again with its new key"
_COME_WITH_CURRENT = "the hub comes again with its current key: nobody welcomed the new one"


class KeyRotation:
    """Call `run` once. The others wait for nothing."""

    def __init__(
        self,
        *,
        pairs: KeyPairs,
        uplink: Uplink,
        pace: RotationPace,
        clock: Clock,
        hub: str,
        disk_seconds: float = DISK_SECONDS,
    ) -> None:
        self._pairs = pairs
        self._uplink = uplink
        self._clock = clock
        self._hub = hub
        self._disk_seconds = disk_seconds
        self._rotation = Rotation(pace)
        self._wake = asyncio.Event()
        self._say: Callable[[NewKey | RetireKey], bool] = lambda _message: False
        self.trouble = ""
        """What keeps the hub from changing its key, a sentence; "" while nothing does."""

    @property
    def known(self) -> KnownPairs:
        """The pairs as they are now."""
        return self._pairs.known()

    @property
    def waits(self) -> Waits:
        """What a change waits for."""
        return self._rotation.waits(self.known)

    def why_not(self) -> NotNow | None:
        """Return why the key may not be changed now; None when it may."""
        return self._rotation.why_not(self.known, self._now())

    def order(self) -> None:
        """Change the key, as soon as the uplink lets it. `why_not` has nothing against it."""
        if self.known.next is None:
            self._rotation.order()
        self._wake.set()

    def speaks(self, say: Callable[[NewKey | RetireKey], bool]) -> None:
        """Say messages by `say`, which tells whether the uplink has taken one."""
        self._say = say

    def welcomed(self) -> None:
        """The backend has said Welcome."""
        self._rotation.welcomed(self._uplink.place().own_key)
        self._wake.set()

    def ended(self) -> None:
        """The uplink is down, or nobody speaks on it."""
        self._rotation.ended()
        self._wake.set()

    def halted(self) -> None:
        """The backend has said Halt, which is no Welcome to a new key."""
        self._rotation.ended()
        if self._uplink.place().own_key == self.known.next:
            self._uplink.leave(_COME_WITH_CURRENT, again=True)

    def heard(self, message: KeyTaken | RotateKey) -> None:
        """The backend has said this."""
        self._rotation.heard(message, self.known)
        self._wake.set()

    async def run(self) -> None:
        """Change the key when it is to be changed, until cancelled."""
        while True:
            self._wake.clear()
            now = self._now()
            step = self._rotation.step(self.known, now)
            if step is Step.WAIT:
                await self._wait(self._rotation.due(now))
                continue
            try:
                await self._perform(step)
            except (StoreError, HardwareError) as error:
                self.trouble = str(error)
                log.warning("uplink_key", step=step.value, why=str(error))
                await asyncio.sleep(self._disk_seconds)

    async def _wait(self, until: float | None) -> None:
        seconds = None if until is None else max(0.0, until - self._clock.monotonic())
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _perform(self, step: Step) -> None:
        """Take one step. Raise StoreError or HardwareError."""
        rotation = self._rotation
        match step:
            case Step.WAIT:
                return
            case Step.MAKE:
                await _on_disk(partial(self._pairs.make_next, self._clock.wall()))
                rotation.made(self._now())
            case Step.SAY_NEW:
                await self._say_new()
                return
            case Step.TRY:
                rotation.tried(self._now())
                self._pairs.try_next()
                self._uplink.leave(_COME_WITH_NEXT, again=True)
            case Step.SWITCH:
                await _on_disk(self._pairs.switch)
            case Step.SAY_RETIRE:
                await self._say_retire()
                return
            case Step.DROP_OLD:
                await _on_disk(self._pairs.drop_old)
            case Step.DROP_NEXT:
                await _on_disk(self._pairs.drop_next)
                rotation.dropped_next(self._now())
                self.trouble = f"the backend refused the hub's new key: {rotation.why_refused}"
            case _:
                assert_never(step)
        if step is not Step.DROP_NEXT:
            self.trouble = ""
        log.info("uplink_key", step=step.value, public=self.known.shown)

    async def _say_new(self) -> None:
        known = self.known
        server = self._uplink.place().server
        proof = await _on_disk(partial(self._pairs.proof, self._hub, server))
        if known.next is None or not self._say(NewKey(known.next, proof)):
            await asyncio.sleep(FULL_SECONDS)
            return
        self._rotation.said_new(self._now())

    async def _say_retire(self) -> None:
        known = self.known
        gone = known.current if known.before is None else known.before
        if not self._say(RetireKey(gone)):
            await asyncio.sleep(FULL_SECONDS)
            return
        self._rotation.said_retire(self._now())

    def _now(self) -> Now:
        is_trusted = self._clock.state() is ClockState.TRUSTED
        return Now(self._clock.monotonic(), self._clock.wall() if is_trusted else None)


async def _on_disk(work: Callable[[], _T]) -> _T:
    return await run_in_thread("uplink keys", work)
