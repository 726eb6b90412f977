"""A strike on a relay of a board that ends a pulse by itself. Implements `ports.doors.Mover`.

Laws:
1. The board's own timer ends each pulse. The relay is read back after each: what did not rise is an
   error, and is switched off.
2. A pulse is of whole tenths of a second, and never beyond what `stretch` leaves of the cap.
3. A pulse that prolongs another begins the board's timer anew.
4. The end of a pulse is counted from when its board has taken it, however long it waited in line.
   A relay that two looks find on LATE_SECONDS after that is switched off, and told. From then on
   this board is no strike: it is not driven again before the next start.
5. When the line is lost, the strike is at rest as soon as its pulse is over: the board saw to it.
6. A relay that its board says is on while no pulse is under way is switched off: it is left over
   from before a start or a loss of the line, and a door stands open by it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from drivers.strike.stretch import MS, Stretch
from hubcore.device.command import Command, Verb
from hubcore.device.state import DeviceState, Position
from hubcore.door.state import BoltState
from hubcore.errors import HardwareError, RestingError
from hubcore.ports.doors import Input, InputEvent

TENTH = 100 * MS
LOOK_SECONDS = 0.05
LATE_SECONDS = 0.5
SECONDS_MAX = 3600.0

Publish = Callable[[InputEvent], None]

_BOLT_OF = {Position.ON: BoltState.RELEASED, Position.OFF: BoltState.AT_REST}
"""What a relay tells of the bolt; without a word of its board that is unknown."""


@dataclass(frozen=True, slots=True)
class StrikeRelay:
    """A strike as it is configured, in milliseconds."""

    id: str
    cap_ms: int
    rest_ms: int


class RelayStrike:
    """One strike."""

    def __init__(
        self,
        relay: StrikeRelay,
        door: str,
        publish: Publish,
        perform: Callable[[Command], Awaitable[None]],
        breaks: Callable[[str, str], None],
    ) -> None:
        """`breaks` takes a strike that is none any more, and why."""
        self._id = relay.id
        self._door = door
        self._publish = publish
        self._perform = perform
        self._breaks = breaks
        self._stretch = Stretch(cap_ms=relay.cap_ms, rest_ms=relay.rest_ms, now=time.monotonic_ns())
        self._position = Position.UNKNOWN
        self._told: bool | None = None
        self._broken = ""
        self._is_left_on = False
        self._ends_at = 0
        """When the board ends the pulse at the latest."""
        self._seen_late = False
        self._lock = asyncio.Lock()
        self._news = asyncio.Event()

    @property
    def driven(self) -> bool:
        """See `hubcore.ports.doors.Mover.driven`."""
        return self._stretch.driven

    @property
    def bolt_state(self) -> BoltState:
        """See `hubcore.ports.doors.Mover.bolt_state`: its board tells of the relay alone."""
        return _BOLT_OF.get(self._position, BoltState.UNKNOWN)

    def must_rest_seconds(self, seconds: float) -> float:
        """See `hubcore.ports.doors.Mover.must_rest_seconds`."""
        if not _is_span(seconds) or self._broken:
            return 0.0
        return self._stretch.wait(_milliseconds(seconds), time.monotonic_ns()) / 1000

    async def release(self, seconds: float) -> None:
        """See `hubcore.ports.doors.Mover.release`."""
        if not _is_span(seconds):
            raise HardwareError(f"Strike {self._id}: expected a positive number of seconds")
        if self._broken:
            raise HardwareError(self._broken)
        milliseconds = _milliseconds(seconds)
        async with self._lock:
            now = time.monotonic_ns()
            wait = self._stretch.wait(milliseconds, now)
            if wait:
                sentence = f"Not now: strike {self._id} rests for another {wait} ms."
                raise RestingError(sentence, wait / 1000)
            before = self._stretch.falls_at()
            self._stretch.began(milliseconds, now)
            if before is None or self._stretch.falls_at() != before:
                await self._pulse(now)

    async def secure(self) -> None:
        """See `hubcore.ports.doors.Mover.secure`."""
        async with self._lock:
            if self._stretch.driven or self._stretch.rises_at() is not None:
                await self._off()
                self._rests(secured=True)

    def stands(self, state: DeviceState) -> None:
        """The board said how the relay stands."""
        self._position = state.position
        if state.position is Position.OFF and self._told is None:
            self._say(False, time.monotonic_ns())
        is_idle = not self._stretch.driven and not self._lock.locked()
        if state.position is Position.ON and is_idle:
            self._is_left_on = True
            self._news.set()

    def lost(self) -> None:
        """Its board is not there: nobody can tell how its relay stands."""
        self._position = Position.UNKNOWN

    async def run(self) -> None:
        """See each pulse to its end, until cancelled."""
        while True:
            at = self._next_at()
            self._news.clear()
            try:
                async with asyncio.timeout(at):
                    await self._news.wait()
            except TimeoutError:
                async with self._lock:
                    await self._next()

    # What is driven: always with the lock.

    async def _pulse(self, now: int) -> None:
        """Have the board drive the relay as long as the stretch allows. Raise HardwareError."""
        if not self._stretch.driven:
            self._stretch.rose(now)
        falls_at = self._stretch.falls_at() or now
        tenths = max(1, (falls_at - now) // TENTH)
        try:
            await self._do(Verb.PULSE, tenths)
            if self._position is not Position.ON:
                raise HardwareError("its relay did not switch")
        except HardwareError as error:
            with suppress(HardwareError):
                await self._off()
            self._rests(secured=True)
            raise HardwareError(f"Strike {self._id} cannot be driven: {error}") from error
        now = time.monotonic_ns()
        self._ends_at = now + tenths * TENTH
        self._seen_late = False
        self._say(True, now)
        self._news.set()

    async def _next(self) -> None:
        """Do what is due: look whether a pulse has ended, or go on after a rest."""
        now = time.monotonic_ns()
        left_on = self._is_left_on
        self._is_left_on = False
        if left_on and not self._stretch.driven:
            with suppress(HardwareError):  # the next look of its board says it again
                await self._off()
        rises_at = self._stretch.rises_at()
        if self._stretch.driven:
            if now >= self._ends_at:
                await self._look(now)
        elif rises_at is not None and now >= rises_at:
            if self._stretch.is_over(now):
                self._stretch.secured(now)
            else:
                with suppress(HardwareError):
                    await self._pulse(now)

    async def _look(self, now: int) -> None:
        """Look whether the board has ended the pulse."""
        try:
            await self._do(Verb.READ)
        except HardwareError:
            self._rests()  # law 5
            return
        if self._position is Position.OFF:
            self._rests()
        elif now <= self._ends_at + LATE_SECONDS * 1000 * MS:
            return
        elif not self._seen_late:
            self._seen_late = True
        else:
            with suppress(HardwareError):
                await self._off()
            self._rests(secured=True)
            self._broken = (
                f"Strike {self._id}: its board did not end a pulse by itself, so it is no strike: "
                "compare `kind` with the board, and see docs/hub.md, Devices."
            )
            self._breaks(self._id, self._broken)

    async def _off(self) -> None:
        await self._do(Verb.OFF)

    async def _do(self, verb: Verb, level: int | None = None) -> None:
        await self._perform(Command(self._id, verb, level))

    def _rests(self, secured: bool = False) -> None:
        now = time.monotonic_ns()
        if secured:
            self._stretch.secured(now)
        else:
            self._stretch.fell(now)
        self._say(False, now)
        self._news.set()

    def _next_at(self) -> float | None:
        """Return in how many seconds something is due, None when nothing is."""
        if self._is_left_on:
            return LOOK_SECONDS
        at = self._ends_at if self._stretch.driven else self._stretch.rises_at()
        if at is None:
            return None
        left = (at - time.monotonic_ns()) / (1000 * MS)
        return max(LOOK_SECONDS, left)

    def _say(self, active: bool, now: int) -> None:
        if active is self._told:
            return
        self._told = active
        what = Input.STRIKE_ACTIVE if active else Input.STRIKE_INACTIVE
        self._publish(InputEvent(self._door, what, now / (1000 * MS)))


def _is_span(seconds: float) -> bool:
    return math.isfinite(seconds) and seconds > 0


def _milliseconds(seconds: float) -> int:
    return max(1, math.ceil(min(seconds, SECONDS_MAX) * 1000))
