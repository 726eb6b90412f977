"""A lock that moves a door: a release unlocks it, and its end locks it again.

Laws:
1. It has moved only on proof: what commands it says so (`Commands.perform`), never the command.
2. A release is tried once. When it is not proven, the lock is locked again, for it may have moved.
3. Locking is tried until it is proven, with pauses up to LAST_PAUSE_SECONDS: it fails secure. A
   door that may stand unlocked meanwhile is told.
4. A lock with a timer of its own gets the time with the command, and locks itself whatever becomes
   of hubd. Any other is locked from here. If hubd ends meanwhile, the Z-Wave service locks it
   (`drivers/zwave_js/service/service.cjs`, law 4), and so does the next start of hubd.
5. What a lock is found in at a start, and is not locked, is locked. What a hand unlocks later is
   left to the hand. That it was locked before the start, which is all that the network may know of
   it at first, says nothing of an unlock that was under way: for FOUND_SECONDS it is locked again.
6. Its cap and its rest are those of every mover. It never unlocks again by itself after a rest.
7. A release waits BUSY_SECONDS at most for a command under way, as if the lock had to rest. So it
   is judged again, and nobody's door opens half a minute late, or after a lockdown was ordered.
8. Its bolt is what the lock said last, as long as that holds: not when the lock is dead, jammed,
   or out of reach, and not when a command may have moved it (`drivers.lock.bolt`).

How it works: `release` unlocks and notes when that ends. `run` waits for that moment and locks.
Whatever the lock itself reports meanwhile is heard by `stands`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from drivers.lock.bolt import bolt_of
from drivers.lock.commands import Commands
from drivers.strike.stretch import Stretch
from hubcore.device.command import LEVELS_OF, Command, CommandOutcome, Verb
from hubcore.device.state import DeviceFault, DeviceState, Position
from hubcore.door.state import BoltState
from hubcore.errors import DriverGoneError, HardwareError, RestingError
from hubcore.ports.doors import Input, InputEvent

UNLOCK_SECONDS = 20.0
"""How long a release waits for its proof. Who stands at the door has gone by then."""
LOCK_SECONDS = 30.0
BUSY_SECONDS = 0.5
BUSY_REST_SECONDS = 0.25
"""A lock that is being moved is as one that rests for so long."""
TIMER_GRACE_SECONDS = 1.5
"""How much later than asked a lock's own timer may lock, before it is locked from here."""
FIRST_PAUSE_SECONDS = 2.0
LAST_PAUSE_SECONDS = 60.0
FOUND_SECONDS = 60.0
"""What a lock reports so soon after it was heard of may be of an unlock of before the start."""
NS = 1_000_000_000
TENTHS_MAX = LEVELS_OF[Verb.PULSE][-1]

_LOSSES = frozenset({DeviceFault.SERVICE_GONE, DeviceFault.INTERFACE_GONE})


@dataclass(frozen=True, slots=True)
class LockAtDoor:
    """A lock's id, the door that it moves, and how long it may be unlocked and must then rest."""

    id: str
    door: str
    cap_seconds: float
    rest_seconds: float


