"""What is wrong with devices: a problem for each sort of fault, which names the devices.

Laws:
1. A problem stands as long as any device has its fault. It names at most NAMED_MAX devices.
2. A lock of a door has remedies of its own: whoever stands at the door wants to come in.
3. Each fault that begins is counted. It is told when it begins and when it ends, while its device
   keeps the pace EACH; what was not told is counted. The problem follows at once in any case.
4. Both are recorded, at a pace RECORDS. What comes faster, and what the disk refuses, is tried
   again: one entry for each device and fault, with the count and how it stands then.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

from hubcore.checks import CHECK_OF_FAULT, CHECK_OF_LOCK_FAULT, CHECKS, CheckId, Problem
from hubcore.device.state import DeviceFault
from hubcore.errors import AuditError
from hubcore.evidence.facts import Detail, EventName, Fact, Tell, Value
from hubcore.evidence.records import Record, RecordKind
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog
from hubcore.timing.pace import Paces, Rate
from hubd.upkeep.standing import StandingProblems

NAMED_MAX = 8
EACH = Rate(burst=10, per_second=1 / 60)
"""A device whose contact is loose is told ten times, then once a minute."""
WHOLE = Rate(burst=500, per_second=0.5)
DEVICES_MAX = 1000
FAULTS = "device_faults"
RECORDS = EACH
UNTOLD = "device_faults_untold"
RETRY_SECONDS = 5.0
LAST_SECONDS = 1.0
"""How long a stop waits for the records that are left."""


@dataclass(frozen=True, slots=True)
class _Unwritten:
    """How a fault stands now, and how often that has changed since its last record."""

    stands: bool
    changes: int


class DeviceFaults:
    """Takes what the supervisor tells. Run `run` beside everything else."""

    def __init__(
        self,
        *,
        problems: StandingProblems,
        log: AuditLog,
        clock: Clock,
        tell: Tell,
        count: Callable[[str], None],
        names: Mapping[str, str],
        locks: Collection[str] = (),
    ) -> None:
        """`names`: each device's name for people, by its id. `count` takes a counter's name.

        `locks`: the devices that are locks of doors.
        """
        self._problems = problems
        self._log = log
        self._clock = clock
        self._tell = tell
        self._count = count
        self._names = names
        self._locks = frozenset(locks)
        self._standing: defaultdict[CheckId, dict[str, None]] = defaultdict(dict)
        """The devices that have what a check is about, in the order in which it came."""
        self._paces = Paces(each=EACH, whole=WHOLE, sources_max=DEVICES_MAX)
        self._recording = Paces(each=RECORDS, whole=WHOLE, sources_max=DEVICES_MAX)
        self._unwritten: dict[tuple[str, DeviceFault], _Unwritten] = {}
        self._changed = asyncio.Event()

    def __call__(self, device: str, fault: DeviceFault, stands: bool) -> None:
        """A fault began or ended; the supervisor says neither twice."""
        checks = CHECK_OF_LOCK_FAULT if device in self._locks else CHECK_OF_FAULT
        check = checks[fault]
        devices = self._standing[check]
        if stands:
            devices[device] = None
            self._count(FAULTS)
        else:
            devices.pop(device, None)
        found = None
        if devices:
            found = Problem(check, {"devices": self._named(devices)}, tuple(devices))
        self._problems.update(CHECKS[check].topic, found)
        if self._paces.take(device, self._clock.monotonic()):
            self._tell(EventName.DEVICE_FAULT, _facts(device, fault, stands))
        else:
            self._count(UNTOLD)
        before = self._unwritten.get((device, fault))
        changes = 1 if before is None else before.changes + 1
        self._unwritten[device, fault] = _Unwritten(stands, changes)
        self._changed.set()

    async def run(self, retry_seconds: float = RETRY_SECONDS) -> None:
        """Write until cancelled; then, for LAST_SECONDS, all that is left."""
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self._write_some(self._keeps_pace)
                while self._unwritten:
                    await asyncio.sleep(retry_seconds)
                    await self._write_some(self._keeps_pace)
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_SECONDS):
                    await self._write_some(lambda _device: True)

    def _keeps_pace(self, device: str) -> bool:
        return self._recording.take(device, self._clock.monotonic())

    async def _write_some(self, may_write: Callable[[str], bool]) -> None:
        """Write what the pace and the disk take now."""
        for key in list(self._unwritten):
            device, _fault = key
            if may_write(device) and not await self._write(key, self._unwritten.pop(key)):
                return

    async def _write(self, key: tuple[str, DeviceFault], entry: _Unwritten) -> bool:
        """Write a record; what the disk refuses waits again. Tell whether it is durable."""
        detail = _facts(*key, entry.stands)
        if entry.changes > 1:
            detail[Fact.COUNT] = entry.changes
        try:
            await self._log.append(self._record(detail))
        except AuditError as error:
            self._tell(EventName.AUDIT_FAILED, {Fact.WHY: str(error)})
            newer = self._unwritten.get(key, _Unwritten(entry.stands, 0))
            changes = entry.changes + newer.changes
            self._unwritten[key] = _Unwritten(newer.stands, changes)
            return False
        return True

    def _record(self, detail: Detail) -> Record:
        wall = self._clock.wall()
        return Record.at(RecordKind.FAULT, wall, self._clock.monotonic(), detail)

    def _named(self, devices: Mapping[str, None]) -> str:
        shown = [f"{self._names.get(id_, id_)} ({id_})" for id_ in list(devices)[:NAMED_MAX]]
        more = len(devices) - len(shown)
        if more:
            shown.append(f"{more} more")
        return ", ".join(shown)


def _facts(device: str, fault: DeviceFault, stands: bool) -> dict[Fact, Value]:
    return {
        Fact.DEVICE: device,
        Fact.FAULT: str(fault),
        Fact.STANDS: stands,
    }
