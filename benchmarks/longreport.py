"""What a report costs on a long log: `python -m benchmarks.longreport [RECORDS [FOLDER]]`.

Laws:
1. Two logs end now: one has records of 70 days, the other those of its last 7 days alone. Both give
   the same report of 7 days.
2. Each report is a process of its own, as a technician starts it. The two take turns.
3. The figures are ratios, the long log's to the short one's: of the medians of time, and of the
   greatest memory.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import longlog
from hubd.adapters.sqlite.audit import AuditStore

RECORDS = 10_000_000
DAY_MS = 86_400_000
DAYS = 7
DAYS_OF_LONG = 70
TURNS = 3


@dataclass(slots=True)
class Cost:
    """What the reports of one log took, a report an entry."""

    seconds: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)
    counted: set[int] = field(default_factory=set)


def make_logs(folder: Path, length: int) -> tuple[Path, Path]:
    """Write the long log and the short one."""
    ends_ms = int(time.time() * 1000)
    every_ms = DAYS_OF_LONG * DAY_MS // length
    logs = (folder / "long.db", folder / "short.db")
    for log, count in zip(logs, (length, length * DAYS // DAYS_OF_LONG), strict=True):
        asyncio.run(_create(log))
        spread = longlog.Spread(ends_ms - count * every_ms, every_ms)
        longlog.fill(log, count, waiting=0, spread=spread)
    return logs


async def _create(log: Path) -> None:
    async with await AuditStore.open(log):
        pass


def report(log: Path, cost: Cost) -> None:
    """Start one report, and note what it took. Raise RuntimeError if it does not end well."""
    words = ["report", "--json", "--days", str(DAYS), "--file", str(log)]
    reading, writing = os.pipe()
    began = time.perf_counter()
    process = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "hubctl.main", *words, "--socket", str(log.with_suffix(".none"))],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_CLOSE, reading)],
    )
    os.close(writing)
    with open(reading, "rb") as out:
        said = out.read()
    _, status, usage = os.wait4(process, 0)
    cost.seconds.append(time.perf_counter() - began)
    cost.peak_mib.append(usage.ru_maxrss / 1024)
    if status:
        raise RuntimeError(f"the report ended with {os.waitstatus_to_exitcode(status)}")
    cost.counted.add(json.loads(said)["records"])


def measure(logs: tuple[Path, Path], turns: int = TURNS) -> tuple[Cost, Cost]:
    """Measure the reports of the long and of the short log, in turns."""
    long = Cost()
    short = Cost()
    for _ in range(turns):
        for log, cost in zip(logs, (long, short), strict=True):
            report(log, cost)
    return long, short


def said(long: Cost, short: Cost) -> str:
    """Return the figures, a line each."""
    times = [statistics.median(cost.seconds) for cost in (long, short)]
    peaks = [max(cost.peak_mib) for cost in (long, short)]
    return (
        f"records counted: {max(long.counted)} and {max(short.counted)}\n"
        f"time, long / short: {times[0] / times[1]:.2f} ({times[0]:.1f} s / {times[1]:.1f} s)\n"
        f"memory, long / short: {peaks[0] / peaks[1]:.2f} "
        f"({peaks[0]:.0f} MiB / {peaks[1]:.0f} MiB)"
    )


def main() -> None:
    """Run as `python -m benchmarks.longreport [RECORDS [FOLDER]]`; 3 GB for 10,000,000."""
    length = int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS
    folder = sys.argv[2] if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory(dir=folder) as made:
        print(said(*measure(make_logs(Path(made), length))))


if __name__ == "__main__":
    main()
