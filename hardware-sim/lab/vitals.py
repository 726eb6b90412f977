"""What the hub's processes take in the guest: memory, descriptors, threads, CPU, tasks.

`lab.flat` judges it. Law: looks that are compared were taken in a lull, with no phone connected.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from lab.errors import LabError
from lab.guest import PYTHON, Guest

LULL_SECONDS = 90.0
NAMES = ("hubd", "guard", "bluetoothd")

# The question for the status comes last: it opens a socket in the hub.
_SCRIPT = """
import json, os, socket, subprocess
def pid(unit):
    command = ["systemctl", "show", "-P", "MainPID", unit]
    return int(subprocess.run(command, capture_output=True).stdout)
def parent(process):
    try:
        return int(open(f"/proc/{process}/stat").read().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0
def of(process):
    status = dict(line.split(":", 1) for line in open(f"/proc/{process}/status"))
    rollup = dict(line.split(":", 1) for line in list(open(f"/proc/{process}/smaps_rollup"))[1:])
    fields = open(f"/proc/{process}/stat").read().rsplit(")", 1)[1].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return {
        "pid": process,
        "rss_kib": int(status["VmRSS"].split()[0]),
        "pss_kib": int(rollup["Pss"].split()[0]),
        "descriptors": len(os.listdir(f"/proc/{process}/fd")),
        "threads": int(status["Threads"]),
        "cpu_seconds": (int(fields[11]) + int(fields[12])) / ticks,
    }
hubd, bluetoothd = pid("hubd"), pid("bluetooth")
# The oldest holds the lines, the other one waits.
processes = map(int, filter(str.isdigit, os.listdir("/proc")))
guard = min((p for p in processes if parent(p) == hubd), default=0)
taken = {"hubd": of(hubd), "guard": of(guard), "bluetoothd": of(bluetoothd)}
with socket.socket(socket.AF_UNIX) as api:
    api.settimeout(10)
    api.connect("/run/hubd/hubd.sock")
    api.sendall(b'{"id": 1, "call": "status", "args": {}}\\n')
    answer = api.makefile().readline()
status = json.loads(answer)["result"]
with open("/proc/uptime") as up:
    uptime = float(up.read().split()[0])
with open("/proc/stat") as stat:
    spent = [int(part) for part in stat.readline().split()[1:]]
busy = (sum(spent) - spent[3] - spent[4]) / os.sysconf("SC_CLK_TCK")
print(json.dumps({"of": taken, "status": status, "uptime_seconds": uptime, "busy_seconds": busy}))
"""


@dataclass(frozen=True, slots=True)
class ProcessVitals:
    """What one process takes.

    Memory in KiB, CPU in seconds since its start as the guest's ticks count it.
    """

    pid: int
    rss_kib: int
    pss_kib: int
    descriptors: int
    threads: int
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Vitals:
    """One look.

    `at` is the guest's uptime and `busy` the CPU seconds of all its processes, both in seconds.
    """

    at: float
    busy: float
    of: Mapping[str, ProcessVitals]
    links: int
    tasks: int
    on_air: bool
    records: int
    refused: int


async def look(guest: Guest) -> Vitals:
    """Look once. Raise LabError when a process is not there."""
    said = json.loads((await guest.run(PYTHON, "-ISc", _SCRIPT)).out)
    status = said["status"]
    radio = status["radio"]
    of = {name: ProcessVitals(**taken) for name, taken in said["of"].items()}
    return Vitals(
        at=said["uptime_seconds"],
        busy=said["busy_seconds"],
        of=of,
        links=radio["links"],
        tasks=status["tasks"],
        on_air=bool(radio["on_air"]),
        records=int(status["records"]["last"]),
        refused=int(status["counters"].get("refused", 0)),
    )


async def lull(guest: Guest) -> Vitals:
    """Wait until the hub is on air with no phone connected, and look.

    Raise LabError when that does not come.
    """
    ends = time.monotonic() + LULL_SECONDS
    while True:
        try:
            seen = await look(guest)
        except LabError:
            if time.monotonic() > ends:
                raise
        else:
            if seen.on_air and not seen.links:
                return seen
            if time.monotonic() > ends:
                raise LabError(f"the hub does not come to rest: {seen}")
        await asyncio.sleep(0.5)
