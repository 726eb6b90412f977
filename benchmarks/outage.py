"""The internet is back after 72 hours: what a bridge holds goes up, and what comes meanwhile.

`python -m benchmarks.outage` measures this family alone. Engine, gateway and bridge are the
programs that run on a site, each a process of its own. The hubs are connections of this process,
each with its own key and certificate, that send records and sign heads as a hub does.

Laws:
1. The gateway is away while the bridge takes the records of all hubs but one. Then it comes back.
2. The drain is from the first receipt to the last. Then the engine alone takes the same messages,
   each behind the one before it of its hub, with the same durability.
3. From the first receipt on another hub sends a record each LIVE_SECONDS. Its delay is from then
   until the hub has proven a receipt for it. It signs heads at the pace of `hubd.bridge.heads`.
4. What the engine has at the end is held against what was sent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import fleet, processes
from benchmarks.disk import RECORD_BYTES
from benchmarks.machine import describe
from benchmarks.outage_figures import outage_figures
from benchmarks.table import Table, text
from hubcore.backend.uplink.from_backend import Held, Pong
from hubcore.backend.uplink.from_hub import Ping
from hubcore.bridge.from_bridge import CarriedReceipt
from hubcore.evidence.records import StoredRecord
from hubd.bridge.heads import HEAD_SECONDS
from hubgateway.rules import chain
from tests.fakes.bridgedhub import BRIDGE, SITE, BridgedHub, bridge_config, make_log
from tests.gateway.bench import Bench, free_port, running
from tests.gateway.bridged import GATEWAY, BridgedSite

RECORDS = 259_200
"""72 hours at one unlock of the site a second."""
HUBS = 3
AT_ONCE = 2048
ROOM_MIB = 16_384
"""So that 72 hours of one hub have room in its share."""
LIVE_SECONDS = 0.25
END_SECONDS = 7200.0
LIVE = "live"


@dataclass(slots=True)
class OutageRounds:
    """Records, and the seconds of one: up through bridge and gateway, and by the engine alone."""

    records: int
    hubs: int
    drained: float = 0.0
    engine: float = 0.0
    delays: list[float] = field(default_factory=list)
    """Seconds of each live record, while the others went up."""
    lost: int = 0


async def measure(directory: Path, records: int, hubs: int = HUBS) -> OutageRounds:
    """Let so many records of so many hubs wait on a bridge, and go up."""
    each = records // hubs
    result = OutageRounds(each * hubs, hubs)
    logs = {f"hub-{number}": _log(f"hub-{number}", each) for number in range(hubs)}
    async with running(directory) as bench:
        site = BridgedSite(bench, directory)
        await site.gate()
        await site.give_mandates()
        for hub in (*logs, LIVE):
            await site.know(hub)
        await bench.gates[0].kill()
        config = await _configured(site, directory / "bridge")
        log = directory / "log"
        async with processes.running(log, "hubbridge", "--config", str(config)) as bridge:
            port = int((await processes.first_line(bridge)).rpartition(" ")[2])
            async with asyncio.timeout(END_SECONDS):
                await _drain(bench, site, port, logs, result)
        await bench.reconnect()
        messages = await fleet.stored(bench)
        result.lost = _lost(messages, logs)
        messages.pop(LIVE)
        result.engine = 1 / await fleet.bare(bench, messages)
    return result


def _log(hub: str, count: int) -> list[StoredRecord]:
    """Return a hub's records; a body has the bytes of an unlock's."""
    return make_log(count, hub.encode().ljust(RECORD_BYTES - 4))


async def _configured(site: BridgedSite, folder: Path) -> Path:
    """Make the bridge's files, and let the engine know its key; return its configuration."""
    folder.mkdir()  # noqa: ASYNC240
    made = bridge_config(folder, testimony=site.testimony)
    await site.enroll(folder)
    said = {
        "site": SITE,
        "name": BRIDGE,
        "listen": made.listen,
        "port": free_port(),
        "tls_key": made.tls_key,
        "tls_certificate": made.tls_certificate,
        "tls_authority": made.tls_authority,
        "issuer": made.issuer,
        "testimony_key": made.testimony_key,
        "records": made.records,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in said.items()]
    lines += ["[room]", f"budget_mib = {ROOM_MIB}"]
    lines += ["[[backend]]", f'name = "{GATEWAY}"', 'host = "127.0.0.1"', f"port = {site.ports[0]}"]
    config = folder / "hubbridge.toml"
    config.write_text("\n".join(lines))
    return config


