"""`python -m benchmarks`: measure, print the table, write benchmarks/latest.json.

With --lab it writes latest-lab.json, with --offline latest-offline.json, with --bridge
latest-bridge.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from benchmarks import (
    air,
    bridge,
    bridge_figures,
    cpu,
    decisions,
    disk,
    figures,
    lab,
    lab_figures,
    lockdown,
    lockdown_figures,
    machine,
    offline,
    offline_figures,
    outage,
    outage_figures,
    policies,
    policies_figures,
    pulse,
    readers,
    records,
    records_figures,
    remote,
    remote_figures,
    start,
    table,
    zwave,
    zwave_figures,
)
from benchmarks.table import Table
from hubcore.errors import ConfigError
from hubd.adapters.host import log

LATEST = Path(__file__).with_name("latest.json")
LATEST_LAB = Path(__file__).with_name("latest-lab.json")
LATEST_BRIDGE = Path(__file__).with_name("latest-bridge.json")
LATEST_SITE = Path(__file__).with_name("latest-site.json")
LATEST_OFFLINE = Path(__file__).with_name("latest-offline.json")
SOAKED = Path(__file__).with_name("lab-soak.json")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Size:
    """How many rounds of each family."""

    cpu: int
    decisions: int
    policies: int
    air: int
    start: int
    disk: int
    records: int
    log: int
    verified: int
    drained: int
    remote: int
    lockdown: int
    readers: int
    pulse: int
    zwave: int
    lab: int
    falls: int
    boots: int
    offline: int
    unlocks: int
    bridge: int
    held: int
    outage: int


WHOLE = Size(
    cpu=1500,
    decisions=2000,
    policies=1_000_000,
    air=400,
    start=7,
    disk=25,
    records=25,
    log=10_000_000,
    verified=200_000,
    drained=5000,
    remote=60,
    lockdown=60,
    readers=60,
    pulse=300,
    zwave=12,
    lab=50,
    falls=5,
    boots=5,
    offline=259_200,
    unlocks=60,
    bridge=15,
    held=20_000,
    outage=outage.RECORDS,
)
QUICK = Size(
    cpu=60,
    decisions=100,
    policies=5000,
    air=20,
    start=1,
    disk=3,
    records=5,
    log=20_000,
    verified=5000,
    drained=500,
    remote=3,
    lockdown=2,
    readers=3,
    pulse=5,
    zwave=1,
    lab=5,
    falls=1,
    boots=1,
    offline=10_000,
    unlocks=4,
    bridge=1,
    held=2000,
    outage=3000,
)


Measure = Callable[[Size, Path], Coroutine[None, None, Table]]


async def measure(size: Size, directory: Path) -> Table:
    """Measure every family, one after the other, each in a folder of its own."""
    families = (
        "cpu",
        "plain",
        "disk",
        "air",
        "start",
        "readers",
        "pulse",
        "zwave",
        "policies",
        "log",
        "remote",
        "lockdown",
    )
    folders = _folders(directory, families)
    of_cpu = await _announced(
        "CPU of one open",
        cpu.measure(folders["cpu"], size.cpu),
    )
    without = await _announced(
        "CPU of one open, plain RSA",
        cpu.measure_without_ifma(folders["plain"], size.cpu // 3),
    )
    of_disk = await _announced(
        "durable records",
        disk.measure(folders["disk"], size.disk, size.records),
    )
    of_start = await _announced(
        "start and memory",
        start.measure(folders["start"], size.start),
    )
    of_air = await _announced(
        "last byte to strike, over the air",
        air.measure(folders["air"], size.air),
    )
    of_remote = await _announced(
        "a release of the backend to strike",
        remote.measure(folders["remote"], size.remote),
    )
    of_lockdown = await _announced(
        "a lockdown of many hubs from the bridge",
        lockdown.measure(folders["lockdown"], size.lockdown),
    )
    of_readers = await _announced(
        "card at a reader to strike",
        readers.measure(folders["readers"], size.readers),
    )
    of_pulse = await _announced(
        "the length of a pulse",
        pulse.measure(folders["pulse"], size.pulse),
    )
    of_decisions = await _announced(
        "decisions on 50 schedules",
        decisions.measure(size.decisions),
    )
    of_log = await _announced(
        f"a log of {size.log:,} records, and records to the backend",
        records.measure(
            directory=folders["log"],
            length=size.log,
            verified=size.verified,
            rounds=size.start,
            drained=size.drained,
        ),
    )
    of_policies = await _announced(
        "a large policy",
        policies.measure(folders["policies"], size.policies),
    )
    of_zwave = await _announced("Z-Wave", _zwave(folders["zwave"], size.zwave))
    rows = [
        *figures.cpu_figures(of_cpu, without),
        *figures.decision_figures(of_decisions),
        *policies_figures.policy_figures(of_policies),
        *figures.air_figures(of_air),
        *figures.start_figures(of_start),
        *figures.disk_figures(of_disk),
        *records_figures.records_figures(of_log),
        *remote_figures.remote_figures(of_remote),
        *lockdown_figures.lockdown_figures(of_lockdown),
        *figures.reader_figures(of_readers),
        *figures.pulse_figures(of_pulse),
        *zwave_figures.zwave_figures(of_zwave),
    ]
    causes = [
        *figures.cpu_causes(of_cpu),
        *figures.air_causes(of_air),
        *remote_figures.remote_causes(of_remote),
    ]
    rounds = {
        "CPU": size.cpu,
        "decisions": size.decisions,
        "policies": size.policies,
        "air": size.air,
        "start": size.start,
        "disk": size.disk * size.records,
        "log": size.log,
        "remote": size.remote,
        "lockdown": size.lockdown,
        "readers": size.readers,
        "pulse": size.pulse,
        "zwave": size.zwave,
    }
    return Table(machine.describe(), rounds, rows, causes)


def _folders(directory: Path, families: Sequence[str]) -> dict[str, Path]:
    """Make a folder for each family."""
    folders = {name: directory / name for name in families}
    for folder in folders.values():
        folder.mkdir()
    return folders


async def _zwave(folder: Path, rounds: int) -> zwave.ZwaveRounds | None:
    """Measure Z-Wave; where its service is not installed, say so and go on."""
    try:
        return await zwave.measure(folder, rounds)
    except ConfigError as error:
        print(f"not measured: {error}", file=sys.stderr, flush=True)
        return None


async def measure_lab(size: Size, directory: Path) -> Table:
    """Measure the family of the lab."""
    of_lab = await _announced(
        "the lab",
        lab.measure(directory, size.lab, size.falls, size.boots),
    )
    rows = lab_figures.lab_figures(of_lab)
    rounds = {"lab": size.lab, "falls": size.falls, "boots": size.boots}
    return Table({**machine.describe(), **of_lab.about}, rounds, rows, [])


async def measure_offline(size: Size, directory: Path) -> Table:
    """Measure the family of the hub that was offline for long."""
    of_offline = await _announced(
        f"{size.offline:,} records of a hub that was offline, on a log of {size.log:,}",
        offline.measure(directory, size.log, size.offline, size.unlocks),
    )
    rows = offline_figures.offline_figures(of_offline)
    rounds = {"log": size.log, "offline": size.offline, "unlocks": size.unlocks}
    return Table(machine.describe(), rounds, rows, [])


async def measure_bridge(size: Size, directory: Path) -> Table:
    """Measure the families of a hub, the bridge of its site and the backend."""
    folders = _folders(directory, ("bridge", "outage"))
    of_bridge = await _announced(
        "records held on the bridge, and its memory",
        bridge.measure(folders["bridge"], size.bridge, size.held, size.policies),
    )
    of_outage = await _announced(
        f"{size.outage:,} records that a bridge holds go up",
        outage.measure(folders["outage"], size.outage),
    )
    rows = [*bridge_figures.bridge_figures(of_bridge), *outage_figures.outage_figures(of_outage)]
    rounds = {"bridge": size.bridge, "records of each": size.held, "outage": size.outage}
    return Table(machine.describe(), rounds, rows, [])


def _latest() -> list[Table]:
    """Return the latest tables; the lab's with the figures of the last long runs."""
    latest = table.from_json(json.loads(LATEST.read_text()))
    of_lab = table.from_json(json.loads(LATEST_LAB.read_text()))
    of_soak = lab_figures.soak_figures(json.loads(SOAKED.read_text()))
    of_offline = table.from_json(json.loads(LATEST_OFFLINE.read_text()))
    of_bridge = table.from_json(json.loads(LATEST_BRIDGE.read_text()))
    of_site = table.from_json(json.loads(LATEST_SITE.read_text()))
    return [
        latest,
        of_offline,
        of_bridge,
        of_site,
        replace(of_lab, figures=[*of_lab.figures, *of_soak]),
    ]


