"""Many records: how a long log starts, and how fast records come to the backend.

Laws:
1. A long log and a short one are opened in turns, in this process.
2. Bare round trips and records take turns, each with a far end in a process of its own, over CURVE
   on loopback.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import zmq
from zmq.utils import z85

from benchmarks import disk, longlog, processes, trips
from hubcore.access.precedence import DoorOrder
from hubcore.backend.pace import Pace
from hubcore.backend.uplink import from_backend, from_hub
from hubcore.evidence.carried_orders import write_orders
from hubcore.evidence.facts import Detail, Fact
from hubcore.evidence.records import Record, RecordKind
from hubcore.evidence.statecheck import LoggedState, carried_facts
from hubctl.evidence.chain import verify_chain
from hubctl.evidence.opening import open_log
from hubctl.evidence.reading import newest
from hubd.adapters.curve.uplink import CurveUplink
from hubd.adapters.host.clock import SystemClock
from hubd.adapters.keys.uplinkkeys import UplinkKeys
from hubd.adapters.sqlite.audit import AuditStore
from hubd.backend.identity import Identity
from hubd.backend.orders import Orders
from hubd.backend.policies import PolicyWorker
from hubd.backend.sync import Sync

SHORT = 1000
"""The records of the short log."""
WAITING = 1000
"""Records of a long log that the backend does not have."""
LISTED = 20
OPENED = 5
"""How often each log is opened."""
ROUND_TRIPS = 500
TOGETHER = 500
"""Appends at once, below the log's own ceiling."""
UNLOCKS = 30
PAUSE_SECONDS = 0.005
FEW_LEFT = 50
"""With so few left the records of unlocks would be all that goes up."""
DRAIN_SECONDS = 120.0


@dataclass(slots=True)
class RecordsRounds:
    """Seconds of each opening and each drained record, bytes of memory, and the log's length."""

    length: int
    long_open: list[float] = field(default_factory=list)
    short_open: list[float] = field(default_factory=list)
    verify_per_million: float = 0.0
    list_newest: float = 0.0
    grown_bytes: int = 0
    """How much larger this process is after the long log was opened and read."""
    round_trip: list[float] = field(default_factory=list)
    drained: list[float] = field(default_factory=list)
    append_alone: list[float] = field(default_factory=list)
    append_draining: list[float] = field(default_factory=list)


async def measure(
    directory: Path, length: int, verified: int, rounds: int, drained: int
) -> RecordsRounds:
    """Measure a log of `length`, and the verification of one of `verified` records.

    In each of `rounds`, bring up `drained` records.
    """
    result = RecordsRounds(length)
    long_log = directory / "long" / "audit.db"
    short_log = directory / "short" / "audit.db"
    await _make(short_log, SHORT)
    await _make(long_log, length)
    verified_log = directory / "verified" / "audit.db"
    await _make(verified_log, verified)
    before = _resident_bytes()
    for _ in range(OPENED):
        result.short_open.append(await _open(short_log))
        result.long_open.append(await _open(long_log))
    result.grown_bytes = _resident_bytes() - before
    with closing(open_log(long_log)) as reader:
        began = time.perf_counter()
        list(newest(reader, LISTED))
        result.list_newest = time.perf_counter() - began
    with closing(open_log(verified_log)) as reader:
        began = time.perf_counter()
        verify_chain(reader, None)
        result.verify_per_million = (time.perf_counter() - began) * 1_000_000 / verified
    await _bring_up(directory, result, rounds, drained)
    return result


async def _make(path: Path, length: int) -> None:
    """Write a log of so many unlocks that ends as a log of a running hub does."""
    path.parent.mkdir(parents=True)
    async with await AuditStore.open(path):
        pass
    longlog.fill(path, length, WAITING)
    async with await AuditStore.open(path) as store:
        carried: Detail = {**carried_facts(LoggedState()), Fact.ORDERS: write_orders([])}
        await store.append(Record.at(RecordKind.STARTED, 0, 0, carried))


async def _open(path: Path) -> float:
    """Return the seconds from closed to the first record that goes up and the hub's own look."""
    began = time.perf_counter()
    async with await AuditStore.open(path) as store:
        await store.unacknowledged(0, Pace().window)
        store.newest_about_state()
        store.newest_about_orders()
        return time.perf_counter() - began


def _resident_bytes() -> int:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


# Records to the backend, beside bare round trips.


async def _bring_up(directory: Path, result: RecordsRounds, rounds: int, drained: int) -> None:
    public, secret = zmq.curve_keypair()
    own_public, own_secret = zmq.curve_keypair()
    folder = directory / "backend"
    folder.mkdir()
    log = directory / "far_end.log"
    own = UplinkKeys(z85.decode(own_secret), z85.decode(own_public), z85.decode(public))
    far_end = ("benchmarks.far_end", "backend", secret.decode(), own_public.decode(), str(folder))
    async with (
        trips.echo(log) as echo,
        processes.running(log, *far_end) as backend,
        await AuditStore.open(directory / "drained.db") as store,
    ):
        backend_endpoint = await processes.first_line(backend)
        for _ in range(rounds):
            result.round_trip.append(await asyncio.to_thread(echo.make, ROUND_TRIPS))
            await fill(store, drained)
            async with _going_up(store, backend_endpoint, own):
                result.drained.append(await _drained(store))
            result.append_alone += await _unlocks(store, lambda count: count < UNLOCKS)
            await fill(store, drained)
            async with _going_up(store, backend_endpoint, own):
                result.append_draining += await _unlocks(
                    store, lambda _count: store.waiting() > FEW_LEFT
                )
                await _drained(store)


async def fill(store: AuditStore, count: int) -> None:
    """Let so many records wait."""
    for start in range(0, count, TOGETHER):
        await asyncio.gather(
            *(store.append(disk.record(index)) for index in range(start, start + TOGETHER))
        )


@asynccontextmanager
async def _going_up(store: AuditStore, endpoint: str, keys: UplinkKeys) -> AsyncIterator[None]:
    """A hub's talk, once the first records have gone up."""
    sync = Sync(
        uplink=CurveUplink(endpoint, keys),
        records=store,
        orders=Orders(_release, _accept, lambda: 0, lambda: bytes(32), _stand),
        identity=Identity("hub-1", "site", secrets.token_bytes(16), "bench"),
        clock=SystemClock(lambda: 0.0),
        pace=Pace(),
        appended=asyncio.Event(),
    )
    waiting = store.waiting()
    running = asyncio.create_task(sync.run())
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while store.waiting() == waiting:  # noqa: ASYNC110 - the log tells nobody
                await asyncio.sleep(0.001)
            yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _drained(store: AuditStore) -> float:
    """Wait until nothing waits; return the seconds of a record."""
    left = store.waiting()
    began = time.perf_counter()
    while store.waiting():  # noqa: ASYNC110 - the log tells nobody
        await asyncio.sleep(0.001)
    return (time.perf_counter() - began) / max(1, left)


async def _unlocks(store: AuditStore, go_on: Callable[[int], bool]) -> list[float]:
    """Return the seconds until each record was durable, one after the other with pauses."""
    took: list[float] = []
    while go_on(len(took)):
        began = time.perf_counter()
        await store.append(disk.record(len(took)))
        took.append(time.perf_counter() - began)
        await asyncio.sleep(PAUSE_SECONDS)
    return took


async def _release(order: from_backend.Release) -> from_hub.Result:
    raise NotImplementedError(order)


async def _accept(_document: bytes, _worker: PolicyWorker) -> int:
    return 0


async def _stand(order: from_backend.Order) -> from_hub.OrderResult:
    raise NotImplementedError(order, DoorOrder)
