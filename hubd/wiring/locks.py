"""Locks on Z-Wave as movers of doors: the driver, what commands it, and what is told of it.

Laws:
1. All locks share one driver, which is that of all the hub has on Z-Wave (`hubd.wiring.zwave`).
2. What is wrong with a lock is told when it begins and when it ends, at most once in TELL_SECONDS
   however often it changes, with what to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from drivers.lock.mover import LockAtDoor, LockMover
from hubcore.device.breaker import BreakerRule
from hubcore.device.command import Capability
from hubcore.device.device import Device
from hubcore.device.state import DeviceFault
from hubcore.errors import ConfigError
from hubcore.ports.doors import Mover
from hubd.adapters.host.clock import SystemClock
from hubd.config.movers import ZwaveLock
from hubd.devices.supervisor import Supervisor
from hubd.upkeep.checks import Part
from hubd.wiring.made import MadeKind, MakeForDoor
from hubd.wiring.mover_group import Publish
from hubd.wiring.parts import TellPart
from hubd.wiring.zwave import LockDriver, ZwaveNetwork

STALE_SECONDS = 86_400.0
"""A lock tells each of its moves by itself: what it said last holds for a day."""
TELL_SECONDS = 1.0

SENTENCES: Mapping[DeviceFault, str] = {
    DeviceFault.JAMMED: (
        "Lock {id} (node {node}) is jammed: shut the door, see that the bolt moves freely, and "
        "lock it once by hand."
    ),
    DeviceFault.REFUSED: "Lock {id} (node {node}) refuses to move: look at it.",
    DeviceFault.DEAD: (
        "Lock {id} (node {node}) does not answer: look at its batteries; it is found again by "
        "itself. If the network has no such node, correct `node`."
    ),
    DeviceFault.INTERFACE_GONE: (
        "The Z-Wave stick cannot be opened: plug it in. It is found again by itself."
    ),
    DeviceFault.SERVICE_GONE: (
        "The Z-Wave service does not answer: sudo systemctl restart hubd-zwave. "
        "If it is not installed: make install-zwave."
    ),
    DeviceFault.WRONG_VERSION: (
        "The Z-Wave service is none of the versions that this hubd knows: install the one that "
        "comes with it (make install-zwave)."
    ),
    DeviceFault.NOT_SECURE: (
        "Lock {id} (node {node}) joined its network without S2 Access Control, so it gets no "
        "commands: exclude it, and include it again with the PIN that is printed on it."
    ),
    DeviceFault.TAMPERED: "Lock {id} (node {node}) says that it was opened or moved: look at it.",
    DeviceFault.BATTERY_LOW: "The battery of lock {id} (node {node}) is low.",
    DeviceFault.STRANGE: "Lock {id} (node {node}) says what no lock can say: look at it.",
}


MakeDriver = Callable[[Sequence[ZwaveLock]], LockDriver]


def zwave_locks(network: ZwaveNetwork, wanted: Sequence[ZwaveLock], tell: TellPart) -> MadeKind:
    """Locks in the Z-Wave network of this hub. Raise ConfigError without the client's library."""
    try:
        return locks(wanted, tell, lambda _: network.share(lock.id for lock in wanted))
    except ImportError as error:
        raise ConfigError(
            "a mover of the kind zwave_lock needs the Z-Wave client, which is not installed: "
            "make install EXTRAS=zwave"
        ) from error


def locks(wanted: Sequence[ZwaveLock], tell: TellPart, make_driver: MakeDriver) -> MadeKind:
    """Make the movers of locks, and what must run for them."""
    driver = make_driver(wanted)
    faults = _Faults(wanted, tell)
    supervisor = Supervisor(
        devices={lock.id: (_device(lock), driver) for lock in wanted},
        clock=SystemClock(lambda: 0.0),
        tell_fault=faults.changed,
        breaker=BreakerRule(),
    )
    made = _Made(driver, supervisor)
    makers: dict[str, MakeForDoor] = {lock.id: partial(made.make, lock) for lock in wanted}
    return MadeKind(makers, {Part.LOCKS: made.run})


def _device(lock: ZwaveLock) -> Device:
    return Device(lock.id, Capability.LOCK, STALE_SECONDS)


class _Made:
    """The movers that were made, and what runs for them."""

    def __init__(self, driver: LockDriver, supervisor: Supervisor) -> None:
        self._driver = driver
        self._supervisor = supervisor
        self._movers: list[LockMover] = []

    def make(self, lock: ZwaveLock, door: str, publish: Publish) -> Mover:
        """Make the mover of a door."""
        mover = LockMover(
            lock=LockAtDoor(
                id=lock.id,
                door=door,
                cap_seconds=lock.cap_seconds,
                rest_seconds=lock.rest_seconds,
            ),
            commands=self._supervisor,
            publish=publish,
            times_itself=partial(self._driver.times_itself, lock.id),
        )
        self._driver.watch(lock.id, mover.stands)
        self._movers.append(mover)
        return mover

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve the driver and every mover until cancelled."""
        ready()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._supervisor.run())
            for mover in self._movers:
                tasks.create_task(mover.run())


@dataclass(frozen=True, slots=True)
class _Fault:
    """What is wrong with which lock."""

    lock: str
    fault: DeviceFault


class _Faults:
    """Tells what is wrong with locks, in one sentence for each cause."""

    def __init__(self, wanted: Sequence[ZwaveLock], tell: TellPart) -> None:
        self._nodes = {lock.id: lock.node for lock in wanted}
        self._tell = tell
        self._stand: set[_Fault] = set()
        self._is_due = False

    def changed(self, lock: str, fault: DeviceFault, stands: bool) -> None:
        """A fault begins or ends."""
        if stands:
            self._stand.add(_Fault(lock, fault))
        else:
            self._stand.discard(_Fault(lock, fault))
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(TELL_SECONDS, self._tell_all)

    def _tell_all(self) -> None:
        self._is_due = False
        low = {one for one in self._stand if one.fault is DeviceFault.BATTERY_LOW}
        self._tell_part(Part.LOCKS, self._stand - low)
        self._tell_part(Part.LOCK_BATTERIES, low)

    def _tell_part(self, part: Part, faults: set[_Fault]) -> None:
        sentences = {self._sentence(one) for one in faults}
        self._tell(part, not sentences, " ".join(sorted(sentences)) or "ready")

    def _sentence(self, one: _Fault) -> str:
        return SENTENCES[one.fault].format(id=one.lock, node=self._nodes[one.lock])
