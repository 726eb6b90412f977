"""All strikes of the hub, seen from hubd: keeps a guard at work, and asks it to drive.

Laws:
1. The off-timer is the guard's alone; nothing here is needed to end a pulse.
2. Without a guard that holds the lines, a release raises HardwareError and drives nothing.
3. While one guard holds the lines, a second one waits, started and without lines. It takes over at
   once, even if no process can be started at that moment (`drivers.strike.guard_process`).
4. A guard that ends or goes mute is replaced, and each change is reported.
5. Pauses between attempts grow only while no line can be driven.
6. When a line may be driven and no guard holds it for UNGUARDED_SECONDS, `run` raises
   UnguardedError.
7. When `run` ends, however it ends, the guard has driven the lines inactive, or nothing here can.
8. A strike is known by its id; only packets count lines.
9. A guard that another hubd hands over is at work all the time: nothing is secured, no pulse ends.
   One that cannot be taken over is no guard of this hubd, and it starts no other in its place
   (`taken` says so): the lines are held.
   A command that comes while it is taken up waits for that, up to TAKEN_SECONDS. The spare guard
   is taken up after it.
10. When `run` ends to be handed on, both guards stay as they are, and their sockets are left.
11. The end of our socket may not be the last. So a guard that came from another hubd is told to
    secure every line before that.
12. A guard that another hubd has started is renewed once that is wanted, when all rests
    (`drivers.strike.renewal`) and an own one waits. It secures every line and ends; then the own
    one holds them. One that drives a line stays, for however long.
13. A command that comes amid that waits for the own guard, up to TAKEN_SECONDS. Nothing is told.
14. If no own guard can be had, the other one goes on, and that is told.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

from drivers.strike.guard_channel import GuardChannel
from drivers.strike.guard_process import GuardProcess, GuardStarter, Spare, end_if_cancelled
from drivers.strike.renewal import SETTLED_MS, Renewal
from drivers.strike.stretch import MS, Stretch
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

GPIO_FACTORY = "drivers.gpio.lines:open_lines"

PROBE_SECONDS = 1.0
STOP_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.2
LAST_PAUSE_SECONDS = 10.0
TAKEN_SECONDS = 0.5
RENEWED_END_SECONDS = 0.3
"""How long a guard that is renewed may take to end. It has secured all lines by then."""
STABLE_SECONDS = 10.0
"""After a guard that lived so long, pauses begin with the first one again."""
UNGUARDED_SECONDS = 4.0
"""How long a strike may be driven with no guard to end it.

