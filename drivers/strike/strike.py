"""Door strikes, driven by the strike guard: the asyncio client that starts, watches and asks that
process.

1. The off-timer is the guard's alone; nothing here is needed to end a pulse.
2. Before the guard holds all lines, and after it has gone, a release raises HardwareError and
   drives nothing.
3. While one guard holds the lines a second one waits, started and without lines: it takes over at
   once, although no process can be started at that moment (`drivers.strike.process`).
4. A guard that ends or goes mute is replaced, and each change is told. Pauses between attempts grow
   only while no line can be driven.
5. When a line may be driven and no guard holds it for UNGUARDED_SECONDS, `run` raises
   UnguardedError.
6. When `run` ends, however it ends, the guard has driven the lines inactive, or nothing here can.
7. A strike is known by its id. Only the guard's packets count lines, and only `StrikeGuard` knows
   which is which.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection, Mapping

from drivers.strike.channel import GuardLink
from drivers.strike.process import GuardProcess, GuardStarter, Spare, end_if_cancelled
from drivers.strike.stretch import Stretch
from drivers.strike.wire import (
    MAX_CAP_MS,
    MAX_LINES,
    MAX_REST_MS,
    Answer,
    AnswerKind,
    StrikeLine,
    Verb,
)
from hubcore.errors import HardwareError, UnguardedError, unguarded_in
from hubcore.ports.doors import Input, InputEvent

GPIO_FACTORY = "drivers.gpio.lines:open_lines"

PROBE_SECONDS = 1.0
STOP_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.2
LAST_PAUSE_SECONDS = 10.0
STABLE_SECONDS = 10.0  # a guard that lived so long starts again with the first pause
UNGUARDED_SECONDS = 4.0
"""How long a strike may be driven with no guard to end it. A spare guard takes some milliseconds;
what comes after this is the end of the daemon, and systemd's ExecStopPost.
"""

# whether the line is active; CLOCK_MONOTONIC ns of the change
Watcher = Callable[[bool, int], None]


class StrikeGuard:
    """All strikes of the hub: one guard process that holds the lines and one that waits, kept alive
    by `run`.
    """

    def __init__(
        self,
        lines: Mapping[str, StrikeLine],
        tell: Callable[[bool, str], None],
        factory: str = GPIO_FACTORY,
        stop_seconds: float = STOP_SECONDS,
        starter: GuardStarter | None = None,
        unguarded_seconds: float = UNGUARDED_SECONDS,
    ) -> None:
        """Take the lines by the ids of their strikes; `tell(up, why)` hears each start and each end
        of a guard.

        `stop_seconds`: how long a guard may take to end by itself, and again once it has been
        killed; `starter` starts the guards in another way.
        """
        _check(lines.values())
        self._lines = dict(lines)
        self._numbers = {strike: number for number, strike in enumerate(self._lines)}
        self._tell = tell
        starter = starter or GuardStarter(tuple(self._lines.values()), factory, stop_seconds)
        self._spare = Spare(starter, self._heard)
        self._unguarded_seconds = unguarded_seconds
        self._watchers: dict[str, Watcher] = {}
        self._active: int | None = None  # the last mask heard; None: no guard has spoken yet
        self._doubt = False  # the last guard ended while a line was driven, or may have been
        self._unguarded_from: float | None = None
        self._link: GuardLink | None = None
        self._why = "The strike guard has not started yet."
        self._process_id: int | None = None

    @property
    def process_id(self) -> int | None:
        """The guard's process, while it holds the lines."""
        return self._process_id if self._link is not None else None

    @property
    def spare_id(self) -> int | None:
        """The process that waits to take over, if there is one."""
        return self._spare.process_id

    def watch(self, strike: str, watcher: Watcher) -> None:
        """Hear one strike: its level when a guard first holds it, then every change.

        Raise HardwareError.
        """
        if strike not in self._lines:
            raise HardwareError(
                f"Strike {strike!r} does not exist; there are: {', '.join(self._lines)}."
            )
        self._watchers[strike] = watcher

    async def pulse(self, strike: str, seconds: float) -> int:
        """Drive a strike for `seconds`, at most its cap; return CLOCK_MONOTONIC ns once driven.

        The guard obeys within `EXPIRE_SECONDS` of this call or not at all. Raise RestingError when
        the line must rest first, HardwareError when it cannot be driven.
        """
        if not _is_span(seconds):
            raise HardwareError(
                f"A release of {seconds} s is none: a positive number of seconds is needed."
            )
        guard = self._guard()
        answer = await guard.ask(Verb.PULSE, self._numbers[strike], self.pulse_ms(strike, seconds))
        return answer.at_ns

    def pulse_ms(self, strike: str, seconds: float) -> int:
        """Return how long a release of `seconds` drives the strike, in milliseconds: at most its
        cap.
        """
        return min(math.ceil(seconds * 1000), self._lines[strike].cap_ms)

    def stretch(self, strike: str, now: int) -> Stretch:
        """Return a stretch with the strike's cap and rest that begins at `now`, for who follows its
        changes.
        """
        line = self._lines[strike]
        return Stretch(cap_ms=line.cap_ms, rest_ms=line.rest_ms, now=now)

    async def secure(self, strike: str) -> int:
        """Drive a strike inactive; return CLOCK_MONOTONIC ns once driven. Raise HardwareError."""
        return (await self._guard().ask(Verb.SECURE, self._numbers[strike])).at_ns

    def _guard(self) -> GuardLink:
        if self._link is None:
            raise HardwareError(f"No strike can be driven: {self._why}")
        return self._link

    async def run(self, ready: Callable[[], None]) -> None:
        """Keep a guard alive until cancelled; call `ready` each time one holds all lines, inactive.

        Raise UnguardedError when a line may be driven and no guard can be had.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._spare.run())
                tasks.create_task(self._hold(ready))
        except BaseExceptionGroup as group:
            raise (unguarded_in(group) or group) from None

    async def _hold(self, ready: Callable[[], None]) -> None:
        """Have one guard after another hold the lines."""
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            started = time.monotonic()
            try:
                await self._serve(await self._next(), ready)
            except HardwareError as error:
                self._why = str(error)
                self._tell(False, self._why)
                end_if_cancelled()
            if time.monotonic() - started >= STABLE_SECONDS:
                pause_seconds = FIRST_PAUSE_SECONDS
            self._check_bound()
            if not self._doubt:
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(pause_seconds * 2, LAST_PAUSE_SECONDS)
            elif time.monotonic() - started < FIRST_PAUSE_SECONDS:
                await asyncio.sleep(FIRST_PAUSE_SECONDS)

    def _check_bound(self) -> None:
        """Raise UnguardedError when a line has been without a guard for too long."""
        if not self._doubt or self._unguarded_from is None:
            return
        if time.monotonic() - self._unguarded_from >= self._unguarded_seconds:
            raise UnguardedError(
                "A strike may be driven, and no guard could be had within "
                f"{self._unguarded_seconds:g} s "
                f"({self._why}). hubd ends, so that systemd drives every strike inactive and "
                "starts it again."
            )

    async def _next(self) -> GuardProcess:
        """Return a guard that waits. Raise HardwareError when there is none in time."""
        if not self._doubt or self._unguarded_from is None:
            return await self._spare.take(None)
        return await self._spare.take(
            max(0.0, self._unguarded_from + self._unguarded_seconds - time.monotonic())
        )

    async def _serve(self, guard: GuardProcess, ready: Callable[[], None]) -> None:
        """Have one guard hold the lines and stay with it. Raise HardwareError when it has ended."""
        self._process_id = guard.process_id
        try:
            await self._converse(guard.link, ready)
        except HardwareError as error:
            status = await self._end(guard, str(error))
            raise HardwareError(f"{error} (exit status {status})") from error
        except BaseException:
            await self._end(guard, "The strike guard was stopped.")
            raise

    async def _converse(self, link: GuardLink, ready: Callable[[], None]) -> None:
        """Ask again and again whether it is there. Raise HardwareError when it is not."""
        await link.hold()
        self._doubt = False
        self._link = link
        self._tell(
            True,
            f"The strike guard (process {self._process_id}) holds {len(self._lines)} lines, "
            "inactive.",
        )
        ready()
        while not await link.ended(PROBE_SECONDS):
            await link.ask(Verb.STATE)
        link.check()

    async def _end(self, guard: GuardProcess, why: str) -> int | None:
        """End a guard and learn whether a line may still be driven; return its exit status.

        Raise HardwareError.
        """
        if self._link is guard.link:
            self._link = None
            self._doubt = guard.link.doubtful or bool(self._active)
            self._unguarded_from = time.monotonic()
        self._why = why
        status = await guard.end()
        if status == 0:
            self._doubt = False  # its last act was to drive all lines inactive
        return status

    def _heard(self, answer: Answer) -> None:
        """Turn the state in an answer into changes; a guard that waits says nothing of the
        lines.
        """
        if answer.kind in (AnswerKind.UNFIT, AnswerKind.WAITING):
            return
        changed = answer.active ^ self._active if self._active is not None else ~0
        self._active = answer.active
        for strike, watcher in self._watchers.items():
            number = self._numbers[strike]
            if changed >> number & 1:
                watcher(bool(answer.active >> number & 1), answer.at_ns)


def _is_span(seconds: float) -> bool:
    return math.isfinite(seconds) and seconds > 0


def _check(lines: Collection[StrikeLine]) -> None:
    """Raise HardwareError for lines that no guard takes."""
    if not 1 <= len(lines) <= MAX_LINES:
        raise HardwareError(
            f"{len(lines)} strikes are configured; one hub drives 1 to {MAX_LINES}."
        )
    for line in lines:
        if not 1 <= line.cap_ms <= MAX_CAP_MS:
            raise HardwareError(
                f"The cap of {line} is {line.cap_ms} ms; it must be within 1..{MAX_CAP_MS} ms."
            )
        if not 0 <= line.rest_ms <= MAX_REST_MS:
            raise HardwareError(
                f"The rest of {line} is {line.rest_ms} ms; it must be within 0..{MAX_REST_MS} ms."
            )


class Strike:
    """One strike: `hubcore.ports.doors.Mover` on one line of the guard."""

    def __init__(
        self, guard: StrikeGuard, strike: str, door: str, publish: Callable[[InputEvent], None]
    ) -> None:
        """`strike` is its id among the guard's lines, `door` the door that it moves.

        `publish` hears STRIKE_ACTIVE and STRIKE_INACTIVE as the guard drives the line.
        """
        self._guard = guard
        self._id = strike
        self._door = door
        self._publish = publish
        self._driven = False
        # like the guard's own, which decides
        self._stretch = guard.stretch(strike, time.monotonic_ns())
        self.last_drive_ns = (
            0  # CLOCK_MONOTONIC when the guard had last driven the line active, on our command
        )
        guard.watch(strike, self._changed)

    @property
    def driven(self) -> bool:
        """See `hubcore.ports.doors.Mover.driven`: what the guard told last."""
        return self._driven

    def must_rest_seconds(self, seconds: float) -> float:
        """See `hubcore.ports.doors.Mover.must_rest_seconds`: what follows from the changes that the
        guard has told.
        """
        if self._guard.process_id is None or not _is_span(
            seconds
        ):  # a release says what is wrong; that is no rest
            return 0.0
        wait_ms = self._stretch.wait(self._guard.pulse_ms(self._id, seconds), time.monotonic_ns())
        return max(0, wait_ms) / 1000

    async def release(self, seconds: float) -> None:
        """See `hubcore.ports.doors.Mover.release`."""
        self.last_drive_ns = await self._guard.pulse(self._id, seconds)

    async def secure(self) -> None:
        """See `hubcore.ports.doors.Mover.secure`."""
        await self._guard.secure(self._id)

    def _changed(self, active: bool, at_ns: int) -> None:
        self._driven = active
        if active:
            self._stretch.rose(at_ns)
        elif self._stretch.driven:
            self._stretch.fell(at_ns)
        else:  # the first guard's first word
            self._stretch = self._guard.stretch(self._id, at_ns)
        what = Input.STRIKE_ACTIVE if active else Input.STRIKE_INACTIVE
        self._publish(InputEvent(self._door, what, at_ns / 1e9))
