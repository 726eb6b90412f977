"""How each part of a hub is tried: the disk, the backend, the radio, inputs, readers, devices.

Law: a device gets the verb READ alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import Protocol

from hubcore.checks import CheckId
from hubcore.device.command import Command, CommandOutcome, Verb
from hubcore.errors import HardwareError, LinkError
from hubcore.ports.doors import ReadInputs
from hubcore.ports.radio import Listen
from hubcore.ports.stores import AuditLog
from hubd.backend.state import UplinkState
from hubd.trying.trials import NotTried, Step

DEVICE_SECONDS = 12.0
LOOK_SECONDS = 0.2
"""Between two looks whether the backend has a record."""


class Reader(Protocol):
    """What of a device's command is needed here."""

    async def perform(self, command: Command, within_seconds: float, /) -> Outcome:
        """Do it, and say what became of it."""


class Outcome(Protocol):
    """What became of a command."""

    @property
    def outcome(self) -> CommandOutcome:
        """Whether the device has proven it."""

    @property
    def why(self) -> str:
        """Why not, in words."""


def disk(probe: Callable[[], Awaitable[str]]) -> Step:
    """Write, flush and read a line on the disk of the evidence."""
    return Step("active-disk", CheckId.TRIED_DISK, probe)


def backend(number: int, log: AuditLog, state: Callable[[], UplinkState]) -> Step:
    """Wait until the backend has the record of this trial."""

    async def run() -> str:
        if not state().connected:
            raise LinkError(state().why or "it is not connected")
        while True:
            if not await _waits(number, log):
                return f"it has record {number} durably, which says that this was tried"
            await asyncio.sleep(LOOK_SECONDS)

    return Step("active-backend", CheckId.TRIED_BACKEND, run)


async def _waits(number: int, log: AuditLog) -> bool:
    oldest = await log.unacknowledged(number - 1, 1)
    return bool(oldest) and oldest[0].number == number


def radio(listen: Listen | None) -> Step:
    """Hear the hub's own advertisement."""

    async def run() -> str:
        if listen is None:
            raise NotTried("it takes a second Bluetooth adapter to hear what this hub advertises")
        try:
            return await listen()
        except HardwareError as error:
            raise NotTried(str(error)) from error

    return Step("active-radio", CheckId.TRIED_RADIO, run)


def inputs(read: ReadInputs) -> Step:
    """Read the level of each wired input."""

    async def run() -> str:
        levels = read().items()
        return ", ".join(f"{name} {'active' if active else 'at rest'}" for name, active in levels)

    return Step("active-inputs", CheckId.TRIED_INPUTS, run)


def readers(names: Iterable[str], answers: Callable[[str], bool]) -> Iterator[Step]:
    """Ask each reader: its driver polls it many times a second, so its last answer is now's."""

    async def run(name: str) -> str:
        if not answers(name):
            raise HardwareError(f"reader {name} does not answer, or is not proven to be the hub's")
        return f"reader {name} answers, and has proven itself"

    for name in names:
        yield Step(f"active-reader-{name}", CheckId.TRIED_READER, partial(run, name))


def devices(ids: Iterable[str], supervisor: Reader) -> Iterator[Step]:
    """Ask each device how it stands, locks of doors too; nothing moves."""

    async def run(device: str) -> str:
        result = await supervisor.perform(Command(device, Verb.READ), DEVICE_SECONDS)
        if result.outcome is CommandOutcome.CONFIRMED:
            return f"device {device} answers"
        if result.outcome is CommandOutcome.UNKNOWN:
            raise NotTried(f"device {device}: {result.why or 'nobody can tell'}")
        raise HardwareError(f"device {device}: {result.why or result.outcome.value}")

    for device in ids:
        yield Step(f"active-device-{device}", CheckId.TRIED_DEVICE, partial(run, device))
