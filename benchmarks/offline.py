"""A hub that was offline for 72 hours at one unlock a second, on a log of ten million records.

Real processes: the air, the backend, the hub with its strike guards, and a phone in this process.

Laws:
1. The long log is made by a process of its own, on the chain of a hub that ran before.
2. Unlocks are real ones, on the short path. The hub notes their times. Half of them come while the
   backend is away, half while the log goes up.
3. What the backend has at the end is read from its file: each record once, in the chain's order.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

from bumble.device import Device

from benchmarks import processes
from benchmarks.air import REST_SECONDS, AirRounds, Phone, until_epoch_key, wallet_of
from benchmarks.desk import MTU
from benchmarks.processes import HubProcess
from benchmarks.start import IDLE_SECONDS, memory_of
from hubcore.access.once import OPS_AN_ASKER
from hubctl.evidence.chain import verify_chain
from hubctl.evidence.opening import open_log
from hubctl.evidence.reading import newest
from hubsim.phone.radio import connect, on_air
from hubsim.site import Site
from hubsim.stage import ask

LISTED = 20
SHORTS_A_PHONE = OPS_AN_ASKER - 1
"""Its first unlock takes the full path."""
LOOK_SECONDS = 0.5
SETTLED_SECONDS = 60.0
DRAIN_SECONDS = 7200.0
MAKE_SECONDS = 3600.0
RECORDS_MIB = 65_536


@dataclass(slots=True)
class OfflineRounds:
    """Seconds, records, MB."""

    length: int
    waiting: int
    short_start: float = 0.0
    first_start: float = 0.0
    """The first start on the long log: no start is among its newest records."""
    long_start: float = 0.0
    short_mb: float = 0.0
    long_mb: float = 0.0
    draining_mb: list[float] = field(default_factory=list)
    """Resident memory of the hub, again and again while the log goes up."""
    quiet: list[float] = field(default_factory=list)
    draining: list[float] = field(default_factory=list)
    drained: int = 0
    drain_seconds: float = 0.0
    resends: int = 0
    lost: int = 0
    """Records that the hub counts as durable at the backend, and that are not there as they are."""
    strange: int = 0
    """Records at the backend that the hub has not, or counts as waiting."""
    list_newest: float = 0.0
    verify: float = 0.0


async def measure(directory: Path, length: int, waiting: int, unlocks: int) -> OfflineRounds:
    """Measure a log of `length`, of which the newest `waiting` go up."""
    result = OfflineRounds(length, waiting)
    log = directory / "log"
    endpoint = processes.free_endpoint()
    site = processes.make_site(directory / "site", endpoint)
    config = site.hub / "hub.toml"
    roomy = f"[hub]\nrecords_mib = {RECORDS_MIB}\n"
    config.write_text(config.read_text().replace("[hub]\n", roomy))
    records = site.hub / "state" / "audit.db"
    kept = site.backend / "records" / f"{site.first_hub}.db"
    async with processes.radio(log) as transport:
        async with processes.backend(site, endpoint, log), _hub(site, transport, log) as (hub, _):
            await _until_all_is_up(site)
        async with _hub(site, transport, log) as (hub, result.short_start):
            result.short_mb = await _idle_mb(hub)
        await _make(log, records, kept, length, waiting)
        async with _hub(site, transport, log) as (hub, result.first_start):
            pass
        async with (
            _hub(site, transport, log) as (hub, result.long_start),
            on_air(transport) as device,
        ):
            result.long_mb = await _idle_mb(hub)
            await until_epoch_key(device, wallet_of(site, "stranger"))
            await hub.note("driven")
            phones = _Phones(device, site, hub)
            result.quiet = await phones.unlocks(lambda count: count < unlocks)
            async with processes.backend(site, endpoint, log):
                await _drain(result, site, hub, phones)
    await asyncio.to_thread(_compare, result, records, kept)
    await asyncio.to_thread(_read, result, records)
    return result


@asynccontextmanager
async def _hub(site: Site, transport: str, log: Path) -> AsyncIterator[tuple[HubProcess, float]]:
    """Run the hub; yield it once it is on air, with the seconds that took."""
    async with processes.hub(site, transport, log) as hub:
        ready_ns = await hub.note("ready", MAKE_SECONDS)
        yield hub, (ready_ns - hub.began_ns) / 1e9


async def _idle_mb(hub: HubProcess) -> float:
    await asyncio.sleep(IDLE_SECONDS)
    return memory_of(hub.process.pid).resident


async def _make(log: Path, records: Path, kept: Path, length: int, waiting: int) -> None:
    arguments = (str(records), str(kept), str(length), str(waiting))
    async with processes.running(log, "benchmarks.longlog", *arguments) as process:
        async with asyncio.timeout(MAKE_SECONDS):
            if await process.wait():
                raise RuntimeError(f"the long log was not made: see {log}")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the hub's own socket says: its newest record, and how many wait."""

    at: float
    last: int
    waiting: int
    resends: int

    @property
    def durable(self) -> int:
        """How many records the backend has."""
        return self.last - self.waiting


