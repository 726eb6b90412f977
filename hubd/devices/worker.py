"""The use case around one device: its queue, its time, its breaker. So drivers stay simple.

Laws:
1. Commands of one device are done one after the other.
2. A later command to a cover takes the place of the one under way: who says stop means now. What
   was sent may still be done, so its outcome is UNKNOWN. A question takes nobody's place.
3. Every command is answered: in time, or as TIMEOUT. One that is too late is never sent, and never
   sent again.
4. What is repeatable is tried once more after a failure, while there is time. Unlocking and
   pulsing are never sent twice.
5. A device that fails again and again gets no commands, only a probe now and then, until it
   answers. LOCK goes all the same, as often as it is asked: a door is locked as soon as it can be.
6. While the stick, the line or the service of a device is gone, a command is refused at once, with
   that cause. Nothing counts as a failure of the device, and it is not probed.
7. A state that is older than its device allows, or that a failed command may have changed, is
   UNKNOWN.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from hubcore.device.breaker import Breaker, BreakerRule, BreakerState
from hubcore.device.command import (
    REPEATABLE,
    VERBS_OF,
    Capability,
    Command,
    CommandOutcome,
    Verb,
)
from hubcore.device.device import Device
from hubcore.device.state import DeviceFault, DeviceState, Position, Quantity
from hubcore.errors import DriverGoneError, HardwareError, UnprovenError
from hubcore.ports.clock import Clock
from hubcore.ports.device import DeviceDriver

QUEUE_MAX = 8
RETRY_PAUSE_SECONDS = 0.5
CANCEL_SECONDS = 1.0
"""How long a driver may take to let go of a command that is out of time."""
SECONDS_OF = {
    Capability.STRIKE: 2.0,
    Capability.LOCK: 30.0,
    Capability.SWITCH: 10.0,
    Capability.COVER: 120.0,
    Capability.BARRIER: 120.0,
    Capability.SENSOR: 20.0,
    Capability.METER: 20.0,
}
"""How long one try may take, by what the device is: a shutter travels for a minute."""


LOSSES: Mapping[DeviceFault, str] = {
    DeviceFault.INTERFACE_GONE: "its stick, adapter or serial line is not there",
    DeviceFault.SERVICE_GONE: "the program that drives it does not run, or does not answer",
    DeviceFault.WRONG_VERSION: "the program that drives it is of a version that hubd does not know",
}
"""What keeps all devices of a driver or a line from being reached, and the sentence about it."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of a command, with a sentence for people where it was not confirmed.

    `sent`: it went to a device that can never tell, so nothing more can be learnt of it.
    """

    outcome: CommandOutcome
    why: str = ""
    sent: bool = False


CONFIRMED = CommandResult(CommandOutcome.CONFIRMED)
SUPERSEDED = CommandResult(CommandOutcome.FAILED, "a later command took its place")
SUPERSEDED_UNDER_WAY = CommandResult(
    CommandOutcome.UNKNOWN, "a later command took its place while it was under way"
)


@dataclass(slots=True)
class _Job:
    """A command in a queue, and its answer; moments in monotonic seconds.

    It may be sent until `begin_until`, and be done until `until`.
    """

    command: Command
    begin_until: float
    until: float
    result: asyncio.Future[CommandResult]


class Worker:
    """One device: what it is told, one command after the other."""

    def __init__(
        self, device: Device, driver: DeviceDriver, clock: Clock, rule: BreakerRule
    ) -> None:
        self._device = device
        self._driver = driver
        self._clock = clock
        self._waiting: deque[_Job] = deque()
        self._came = asyncio.Event()
        self._try_seconds = SECONDS_OF[device.capability]
        self._tries: asyncio.TaskGroup
        self._task: asyncio.Task[CommandResult] | None = None
        self._under_way: _Job | None = None
        self.breaker = Breaker(rule)
        self.state = DeviceState(Position.UNKNOWN, at=0.0)
        self.faults = set[DeviceFault]()
        self.driver_ended = False
        """Its driver ended by a mistake, and it has said nothing since."""
        self.readings: dict[Quantity, float] = {}

    async def command(
        self, command: Command, within_seconds: float, begin_seconds: float
    ) -> CommandResult:
        """Queue a command and return what became of it."""
        if command.verb not in VERBS_OF[self._device.capability]:
            kind = self._device.capability.value
            return CommandResult(CommandOutcome.FAILED, f"a {kind} cannot {command.verb.name}")
        loss = self._loss()
        if loss is not None:
            return CommandResult(CommandOutcome.FAILED, LOSSES[loss])
        if self.breaker.state is not BreakerState.CLOSED and command.verb is not Verb.LOCK:
            return CommandResult(CommandOutcome.FAILED, "the device does not answer")
        if self._device.capability is Capability.COVER and command.verb is not Verb.READ:
            self._supersede()
        if len(self._waiting) >= QUEUE_MAX:
            return CommandResult(CommandOutcome.FAILED, "too many commands wait for the device")
        now = self._clock.monotonic()
        job = _Job(
            command=command,
            begin_until=now + begin_seconds,
            until=now + within_seconds,
            result=asyncio.get_running_loop().create_future(),
        )
        self._waiting.append(job)
        self._came.set()
        return await job.result

    async def run(self) -> None:
        """Do what is queued, and probe a device that does not answer, until cancelled."""
        async with asyncio.TaskGroup() as tries:
            self._tries = tries
            try:
                while True:
                    await self._next()
                    if self._waiting:
                        await self._do(self._waiting.popleft())
            finally:
                self._answer_all("the hub ends")

    async def _next(self) -> None:
        """Return when a command waits; meanwhile probe a device that does not answer."""
        while not self._waiting:
            self._came.clear()
            pause_seconds = None
            if self.breaker.state is BreakerState.OPEN and self._loss() is None:
                pause_seconds = max(0.0, self.breaker.probe_at - self._clock.monotonic())
            try:
                async with asyncio.timeout(pause_seconds):
                    await self._came.wait()
            except TimeoutError:
                await self._probe()

    async def _probe(self) -> None:
        if self._loss() is None and self.breaker.probe(self._clock.monotonic()):
            await self._try(Command(self._device.id, Verb.READ), self._try_seconds)

    async def _do(self, job: _Job) -> None:
        """Do one command, once more where that is harmless, and answer it."""
        try:
            result = await self._attempt(job)
            if not _is_over(result) and self._may_repeat(job):
                await asyncio.sleep(RETRY_PAUSE_SECONDS)
                result = await self._attempt(job)
        except asyncio.CancelledError:
            _answer(job, CommandResult(CommandOutcome.UNKNOWN, "the hub ends"))
            raise
        _answer(job, result)

    def _may_repeat(self, job: _Job) -> bool:
        if job.command.verb not in REPEATABLE or job.result.done() or self._loss() is not None:
            return False
        begin_until = min(job.until, job.begin_until)
        in_time = begin_until - self._clock.monotonic() > RETRY_PAUSE_SECONDS
        return in_time and self.breaker.state is BreakerState.CLOSED

    async def _attempt(self, job: _Job) -> CommandResult:
        now = self._clock.monotonic()
        left_seconds = job.until - now
        if left_seconds <= 0 or now > job.begin_until:
            return CommandResult(CommandOutcome.TIMEOUT, "it waited too long behind other commands")
        loss = self._loss()
        if loss is not None:
            return CommandResult(CommandOutcome.FAILED, LOSSES[loss])
        self._under_way = job
        try:
            return await self._try(job.command, min(left_seconds, self._try_seconds))
        finally:
            self._under_way = None

    async def _try(self, command: Command, seconds: float) -> CommandResult:
        """Have the driver do it; say what became of it, and note whether the device answered."""
        task = self._tries.create_task(self._performed(command))
        self._task = task
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=CANCEL_SECONDS)
            result = CommandResult(CommandOutcome.TIMEOUT, f"no answer within {seconds:g} s")
        elif task.cancelled():
            result = SUPERSEDED_UNDER_WAY
        else:
            result = task.result()
        self._note(result)
        return result

    async def _performed(self, command: Command) -> CommandResult:
        try:
            await self._driver.perform(command)
        except DriverGoneError as error:
            return CommandResult(CommandOutcome.UNKNOWN, str(error))
        except UnprovenError as error:
            return CommandResult(CommandOutcome.UNKNOWN, str(error), sent=True)
        except HardwareError as error:
            return CommandResult(CommandOutcome.FAILED, str(error))
        except Exception as error:  # a driver's own fault harms its device alone
            return CommandResult(CommandOutcome.UNKNOWN, f"{type(error).__name__}: {error}")
        return CONFIRMED

    def _note(self, result: CommandResult) -> None:
        if _is_over(result):
            self.breaker.succeeded()
            return
        self.forget_state()
        if self._loss() is not None:
            self.breaker.told_nothing(self._clock.monotonic())
        elif result is not SUPERSEDED_UNDER_WAY:
            self.breaker.failed(self._clock.monotonic())

    def _loss(self) -> DeviceFault | None:
        """Return what keeps every command from this device and its neighbours, None: nothing does.

        A driver that was begun again after a mistake may say nothing before it is asked.
        """
        for loss in LOSSES:
            is_of_the_house = self.driver_ended and loss is DeviceFault.SERVICE_GONE
            if loss in self.faults and not is_of_the_house:
                return loss
        return None

    def look_again(self) -> None:
        """A fault has ended: what waited for that may go on."""
        self._came.set()

    def forget_state(self) -> None:
        """Nobody can tell how the device stands now."""
        self.state = DeviceState(Position.UNKNOWN, self._clock.monotonic())

    def _supersede(self) -> None:
        """What waits for a cover, and what is under way, is not wanted any more."""
        self._answer_all(SUPERSEDED.why)
        if self._under_way is not None and self._task is not None:
            _answer(self._under_way, SUPERSEDED_UNDER_WAY)
            self._task.cancel()

    def _answer_all(self, why: str) -> None:
        for job in self._waiting:
            _answer(job, CommandResult(CommandOutcome.FAILED, why))
        self._waiting.clear()

    def known_state(self, now: float) -> DeviceState:
        """Return how the device stands, UNKNOWN when that is too old."""
        if now - self.state.at <= self._device.stale_seconds:
            return self.state
        return DeviceState(Position.UNKNOWN, self.state.at)

    def spoke(self) -> None:
        """The device said something of its own accord."""
        self.breaker.spoke(self._clock.monotonic())
        self._came.set()


def _is_over(result: CommandResult) -> bool:
    """Tell whether trying again is of no use: it is done, or this device can never tell."""
    return result is CONFIRMED or result.sent


def _answer(job: _Job, result: CommandResult) -> None:
    if not job.result.done():
        job.result.set_result(result)
