"""What is wrong with devices: a problem for each sort of fault, which names the devices.

Laws:
1. A problem stands as long as any device has its fault. It names at most NAMED_MAX devices.
2. A lock of a door has remedies of its own: whoever stands at the door wants to come in.
3. Each fault that begins is counted. It is told and recorded when it begins and when it ends,
   while its device keeps the pace. The problem follows at once in any case; what was not told is
   counted.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping

from hubcore.device.state import DeviceFault
from hubcore.errors import AuditError
from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.evidence.records import Record, RecordKind
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog
from hubcore.timing.pace import Paces, Rate
from hubd.upkeep.checks import CHECK_OF_FAULT, CHECK_OF_LOCK_FAULT, CHECKS, CheckId, Problem
from hubd.upkeep.standing import StandingProblems

NAMED_MAX = 8
EACH = Rate(burst=10, per_second=1 / 60)
"""A device whose contact is loose is told ten times, then once a minute."""
WHOLE = Rate(burst=500, per_second=0.5)
DEVICES_MAX = 1000
WAITING_MAX = 512
"""Records that wait for the disk; what comes beyond is counted as not told."""
FAULTS = "device_faults"
UNTOLD = "device_faults_untold"


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
        self._records: asyncio.Queue[Record] = asyncio.Queue(WAITING_MAX)

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
        found = Problem(check, {"devices": self._named(devices)}) if devices else None
        self._problems.update(CHECKS[check].topic, found)
        if self._paces.take(device, self._clock.monotonic()):
            self._say(device, fault, stands)
        else:
            self._count(UNTOLD)

    async def run(self) -> None:
        """Record what was told, until cancelled."""
        while True:
            record = await self._records.get()
            try:
                await self._log.append(record)
            except AuditError:
                continue  # the log itself says so, and counts the loss

    def _say(self, device: str, fault: DeviceFault, stands: bool) -> None:
        facts: Detail = {
            Fact.DEVICE: device,
            Fact.FAULT: str(fault),
            Fact.STANDS: stands,
        }
        self._tell(EventName.DEVICE_FAULT, facts)
        wall = self._clock.wall()
        record = Record.at(RecordKind.FAULT, wall, self._clock.monotonic(), facts)
        try:
            self._records.put_nowait(record)
        except asyncio.QueueFull:
            self._count(UNTOLD)

    def _named(self, devices: Mapping[str, None]) -> str:
        shown = [f"{self._names.get(id_, id_)} ({id_})" for id_ in list(devices)[:NAMED_MAX]]
        more = len(devices) - len(shown)
        if more:
            shown.append(f"{more} more")
        return ", ".join(shown)