async def _see(site: Site) -> _Seen:
    answer = await ask(site.hub / "hubd.sock", {"id": 1, "call": "status"})
    status = answer["result"]
    return _Seen(
        at=time.perf_counter(),
        last=status["records"]["last"],
        waiting=status["records"]["waiting"],
        resends=status["backend"]["counters"].get("resends", 0),
    )


async def _until_all_is_up(site: Site) -> None:
    async with asyncio.timeout(SETTLED_SECONDS):
        while (await _see(site)).waiting:  # noqa: ASYNC110 - another process
            await asyncio.sleep(LOOK_SECONDS)


async def _drain(result: OfflineRounds, site: Site, hub: HubProcess, phones: _Phones) -> None:
    """Unlock again and again while the log goes up; look at the hub's memory meanwhile."""
    before = await _see(site)
    seen: list[_Seen] = []

    async def look() -> None:
        while not seen or seen[-1].waiting:
            await asyncio.sleep(LOOK_SECONDS)
            now = await _see(site)
            if now.durable > before.durable:
                seen.append(now)
                result.draining_mb.append(memory_of(hub.process.pid).resident)

    async with asyncio.timeout(DRAIN_SECONDS), asyncio.TaskGroup() as group:
        looking = group.create_task(look())
        while not seen:  # noqa: ASYNC110 - another process
            await asyncio.sleep(LOOK_SECONDS)
        result.draining = await phones.unlocks(lambda _: not looking.done())
    result.drained = seen[-1].durable - seen[0].durable
    result.drain_seconds = seen[-1].at - seen[0].at
    result.resends = seen[-1].resends


class _Phones:
    """Phones that come one after the other, since nobody is let in more often."""

    def __init__(self, device: Device, site: Site, hub: HubProcess) -> None:
        self._device = device
        self._site = site
        self._hub = hub
        self._count = 0

    async def unlocks(self, go_on: Callable[[int], bool]) -> list[float]:
        """Unlock on the short path as long as wanted; return the seconds of each."""
        rounds = AirRounds()
        while go_on(len(rounds.short)):
            self._count += 1
            wallet = wallet_of(self._site, f"offline-{self._count}")
            async with connect(self._device, MTU) as link:
                phone = Phone(link=link, wallet=wallet, hub=self._hub, result=rounds)
                await phone.open(short=False)
                for _ in range(SHORTS_A_PHONE):
                    if go_on(len(rounds.short)):
                        await phone.open(short=True)
            await asyncio.sleep(REST_SECONDS)
        return rounds.short


def _compare(result: OfflineRounds, records: Path, kept: Path) -> None:
    """Hold what the backend has against what the hub believes that it has."""
    known = result.length - result.waiting
    with closing(sqlite3.connect(records)) as here, closing(sqlite3.connect(kept)) as there:
        theirs = dict(there.execute("SELECT number, hash FROM record WHERE number > ?", (known,)))
        ours = here.execute(
            "SELECT number, hash FROM records WHERE number > ? "
            "AND number NOT IN (SELECT number FROM outbox)",
            (known,),
        )
        for number, digest in ours:
            if theirs.pop(number, None) != digest:
                result.lost += 1
    result.strange = len(theirs)


def _read(result: OfflineRounds, records: Path) -> None:
    """Read the long log as `hubctl audit` does."""
    with closing(open_log(records)) as reader:
        began = time.perf_counter()
        list(newest(reader, LISTED))
        result.list_newest = time.perf_counter() - began
        began = time.perf_counter()
        verify_chain(reader, None)
        result.verify = time.perf_counter() - began
