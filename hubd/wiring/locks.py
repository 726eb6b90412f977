"""Locks as movers of doors: what moves each, and what is told of those that stay open.

Laws:
1. A lock is commanded by the supervisor of all devices, which has its battery and its faults, too.
2. Doors that may stand unlocked, because their locks cannot be locked, are told as one part.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from drivers.lock.commands import Commands
from drivers.lock.mover import LockAtDoor, LockMover
from hubcore.checks import Part
from hubcore.ports.doors import Mover
from hubd.config.movers import DoorLock
from hubd.wiring.made import MadeKind, MakeForDoor
from hubd.wiring.mover_group import Publish
from hubd.wiring.networks import Networks
from hubd.wiring.parts import TellPart


def locks(
    networks: Networks, commands: Commands, wanted: Sequence[DoorLock], tell: TellPart
) -> MadeKind:
    """Make the movers of locks, and what must run for them."""
    made = _Made(networks, commands, tell)
    makers: dict[str, MakeForDoor] = {lock.id: partial(made.make, lock) for lock in wanted}
    return MadeKind(makers, {Part.LOCKS: made.run})


class _Made:
    """The movers that were made, and what runs for them."""

    def __init__(self, networks: Networks, commands: Commands, tell: TellPart) -> None:
        self._networks = networks
        self._commands = commands
        self._tell = tell
        self._movers: list[LockMover] = []
        self._open: dict[str, str] = {}
        """Locks that stay open, each with why."""

    def make(self, lock: DoorLock, door: str, publish: Publish) -> Mover:
        """Make the mover of a door."""
        at_door = LockAtDoor(
            id=lock.id,
            door=door,
            cap_seconds=lock.cap_seconds,
            rest_seconds=lock.rest_seconds,
        )
        mover = LockMover(
            lock=at_door,
            commands=self._commands,
            publish=publish,
            times_itself=partial(self._networks.driver_of(lock).times_itself, lock.id),
            stays_open=self._stays_open,
        )
        self._commands.watch(lock.id, mover.stands)
        self._movers.append(mover)
        return mover

    async def run(self, ready: Callable[[], None]) -> None:
        """Run every mover until cancelled."""
        ready()
        async with asyncio.TaskGroup() as tasks:
            for mover in self._movers:
                tasks.create_task(mover.run())

    def _stays_open(self, lock: str, why: str) -> None:
        """Tell which locks stay open, when that changes."""
        if self._open.get(lock, "") == why:
            return
        self._open.pop(lock, None)
        if why:
            self._open[lock] = why
        self._tell(Part.LOCKS, not self._open, " ".join(self._open.values()) or "ready")