class LockMover:
    """`hubcore.ports.doors.Mover` of one lock."""

    def __init__(
        self,
        lock: LockAtDoor,
        commands: Commands,
        publish: Callable[[InputEvent], None],
        times_itself: Callable[[], bool],
        stays_open: Callable[[str, str], None] = lambda _lock, _why: None,
        pauses: tuple[float, float] = (FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS),
    ) -> None:
        """`publish` hears when the lock has moved; `times_itself` tells whether it has a timer.

        `stays_open` takes a lock that was unlocked and cannot be locked, and why; '' once it is.
        `pauses`: the first and the longest between two tries to lock, in seconds.
        """
        self._lock = lock
        self._commands = commands
        self._publish = publish
        self._times_itself = times_itself
        self._stays_open = stays_open
        self._first_pause = pauses[0]
        self._last_pause = pauses[1]
        self._pause_seconds = self._first_pause
        self._moving = asyncio.Lock()
        self._wake = asyncio.Event()
        self._driven = False
        self._is_known = False
        self._began = time.monotonic()
        self._found_until = math.inf
        self._has_told = False
        self._may_be_open = False
        """An unlock was sent, and it was not proven to be locked since."""
        self._unlocked_at = -math.inf
        self._tried_at = -math.inf
        self._lock_at: float | None = None
        """When locking is tried (monotonic seconds), None while nothing is to be locked."""
        rested_since = time.monotonic_ns() - round(lock.rest_seconds * NS)
        self._stretch = Stretch(
            cap_ms=round(lock.cap_seconds * 1000),
            rest_ms=round(lock.rest_seconds * 1000),
            now=rested_since,
        )

    @property
    def driven(self) -> bool:
        """See `hubcore.ports.doors.Mover.driven`: it was proven to be unlocked, and not since."""
        return self._driven

    @property
    def bolt_state(self) -> BoltState:
        """See `hubcore.ports.doors.Mover.bolt_state`: what the lock itself says (law 8)."""
        state = self._commands.state(self._lock.id)
        return bolt_of(state, self._commands.faults(self._lock.id), self._driven)

    def must_rest_seconds(self, seconds: float) -> float:
        """See `hubcore.ports.doors.Mover.must_rest_seconds`."""
        if not _is_span(seconds):
            return 0.0
        wait_ms = self._stretch.wait(self._pulse_ms(seconds), time.monotonic_ns())
        least = BUSY_REST_SECONDS if self._moving.locked() else 0.0
        return max(least, wait_ms / 1000)

    async def release(self, seconds: float) -> None:
        """See `hubcore.ports.doors.Mover.release`."""
        if not _is_span(seconds):
            raise HardwareError(f"A release is of a positive number of seconds, not {seconds}.")
        await self._begin_moving()
        try:
            pulse_ms = self._pulse_ms(seconds)
            wait_ms = self._stretch.wait(pulse_ms, time.monotonic_ns())
            if wait_ms:
                sentence = f"Not now: lock {self._lock.id} rests for another {wait_ms} ms."
                raise RestingError(sentence, wait_ms / 1000)
            if not self._driven or self._has_timer():
                await self._unlock(pulse_ms)
            self._stretch.began(pulse_ms, time.monotonic_ns())
            self._set_moment()
        finally:
            self._moving.release()

    async def _begin_moving(self) -> None:
        """Wait for the command under way. Raise RestingError when that takes too long (law 7)."""
        try:
            async with asyncio.timeout(BUSY_SECONDS):
                await self._moving.acquire()
        except TimeoutError as error:
            sentence = f"Not now: lock {self._lock.id} is being moved."
            raise RestingError(sentence, BUSY_REST_SECONDS) from error

    async def secure(self) -> None:
        """See `hubcore.ports.doors.Mover.secure`."""
        async with self._moving:
            if not self._driven and self._lock_at is None:
                return
            why = await self._try_to_lock()
            if why:
                raise HardwareError(why)

    async def run(self) -> None:
        """Lock when a release ends, and until it is proven; until cancelled."""
        while True:
            self._wake.clear()
            pause_seconds = None
            if self._lock_at is not None:
                pause_seconds = max(0.0, self._lock_at - time.monotonic())
            try:
                async with asyncio.timeout(pause_seconds):
                    await self._wake.wait()
            except TimeoutError:
                async with self._moving:
                    await self._lock_if_due()

    def stands(self, state: DeviceState) -> None:
        """The lock reported how it stands."""
        if self._commands.faults(self._lock.id) & _LOSSES:
            return  # nobody reaches it: that is no word of the lock
        was_known = self._is_known or time.monotonic() > self._found_until
        if state.position is Position.LOCKED:
            if state.at >= self._unlocked_at:
                self._is_locked()
        elif not was_known and not self._moving.locked():  # law 5
            self._lock_soon()
        elif self._lock_at is not None and not self._driven:
            self._lock_sooner()
        if state.position is Position.UNKNOWN:
            return
        self._is_known = was_known or state.at >= self._began
        self._found_until = min(self._found_until, time.monotonic() + FOUND_SECONDS)

    # Unlocking.

    async def _unlock(self, pulse_ms: int) -> None:
        """Unlock, and note that it is. Raise HardwareError."""
        command = Command(self._lock.id, Verb.UNLOCK)
        if self._has_timer():
            tenths = min(TENTHS_MAX, max(1, -(-pulse_ms // 100)))
            command = Command(self._lock.id, Verb.PULSE, tenths)
        self._may_be_open = True
        try:
            result = await self._commands.perform(command, UNLOCK_SECONDS)
        except BaseException:
            self._lock_soon()  # law 2
            raise
        if result.outcome is CommandOutcome.CONFIRMED:
            self._is_unlocked()
            return
        if not self._driven:
            self._lock_soon()  # law 2
        sentence = f"Lock {self._lock.id} was not unlocked: {result.why}."
        if result.outcome is CommandOutcome.FAILED:
            raise HardwareError(sentence)
        raise DriverGoneError(sentence)

    def _has_timer(self) -> bool:
        try:
            return self._times_itself()
        except HardwareError:  # nobody can tell just now: what comes of the command says why
            return False

    def _is_unlocked(self) -> None:
        self._is_known = True
        if not self._driven:
            self._driven = True
            self._unlocked_at = time.monotonic()
            self._stretch.rose(time.monotonic_ns())
            self._tell(Input.STRIKE_ACTIVE)

    # Locking.

    def _set_moment(self) -> None:
        """Note when the release ends, or the cap ends it."""
        moment = self._stretch.falls_at()
        if moment is None:
            return
        grace_seconds = TIMER_GRACE_SECONDS if self._has_timer() else 0.0
        self._lock_at = moment / NS + grace_seconds
        self._pause_seconds = self._first_pause
        self._wake.set()

    def _lock_soon(self) -> None:
        self._lock_at = time.monotonic()
        self._wake.set()

    def _lock_sooner(self) -> None:
        """The lock can be reached again; but its chatter sets no pace."""
        earliest = self._tried_at + self._first_pause
        if self._lock_at is not None and earliest < self._lock_at:
            self._lock_at = earliest
            self._wake.set()

    async def _lock_if_due(self) -> None:
        if self._lock_at is not None and self._lock_at <= time.monotonic():
            await self._try_to_lock()

    async def _try_to_lock(self) -> str:
        """Lock once; return why that is not proven, and try again later. '' when it is."""
        command = Command(self._lock.id, Verb.LOCK)
        self._tried_at = time.monotonic()
        result = await self._commands.perform(command, LOCK_SECONDS)
        if result.outcome is CommandOutcome.CONFIRMED:
            self._is_locked()
            return ""
        self._lock_at = time.monotonic() + self._pause_seconds
        self._pause_seconds = min(2 * self._pause_seconds, self._last_pause)
        self._wake.set()
        sentence = f"Lock {self._lock.id} was not locked: {result.why}."
        if self._may_be_open:
            self._stays_open(self._lock.id, sentence)
        return sentence

    def _is_locked(self) -> None:
        """It is proven to be locked: nothing of a release is left."""
        self._is_known = True
        self._lock_at = None
        self._may_be_open = False
        self._stays_open(self._lock.id, "")
        self._pause_seconds = self._first_pause
        is_news = self._driven or not self._has_told
        if self._driven:
            self._driven = False
            self._stretch.secured(time.monotonic_ns())
        if is_news:
            self._tell(Input.STRIKE_INACTIVE)

    def _tell(self, what: Input) -> None:
        self._has_told = True
        self._publish(InputEvent(self._lock.door, what, time.monotonic()))

    def _pulse_ms(self, seconds: float) -> int:
        return min(math.ceil(seconds * 1000), round(self._lock.cap_seconds * 1000))


def _is_span(seconds: float) -> bool:
    return math.isfinite(seconds) and seconds > 0
