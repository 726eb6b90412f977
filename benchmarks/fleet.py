"""hubgateway with a fleet: hubs with keys of their own, real CURVE, a real engine.

`make bench-fleet` prints one line a figure. Figures are of one run on this machine: compare ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from hubcore.backend.uplink import from_backend
from hubgateway.engine.buckets import AFTER
from hubgateway.rules import chain, names
from tests.gateway.bench import Bench, Gate, Hub, make_chain, running

HUBS = 2000
RECORDS_A_HUB = 20
SILENT_SECONDS = 5.0
GATEWAYS = (1, 2, 4)
HUBS_ONE_BY_ONE = 200
KILLED_AFTER = 0.25
"""So much of what is to be sent is acknowledged when a gateway is killed."""


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


async def stored(bench: Bench) -> dict[str, list[bytes]]:
    """Read the whole stream of records: each hub's messages, in order."""
    found: dict[str, list[bytes]] = {}
    reader = await bench.js.subscribe(f"{names.RECORDS}.*", ordered_consumer=True)
    while True:
        message = await reader.next_msg(timeout=30)
        found.setdefault(message.subject.rpartition(".")[2], []).append(message.data)
        if message.metadata.num_pending == 0:
            await reader.unsubscribe()
            return found


def _one_by_one(messages: dict[str, list[bytes]]) -> dict[str, list[bytes]]:
    """Return the records of some hubs, each in a message of its own."""
    some = list(messages.items())[:HUBS_ONE_BY_ONE]
    return {
        f"{hub}-each": [
            chain.write_batch([record]) for data in said for record in chain.read_batch(data)
        ]
        for hub, said in some
    }


async def bare(bench: Bench, messages: dict[str, list[bytes]]) -> float:
    """Records a second of the engine alone: these messages, to subjects of their own.

    Each hub's go one after the other, each only behind the one before it, and all hubs at once.
    """

    async def one(hub: str) -> None:
        place = 0
        for data in messages[hub]:
            subject = names.subject(names.RECORDS, f"bare-{hub}")
            kept = await bench.js.publish(subject, data, timeout=60, headers={AFTER: str(place)})
            place = kept.seq

    count = sum(len(chain.read_batch(data)) for said in messages.values() for data in said)
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for hub in messages:
            group.create_task(one(hub))
    return count / (time.perf_counter() - began)


async def _kill_one_of_two(bench: Bench, hubs: list[Hub], first: Gate) -> None:
    """Send as many records again to two gateways, and kill the first one under way."""
    second = bench.gates[1]
    half = len(hubs) // 2
    await _all_greet(hubs[half:], second.endpoint)
    for hub in hubs:
        hub.records += make_chain(RECORDS_A_HUB, hub.records[-1])
    done = sum(len(hub.acknowledged) for hub in hubs)
    wanted = done + KILLED_AFTER * len(hubs) * RECORDS_A_HUB

    async def kill() -> None:
        while sum(len(hub.acknowledged) for hub in hubs) < wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await first.kill()

    async with asyncio.TaskGroup() as group:
        group.create_task(kill())
        for number, hub in enumerate(hubs):
            places = (first.endpoint, second.endpoint) if number < half else (second.endpoint,)
            group.create_task(hub.send_until_durable(*places, each_seconds=SILENT_SECONDS))


def _wrong(hubs: list[Hub], messages: dict[str, list[bytes]]) -> tuple[int, int]:
    """Count records that were acknowledged and are not stored, and records stored twice."""
    lost = 0
    twice = 0
    for hub in hubs:
        records = [one for data in messages[hub.hub] for one in chain.read_batch(data)]
        numbers = [one.number for one in records]
        lost += len(hub.acknowledged - set(numbers))
        lost += len(set(hub.records) - set(records))
        twice += len(numbers) - len(set(numbers))
    return lost, twice


async def _drain(hubs: list[Hub], gates: Sequence[Gate]) -> float:
    """Let all hubs send what waits, each to its gateway; return records a second."""
    waiting = sum(len(hub.records) - len(hub.acknowledged) for hub in hubs)
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number, hub in enumerate(hubs):
            endpoint = gates[number % len(gates)].endpoint
            group.create_task(hub.send_until_durable(endpoint, each_seconds=30))
    return waiting / (time.perf_counter() - began)


async def _by_gateways(bench: Bench, hubs: list[Hub]) -> dict[int, float]:
    """Return records a second with 1, 2 and 4 gateways; each takes as many hubs."""
    found: dict[int, float] = {}
    for wanted in GATEWAYS:
        while len(bench.gates) < wanted:
            await bench.gate()
        async with asyncio.TaskGroup() as group:
            for number, hub in enumerate(hubs):
                group.create_task(hub.greet(bench.gates[number % wanted].endpoint))
        for hub in hubs:
            hub.records += make_chain(RECORDS_A_HUB, hub.records[-1])
        found[wanted] = await _drain(hubs, bench.gates[:wanted])
    return found


async def _restart(gate: Gate, hubs: list[Hub]) -> float:
    """Kill a gateway and start it; return how many seconds until all hubs are back."""
    await gate.kill()
    began = time.perf_counter()
    await gate.start()
    async with asyncio.TaskGroup() as group:
        for hub in hubs:
            group.create_task(_back(hub, gate.endpoint))
    return time.perf_counter() - began


async def run(count: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder)) as bench:
            gate = await bench.gate()
            hubs = await _fleet(bench, count)
            await _all_greet(hubs, gate.endpoint)
            records = await _drain(hubs, [gate])
            messages = await stored(bench)
            alone = await bare(bench, messages)
            each = await bare(bench, _one_by_one(messages))
            back = await _restart(gate, hubs)
            by_gateways = await _by_gateways(bench, hubs)
            await _all_greet(hubs, gate.endpoint)
            await _kill_one_of_two(bench, hubs, gate)
            lost, twice = _wrong(hubs, await stored(bench))
    batched = count * RECORDS_A_HUB / sum(map(len, messages.values()))
    _print("hubs", f"{count}")
    _print("processors", f"{os.cpu_count()}")
    _print("all back after the gateway's restart", f"{back:.1f} s")
    _print("records a second end to end", f"{records:.0f}")
    _print("records in one message of the engine", f"{batched:.1f}")
    _print("records a second of the engine alone, as batched", f"{alone:.0f}")
    _print("ratio", f"{records / alone:.2f}")
    _print("records a second of the engine alone, one by one", f"{each:.0f}")
    _print("ratio", f"{records / each:.2f}")
    for gates, rate in by_gateways.items():
        _print(
            f"records a second with {gates} gateways, for each with 1",
            f"{rate / by_gateways[1]:.2f} ({rate:.0f})",
        )
    _print("lost when one of two gateways is killed", f"{lost}")
    _print("stored twice", f"{twice}")


def _print(what: str, said: str) -> None:
    print(f"{what:<50}{said}")


def main() -> None:
    """Read argv."""
    parser = argparse.ArgumentParser("benchmarks.fleet")
    parser.add_argument("--hubs", type=int, default=HUBS)
    asyncio.run(run(parser.parse_args().hubs))


if __name__ == "__main__":
    main()