async def _drain(
    bench: Bench,
    site: BridgedSite,
    port: int,
    logs: dict[str, list[StoredRecord]],
    result: OutageRounds,
) -> None:
    """Bring the records to the bridge, let the gateway come, and wait until all are up."""
    receipts: list[tuple[float, str, int]] = []
    goes_up = asyncio.Event()

    async def one(hub: BridgedHub, log: list[StoredRecord], start: asyncio.Barrier) -> None:
        with closing(hub):
            await hub.greet(log)
            await _fill(hub, log)
            await start.wait()
            number = 0
            while number < len(log):
                number = await _receipt(site, hub)
                receipts.append((time.perf_counter(), hub.name, number))
                goes_up.set()

    start = asyncio.Barrier(len(logs) + 1)
    live = await site.come(port, LIVE)
    with closing(live):
        await live.greet([])
        async with asyncio.TaskGroup() as group:
            old = [
                group.create_task(one(await site.come(port, hub), log, start))
                for hub, log in logs.items()
            ]
            await start.wait()
            await bench.gates[0].start()
            await goes_up.wait()
            speaking = group.create_task(_live(site, live, result))
            await asyncio.gather(*old)
            while not result.delays:  # noqa: ASYNC110 - a short drain
                await asyncio.sleep(LIVE_SECONDS)
            speaking.cancel()
    known = dict.fromkeys(logs, 0)
    known[receipts[0][1]] = receipts[0][2]
    up = result.records - sum(known.values())
    result.drained = (receipts[-1][0] - receipts[0][0]) / up


async def _fill(hub: BridgedHub, log: list[StoredRecord]) -> None:
    """Let the bridge hold a log, with all heads of it."""
    for begins in range(0, len(log), AT_ONCE):
        some = log[begins : begins + AT_ONCE]
        hub.send(some)
        await hub.held(len(some))
    hub.say(Ping(bytes(8)))
    while not isinstance(await hub.next(), Pong):
        hub.heard.clear()


async def _receipt(site: BridgedSite, hub: BridgedHub) -> int:
    """Return the number of the next receipt, as its hub proves it."""
    async with asyncio.timeout(END_SECONDS):
        while True:
            said = await hub.next()
            hub.heard.clear()
            if isinstance(said, CarriedReceipt):
                return site.proven(said.document, hub.name).number


async def _live(site: BridgedSite, hub: BridgedHub, result: OutageRounds) -> None:
    """Send a record now and then until cancelled; note how long each was on its way."""
    log = _log(LIVE, 100_000)
    hub.signs = False
    sent: dict[int, float] = {}
    holds = asyncio.Event()

    async def send() -> None:
        for record in log:
            await asyncio.sleep(LIVE_SECONDS)
            sent[record.number] = time.perf_counter()
            hub.send([record])

    async def sign() -> None:
        while True:
            await holds.wait()
            holds.clear()
            hub.sign(held)
            await asyncio.sleep(HEAD_SECONDS)

    held = 0
    async with asyncio.TaskGroup() as group:
        group.create_task(send())
        group.create_task(sign())
        while True:
            said = await hub.next()
            hub.heard.clear()
            if isinstance(said, Held):
                held = max(said.numbers)
                holds.set()
            elif isinstance(said, CarriedReceipt):
                number = site.proven(said.document, hub.name).number
                now = time.perf_counter()
                done = [one for one in sent if one <= number]
                result.delays += [now - sent.pop(one) for one in done]


def _lost(messages: dict[str, list[bytes]], logs: dict[str, list[StoredRecord]]) -> int:
    """Count records that are not in the engine, each once and in order."""
    lost = 0
    for hub, log in logs.items():
        there = [one for data in messages[hub] for one in chain.read_batch(data)]
        if there != log:
            lost += max(1, len(set(log) - set(there)))
    return lost


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("benchmarks.outage")
    parser.add_argument("--records", type=int, default=RECORDS)
    records = parser.parse_args().records
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        result = asyncio.run(measure(Path(directory), records))
    print(text(Table(describe(), {"records": records}, outage_figures(result), [])))


if __name__ == "__main__":
    main()
