"""hubgateway with a fleet: hubs with keys of their own, real CURVE, a real engine.

`make bench-fleet` prints one line a figure. Figures are of one run on this machine: compare ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from hubcore.backend.uplink import from_backend
from hubgateway.rules import chain, names
from tests.gateway.bench import Bench, Hub, make_chain, running

HUBS = 2000
RECORDS_A_HUB = 20
BARE_MESSAGES = 2000
AT_ONCE = 256


async def _fleet(bench: Bench, count: int) -> list[Hub]:
    table = await bench.js.key_value(names.KEYS_BUCKET)
    hubs = []
    for number in range(count):
        hub = await bench.hub(f"hub-{number}", enrolled=False)
        await table.put(hub.key, f"enrolled {hub.hub}".encode())
        hub.records = make_chain(RECORDS_A_HUB)
        hubs.append(hub)
    return hubs


async def _all_greet(hubs: list[Hub], endpoint: str) -> None:
    async with asyncio.TaskGroup() as group:
        for hub in hubs:
            group.create_task(hub.greet(endpoint))


async def _back(hub: Hub, endpoint: str) -> None:
    """Be welcomed by a gateway that has just come back."""
    said = await hub.greet(endpoint)
    assert isinstance(said, from_backend.Welcome)


async def _bare(bench: Bench) -> float:
    """Messages a second of the engine alone, with the same promise, many at once."""
    gate = asyncio.Semaphore(AT_ONCE)
    data = chain.write_batch(make_chain(1))

    async def one(number: int) -> None:
        async with gate:
            await bench.js.publish(f"{names.RECORDS}.bare-{number}", data, timeout=30)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(BARE_MESSAGES):
            group.create_task(one(number))
    return BARE_MESSAGES / (time.perf_counter() - began)


async def run(count: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder)) as bench:
            gate = await bench.gate()
            hubs = await _fleet(bench, count)
            await _all_greet(hubs, gate.endpoint)
            began = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for hub in hubs:
                    group.create_task(hub.send_until_durable(gate.endpoint, each_seconds=30))
            records = count * RECORDS_A_HUB / (time.perf_counter() - began)
            bare = await _bare(bench)
            await gate.kill()
            began = time.perf_counter()
            await gate.start()
            async with asyncio.TaskGroup() as group:
                for hub in hubs:
                    group.create_task(_back(hub, gate.endpoint))
            back = time.perf_counter() - began
            lost = 0
            for hub in hubs:
                subject = names.subject(names.RECORDS, hub.hub)
                newest = await bench.js.get_last_msg(names.RECORDS_STREAM, subject)
                last = chain.read_batch(newest.data or b"")[-1]
                lost += hub.records[-1] != last
    print(f"hubs                                     {count}")
    print(f"all back after the gateway's restart     {back:.1f} s")
    print(f"records a second end to end              {records:.0f}")
    print(f"messages a second of the engine alone    {bare:.0f}")
    print(f"ratio                                    {records / bare:.2f}")
    print(f"hubs with a record lost                  {lost}")


def main() -> None:
    """Read argv."""
    parser = argparse.ArgumentParser("benchmarks.fleet")
    parser.add_argument("--hubs", type=int, default=HUBS)
    asyncio.run(run(parser.parse_args().hubs))


if __name__ == "__main__":
    main()
