"""From a release that the backend orders to the driven strike.

The backend is in this process, the hub and its strike guards are processes of their own, and CURVE
on loopback is between them.

Laws:
1. Each round makes one release, one bare round trip and one bare commit, in turns. All are alone:
   PAUSE_SECONDS lie before each, so each finds cores and caches as an order at night does.
2. A time begins just before the backend is asked, and ends when the guard says that it had driven
   the line.
3. Rounds stay below the pace at which a hub takes releases (`hubd.backend.orders`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks import processes, trips
from benchmarks.disk import BareSqlite
from benchmarks.processes import STRIKE_SECONDS, HubProcess
from hubcore.backend.uplink.words import ReleaseOutcome
from hubcore.policy import document as policies
from hubd.backend.orders import RELEASES
from hubsim.backend.serve import serve_backend
from hubsim.backend.server import Backend
from hubsim.site import Site

PAUSE_SECONDS = STRIKE_SECONDS + 0.15
"""The strike is at rest again before the next round."""
ROUND_SECONDS = 1.0 / RELEASES.per_second
UP_SECONDS = 30.0


@dataclass(slots=True)
class RemoteRounds:
    """Seconds of each round: whole, and parts of it as the hub noted them."""

    whole: list[float] = field(default_factory=list)
    to_hub: list[float] = field(default_factory=list)
    """Until the uplink handed the order to the hub's use case."""
    to_mover: list[float] = field(default_factory=list)
    """From there until the mover was asked: decided, and durably recorded."""
    guard: list[float] = field(default_factory=list)
    trip: list[float] = field(default_factory=list)
    commit: list[float] = field(default_factory=list)


async def measure(directory: Path, rounds: int) -> RemoteRounds:
    """Measure so many releases."""
    result = RemoteRounds()
    log = directory / "log"
    endpoint = processes.free_endpoint()
    site = processes.make_site(directory / "site", endpoint)
    bare = BareSqlite(directory / "bare.db")
    async with (
        processes.radio(log) as transport,
        _backend(site, endpoint) as backend,
        trips.echo(log) as echo,
        processes.hub(site, transport, log) as hub,
    ):
        await hub.note("ready")
        await backend.wait_for(lambda b: site.first_hub in b.connections, UP_SECONDS)
        await _first_release(backend, site, hub)
        for _ in range(rounds):
            began = time.monotonic()
            await asyncio.sleep(PAUSE_SECONDS)
            await _release(backend, site, hub, result)
            await asyncio.sleep(PAUSE_SECONDS)
            result.trip.append(echo.make(1))
            result.commit.append(_seconds_of(bare))
            await asyncio.sleep(began + ROUND_SECONDS - time.monotonic())
    bare.close()
    return result


@asynccontextmanager
async def _backend(site: Site, endpoint: str) -> AsyncIterator[Backend]:
    """Serve the site's backend in this process."""
    serving: asyncio.Future[Backend] = asyncio.get_running_loop().create_future()
    version_of = partial(policies.version_of, issuer=site.verifier, site=site.name)
    serve = serve_backend(site.backend, endpoint, version_of, serving.set_result)
    task = asyncio.create_task(serve)
    try:
        yield await serving
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _first_release(backend: Backend, site: Site, hub: HubProcess) -> None:
    """Release once: the hub is busy until its strikes are there."""
    async with asyncio.timeout(processes.START_SECONDS):
        while True:
            result = await backend.release(site.first_hub, 1)
            if result.outcome is ReleaseOutcome.RELEASED:
                await hub.note("driven")
                return
            await asyncio.sleep(ROUND_SECONDS)


async def _release(backend: Backend, site: Site, hub: HubProcess, result: RemoteRounds) -> None:
    began = time.monotonic_ns()
    answer = await backend.release(site.first_hub, 1)
    if answer.outcome is not ReleaseOutcome.RELEASED:
        raise RuntimeError(f"the hub did not release: {answer.detail}")
    at = dict(await hub.notes_until("driven"))
    result.whole.append((at["driven"] - began) / 1e9)
    result.to_hub.append((at["order"] - began) / 1e9)
    result.to_mover.append((at["release"] - at["order"]) / 1e9)
    result.guard.append((at["driven"] - at["release"]) / 1e9)


def _seconds_of(bare: BareSqlite) -> float:
    began = time.perf_counter()
    bare.commit()
    return time.perf_counter() - began