A spare guard takes some milliseconds. What comes after this is the end of the daemon, and systemd's
ExecStopPost.
"""

Watcher = Callable[[bool, int], None]
"""Hears whether a line is active, and CLOCK_MONOTONIC ns of the change."""


@dataclass(frozen=True, slots=True)
class _Given:
    """The socket of a guard that was handed over; `taken` is done once it is at work here."""

    descriptor: int
    taken: asyncio.Future[None]


class StrikeGuard:
    """One guard process that holds the lines and one that waits, kept alive by `run`."""

    def __init__(
        self,
        lines: Mapping[str, StrikeLine],
        tell: Callable[[bool, str], None],
        factory: str = GPIO_FACTORY,
        stop_seconds: float = STOP_SECONDS,
        starter: GuardStarter | None = None,
        unguarded_seconds: float = UNGUARDED_SECONDS,
        tell_renewal: Callable[[bool, str], None] = lambda _is_own, _why: None,
        probe_seconds: float = PROBE_SECONDS,
        settled_ms: int = SETTLED_MS,
    ) -> None:
        """Take the lines by the ids of their strikes.

        `tell(up, why)` hears each start and each end of a guard.
        `factory` names what opens the lines (`drivers.strike.guard.find_factory`).
        `stop_seconds`: how long a guard may take to end by itself, and again once it was killed.
        `starter` starts the guards in another way.
        `tell_renewal(is_own, why)` hears that a former version's guard cannot be renewed, and the
        end of that. `probe_seconds`: between two questions whether the guard is there.
        `settled_ms`: how long the lines are at rest, beside their own rest, before a renewal.
        """
        _check(lines.values())
        self._lines = dict(lines)
        self._numbers = {strike: number for number, strike in enumerate(self._lines)}
        self._tell = tell
        if starter is None:
            starter = GuardStarter(tuple(self._lines.values()), factory, stop_seconds)
        self._starter = starter
        self._probe_seconds = probe_seconds
        longest_rest_ms = max(line.rest_ms for line in self._lines.values())
        self._renewal = Renewal(longest_rest_ms, tell_renewal, settled_ms)
        self._spare = Spare(starter, self._on_answer, self._renewal.not_had)
        self._successor: GuardProcess | None = None
        """An own guard that is to hold the lines next: the former one is being renewed."""
        self._renewed: asyncio.Future[None] | None = None
        """Done once that is over, however it went."""
        self._unguarded_seconds = unguarded_seconds
        self._watchers: dict[str, Watcher] = {}
        self._active: int | None = None
        """The last mask that a guard has sent; None before the first."""
        self._may_be_driven = False
        """The last guard ended while a line was driven, or may have been."""
        self._unguarded_since: float | None = None
        self._channel: GuardChannel | None = None
        self._why = "The strike guard has not started yet."
        self._process_id: int | None = None
        self._given: _Given | None = None
        self._taken: asyncio.Future[None] | None = None
        self._goes_on = False
        """The guard at work was at work for another hubd: no stretch begins with it."""
        self._is_handed_on = False
        self._handed_on: int | None = None

    # A hub that changes hands

    def take_up(self, guard: int | None, spare: int | None) -> None:
        """Let `run` begin with guards of another hubd, by hubd's ends of their sockets."""
        if guard is not None:
            self._taken = asyncio.get_running_loop().create_future()
            self._given = _Given(guard, self._taken)
            self._goes_on = True
        if spare is not None:
            self._spare.take_up(spare)

    async def taken(self) -> None:
        """Return once the guard that was handed over is at work for this hubd.

        Raise HardwareError when it cannot be. Without one return at once.
        """
        if self._taken is not None:
            await asyncio.shield(self._taken)

    def hand_on(self) -> None:
        """Let the end of `run` leave both guards as they are."""
        self._is_handed_on = True
        self._spare.hand_on()

    def handed_on(self) -> tuple[int | None, int | None]:
        """Return the sockets of both guards after that, the caller's; None for one that was not.

        What was given and is not taken up yet is returned as it came.
        """
        guard = self._handed_on
        if guard is None and self._given is not None:
            guard = self._given.descriptor
        return guard, self._spare.handed_on

    def renew(self, with_guard_at_work: bool) -> None:
        """Let guards that another hubd has started be renewed: the spare one, and the one at work.

        This process drives alone from now on, so nothing is handed back.
        """
        self._spare.renew()
        if with_guard_at_work:
            self._renewal.want()

    @property
    def is_being_renewed(self) -> bool:
        """Whether a guard ends at this moment, and another one is to hold the lines."""
        return self._renewed is not None

    @property
    def process_id(self) -> int | None:
        """The guard's process, while it holds the lines."""
        if self._channel is None:
            return None
        return self._process_id

    @property
    def spare_id(self) -> int | None:
        """The process that waits to take over, if there is one."""
        return self._spare.process_id

    # What a strike asks

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

        The guard obeys within `EXPIRE_SECONDS` of this call, or of its being taken up, or not at
        all. Raise RestingError when
        the line must rest first, HardwareError when it cannot be driven.
        """
        if not is_span(seconds):
            raise HardwareError(
                f"Cannot release for {seconds} s: a positive number of seconds is needed."
            )
        channel = await self._taken_up()
        milliseconds = self.pulse_ms(strike, seconds)
        answer = await channel.ask(Verb.PULSE, self._numbers[strike], milliseconds)
        return answer.at_ns

    def pulse_ms(self, strike: str, seconds: float) -> int:
        """Return how many milliseconds a release of `seconds` lasts: at most the longest pulse."""
        return min(math.ceil(seconds * 1000), self._lines[strike].pulse_max_ms)

    def stretch(self, strike: str, now: int) -> Stretch:
        """Return a stretch that begins at `now`, to follow the strike's changes with.

        Of a guard that goes on nobody here knows when the line was driven last: it says so itself.
        """
        line = self._lines[strike]
        if self._goes_on:
            now -= line.rest_ms * MS
        return Stretch(cap_ms=line.cap_ms, rest_ms=line.rest_ms, now=now)

    async def secure(self, strike: str) -> int:
        """Drive a strike inactive; return CLOCK_MONOTONIC ns once driven. Raise HardwareError."""
        channel = await self._taken_up()
        answer = await channel.ask(Verb.SECURE, self._numbers[strike])
        return answer.at_ns

    async def _taken_up(self) -> GuardChannel:
        """Return the same as `_held`, once a guard that was handed over, or is new, is at work."""
        for awaited in (self._taken, self._renewed):
            if awaited is not None and not awaited.done():
                with suppress(HardwareError, TimeoutError):
                    async with asyncio.timeout(TAKEN_SECONDS):
                        await asyncio.shield(awaited)
        return self._held()

    def _held(self) -> GuardChannel:
        """Return the conversation with the guard that holds the lines. Raise HardwareError."""
        if self._renewed is not None:
            raise HardwareError("No strike can be driven: the strike guard is being renewed.")
        if self._channel is None:
            raise HardwareError(f"No strike can be driven: {self._why}")
        return self._channel

    # One guard after another

    async def run(self, ready: Callable[[], None]) -> None:
        """Keep a guard alive until cancelled; call `ready` each time one holds all lines, inactive.

        Raise UnguardedError when a line may be driven and no guard can be had.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._run_spare())
                tasks.create_task(self._hold(ready))
        except BaseExceptionGroup as group:
            raise (unguarded_in(group) or group) from None
        finally:
            self._renewal_is_over()

    async def _run_spare(self) -> None:
        with suppress(HardwareError):
            await self.taken()
        await self._spare.run()

    async def _hold(self, ready: Callable[[], None]) -> None:
        try:
            await self._hold_with_each(ready)
        finally:
            await self._end_successor()

    async def _hold_with_each(self, ready: Callable[[], None]) -> None:
        """Have one guard after another hold the lines."""
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            try:
                if self._given is not None:
                    given = self._given
                    self._given = None
                    await self._go_on_with(given, ready)
                guard = await self._next()
                await self._serve(guard, ready)
            except HardwareError as error:
                self._why = str(error)
                self._tell(False, self._why)
                self._renewal_is_over()
                end_if_cancelled()
            else:
                continue
            lived_seconds = time.monotonic() - began
            if lived_seconds >= STABLE_SECONDS:
                pause_seconds = FIRST_PAUSE_SECONDS
            self._check_bound()
            if not self._may_be_driven:
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(pause_seconds * 2, LAST_PAUSE_SECONDS)
            elif lived_seconds < FIRST_PAUSE_SECONDS:
                await asyncio.sleep(FIRST_PAUSE_SECONDS)

    def _check_bound(self) -> None:
        """Raise UnguardedError when a line has been without a guard for too long."""
        left_seconds = self._unguarded_seconds_left()
        if left_seconds is None or left_seconds > 0:
            return
        raise UnguardedError(
            "A strike may be driven, and no guard could be had within "
            f"{self._unguarded_seconds:g} s ({self._why}). "
            "hubd ends, so that systemd drives every strike inactive and starts it again."
        )

    def _unguarded_seconds_left(self) -> float | None:
        """Return how long a line may still be without a guard; None when none is in doubt."""
        if not self._may_be_driven or self._unguarded_since is None:
            return None
        return self._unguarded_since + self._unguarded_seconds - time.monotonic()

    async def _next(self) -> GuardProcess:
        """Return a guard that waits. Raise HardwareError when there is none in time."""
        successor = self._successor
        self._successor = None
        if successor is not None:
            return successor
        left_seconds = self._unguarded_seconds_left()
        if left_seconds is None:
            return await self._spare.take(None)
        return await self._spare.take(max(0.0, left_seconds))

    async def _serve(
        self, guard: GuardProcess, ready: Callable[[], None], is_held: bool = False
    ) -> None:
        """Have one guard hold the lines and stay with it; `is_held`: it holds them already.

        Return once it has ended to be renewed. Raise HardwareError when it has ended otherwise.
        """
        self._process_id = guard.process_id
        try:
            await self._converse(guard, ready, is_held)
        except HardwareError as error:
            status = await self._end(guard, str(error))
            self._renewal.guard_ended()
            raise HardwareError(f"{error} (exit status {status})") from error
        except BaseException:
            if self._is_handed_on and self._channel is guard.channel:
                self._channel = None
                self._why = "The strike guard is another hubd's."
                self._handed_on = guard.hand_on()
            else:
                await self._secure_all(guard)
                await self._end(guard, "The strike guard was stopped.")
            raise
        await self._end(guard, "The strike guard is being renewed.", RENEWED_END_SECONDS)

    async def _secure_all(self, guard: GuardProcess) -> None:
        """Secure the lines of a guard whose socket another hubd may have, too: law 11."""
        if not guard.is_adopted:
            return
        with suppress(HardwareError):
            for line in range(len(self._lines)):
                await guard.channel.ask(Verb.SECURE, line)

    async def _go_on_with(self, given: _Given, ready: Callable[[], None]) -> None:
        """Stay with the guard that was handed over. Raise HardwareError when it has ended."""
        try:
            guard = await self._starter.adopt(given.descriptor, self._on_answer)
        except HardwareError as error:
            given.taken.set_exception(error)
            given.taken.exception()  # retrieved, since nobody may ask
            self._why = str(error)
            self._tell(False, self._why)
            await asyncio.get_running_loop().create_future()  # law 9
            raise
        given.taken.set_result(None)
        await self._serve(guard, ready, is_held=True)

    async def _converse(
        self, guard: GuardProcess, ready: Callable[[], None], is_held: bool
    ) -> None:
        """Ask again and again whether the guard is there. Raise HardwareError when it is not.

        Return when another one is to hold the lines, and this one has secured them.
        """
        channel = guard.channel
        if not is_held:
            await channel.hold(self._renewal.rested_ms())
        self._may_be_driven = False
        self._channel = channel
        self._tell(
            True,
            f"The strike guard (process {self._process_id}) holds {len(self._lines)} lines.",
        )
        ready()
        self._renewal_is_over()
        if guard.is_own:
            self._renewal.done()
        while not await channel.ended(self._probe_seconds):
            await channel.ask(Verb.STATE)
            if self._is_to_be_renewed(guard) and await self._can_be_renewed(guard):
                return
        channel.check()

    def _is_to_be_renewed(self, guard: GuardProcess) -> bool:
        """Tell whether a guard may end now, and another one hold the lines: law 12."""
        if guard.is_own or self._is_handed_on or not self._spare.is_own:
            return False
        return self._renewal.is_due() and guard.channel.is_idle

    async def _can_be_renewed(self, guard: GuardProcess) -> bool:
        """Have a guard secure every line, and an own one be ready to hold them.

        Return False when it is not there after all, or a line moves. Raise HardwareError when the
        former one is broken. Commands wait from the beginning on (`_taken_up`).
        """
        self._renewed = asyncio.get_running_loop().create_future()
        answer = await guard.channel.ask(Verb.STATE)  # after all that was ever asked
        if answer.active:
            self._renewal_is_over()
            return False
        self._successor = self._spare.take_own()
        try:
            if self._successor is None:
                raise HardwareError("The spare strike guard was taken.")
            await self._successor.channel.ask(Verb.STATE)
        except HardwareError as error:
            await self._end_successor()
            self._renewal.put_off(str(error))
            self._renewal_is_over()
            return False
        for line in range(len(self._lines)):
            await guard.channel.ask(Verb.SECURE, line)
        return True

    async def _end_successor(self) -> None:
        successor = self._successor
        self._successor = None
        if successor is not None:
            with suppress(HardwareError):  # it holds no line
                await successor.end()

    def _renewal_is_over(self) -> None:
        """Let the commands that wait for it go on."""
        if self._renewed is not None:
            self._renewed.set_result(None)
            self._renewed = None

    async def _end(
        self, guard: GuardProcess, why: str, patience_seconds: float | None = None
    ) -> int | None:
        """End a guard and learn whether a line may still be driven; return its exit status.

        Raise HardwareError.
        """
        if self._channel is guard.channel:
            self._channel = None
            self._goes_on = False
            self._may_be_driven = guard.channel.doubtful or bool(self._active)
            self._unguarded_since = time.monotonic()
        self._why = why
        status = await guard.end(patience_seconds)
        if status == 0:
            self._may_be_driven = False  # its last act was to drive all lines inactive
        return status

    def _on_answer(self, answer: Answer) -> None:
        """Tell the watchers what has changed; a guard that waits says nothing of the lines."""
        if answer.kind in (AnswerKind.UNFIT, AnswerKind.WAITING):
            return
        before = self._active
        self._active = answer.active
        self._renewal.heard(answer)
        for strike, watcher in self._watchers.items():
            number = self._numbers[strike]
            active = _is_active(answer.active, number)
            if before is None or active is not _is_active(before, number):
                watcher(active, answer.at_ns)


def _is_active(mask: int, number: int) -> bool:
    return bool(mask >> number & 1)


def is_span(seconds: float) -> bool:
    """Tell whether this is a length of time."""
    return math.isfinite(seconds) and seconds > 0


def _check(lines: Collection[StrikeLine]) -> None:
    """Raise HardwareError for lines that no guard takes."""
    if not 1 <= len(lines) <= MAX_LINES:
        raise HardwareError(
            f"{len(lines)} strikes are configured; one hub drives 1 to {MAX_LINES}."
        )
    for line in lines:
        if not 0 <= line.cap_ms <= MAX_CAP_MS:
            raise HardwareError(
                f"The cap of {line} is {line.cap_ms} ms; it must be within 0..{MAX_CAP_MS} ms."
            )
        if not 0 <= line.rest_ms <= MAX_REST_MS:
            raise HardwareError(
                f"The rest of {line} is {line.rest_ms} ms; it must be within 0..{MAX_REST_MS} ms."
            )
