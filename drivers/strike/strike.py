"""One door strike: `hubcore.ports.doors.Mover` on one line of the strike guard.

Laws:
1. What it tells is what the guard has said; it never guesses that a line was driven.
2. A line has no read-back of the bolt: `at_rest` and `released` are said of it, never `locked`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from drivers.strike.guard_client import StrikeGuard, is_span
from hubcore.door.state import BoltState
from hubcore.ports.doors import Input, InputEvent


class Strike:
    """One strike.

    `last_drive_ns` is CLOCK_MONOTONIC when the guard had last driven it active, on our command.
    """

    def __init__(
        self,
        guard: StrikeGuard,
        strike: str,
        door: str,
        publish: Callable[[InputEvent], None],
    ) -> None:
        """`strike` is its id among the guard's lines, `door` the door that it moves.

        `publish` hears STRIKE_ACTIVE and STRIKE_INACTIVE as the guard drives the line.
        """
        self._guard = guard
        self._id = strike
        self._door = door
        self._publish = publish
        self._driven = False
        self._is_heard = False
        """Whether a guard has ever said how the line is."""
        self._stretch = guard.stretch(strike, time.monotonic_ns())
        """A copy of the guard's own, which decides."""
        self.last_drive_ns = 0
        guard.watch(strike, self._changed)

    @property
    def driven(self) -> bool:
        """See `hubcore.ports.doors.Mover.driven`: what the guard said last."""
        return self._driven

    @property
    def bolt_state(self) -> BoltState:
        """See `hubcore.ports.doors.Mover.bolt_state`: of the line, while a guard holds it."""
        if self._guard.process_id is None or not self._is_heard:
            return BoltState.UNKNOWN
        return BoltState.RELEASED if self._driven else BoltState.AT_REST

    def must_rest_seconds(self, seconds: float) -> float:
        """See `hubcore.ports.doors.Mover.must_rest_seconds`: as the guard's changes tell.

        It is 0 where `release` says that something is wrong: that is no rest.
        """
        if self._guard.process_id is None or not is_span(seconds):
            return 0.0
        milliseconds = self._guard.pulse_ms(self._id, seconds)
        wait_ms = self._stretch.wait(milliseconds, time.monotonic_ns())
        return max(0, wait_ms) / 1000

    async def release(self, seconds: float) -> None:
        """See `hubcore.ports.doors.Mover.release`."""
        self.last_drive_ns = await self._guard.pulse(self._id, seconds)

    async def secure(self) -> None:
        """See `hubcore.ports.doors.Mover.secure`."""
        await self._guard.secure(self._id)

    def _changed(self, active: bool, at_ns: int) -> None:
        """Follow the line, and publish its change."""
        self._is_heard = True
        self._driven = active
        if active:
            self._stretch.rose(at_ns)
        elif self._stretch.driven:
            self._stretch.fell(at_ns)
        else:  # a guard holds the line for the first time
            self._stretch = self._guard.stretch(self._id, at_ns)
        what = Input.STRIKE_ACTIVE if active else Input.STRIKE_INACTIVE
        self._publish(InputEvent(self._door, what, at_ns / 1e9))