async def _announced(what: str, work: Awaitable[_T]) -> _T:
    print(f"measuring: {what} …", file=sys.stderr, flush=True)
    return await work


def _family(options: argparse.Namespace) -> tuple[Measure, Path]:
    """Return what is measured, and the file of the latest run."""
    if options.lab:
        return measure_lab, LATEST_LAB
    if options.bridge:
        return measure_bridge, LATEST_BRIDGE
    if options.offline:
        return measure_offline, LATEST_OFFLINE
    return measure, LATEST


def main() -> None:
    """Measure and print; with --markdown print the table of the latest run and measure nothing."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="few rounds, nothing written: does the bench itself run?",
    )
    parser.add_argument(
        "--lab", action="store_true", help="the figures of the lab alone; as root, after `make lab`"
    )
    parser.add_argument(
        "--offline",
        action="store_true",
        help="a hub that was offline for 72 hours, on a log of ten million records, alone",
    )
    parser.add_argument(
        "--bridge",
        action="store_true",
        help="records held on the bridge of a site, its memory, and what goes up from it, alone",
    )
    parser.add_argument(
        "--markdown", action="store_true", help="print the latest run's table as Markdown"
    )
    options = parser.parse_args()
    if options.markdown:
        print("\n\n".join(map(table.markdown, _latest())))
        return
    log.set_up("warning")
    size = QUICK if options.quick else WHOLE
    measured, file = _family(options)
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        result = asyncio.run(measured(size, Path(directory)))
    print(table.text(result))
    if options.quick:
        return
    text = json.dumps(table.as_json(result), indent=1, ensure_ascii=False)
    file.write_text(text + "\n")


if __name__ == "__main__":
    main()
