"""The parts of a bug report: what each looks at, and for how long at most.

Laws:
1. A part fails alone, and says why; the report is made of those that did not.
2. Every text goes through the redactor, but for what this program worded itself.
3. Nothing is changed on the hub, and no secret is read: of a key, only its file's mode and size.
"""

from __future__ import annotations

import os
import platform
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from hubcore.version import __version__
from hubctl.gathering import asking, databases
from hubctl.gathering.redacting import Redactor
from hubctl.gathering.running import Begun, Output, Run, TooLong, run
from hubterm.text import clean

LIBRARIES = (
    "cbor2",
    "click",
    "cryptography",
    "dbus-fast",
    "gpiod",
    "msgspec",
    "pyzmq",
    "rich",
    "structlog",
    "tzdata",
    "zwave-js-server-python",
)
ENVIRONMENT = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "TERM")
"""No other variable is looked at."""
UNIT_FACTS = (
    "ActiveState,SubState,Result,ExecMainStatus,ExecMainCode,NRestarts,ActiveEnterTimestamp,"
    "MemoryCurrent,CPUUsageNSec,TasksCurrent,UnitFileState,DropInPaths"
)
ADAPTER_WORDS = (
    "Controller",
    "Powered",
    "PowerState",
    "Discoverable",
    "Pairable",
    "Roles",
    "Modalias",
    "ActiveInstances",
    "SupportedInstances",
)
"""The lines of bluetoothctl that are kept: its names may be those of persons."""
PART_CHARS_MAX = 256 * 1024
DATABASE_SECONDS = 8.0
"""Of each of three looks; together they end before their part does."""


@dataclass(frozen=True)
class Machine:
    """What is looked at, and how; tests have another one."""

    socket: Path
    config: Path
    state: Path = Path("/var/lib/hubd")
    root: Path = Path("/")
    run: Run = run
    redactor: Redactor = field(default_factory=Redactor)


class Collector(NamedTuple):
    """One part: its file in the report, what it says, and its time limit in seconds."""

    file: str
    says: str
    seconds: float
    collect: Callable[[Machine], Output]


class Part(NamedTuple):
    """What came of a collector; `trouble` says what could not be seen, "" when nothing."""

    file: str
    says: str
    text: str
    trouble: str


def collect_all(machine: Machine, collectors: Sequence[Collector]) -> Iterator[Part]:
    """Yield each part of the report; never raise for what a collector does.

    All begin at once, so that one that hangs keeps nobody waiting but for itself.
    """
    begun = [(one, Begun(partial(one.collect, machine))) for one in collectors]
    for one, running in begun:
        try:
            said = running.result(one.seconds)
        except TooLong as error:
            said = Output("", str(error))
        except PermissionError as error:
            said = Output("", f"{error.filename}: not for this user; as root it can be seen")
        except OSError as error:
            said = Output("", f"{error.filename}: {error.strerror or error}")
        except Exception as error:
            said = Output("", f"{type(error).__name__}: {error}")
        yield _part(one, said, machine.redactor)


def _part(one: Collector, said: Output, redactor: Redactor) -> Part:
    text = said.text[:PART_CHARS_MAX]
    troubles = [redactor.text(said.trouble)] if said.trouble else []
    if len(text) < len(said.text):
        troubles.append("only its beginning is here")
    return Part(one.file, one.says, text, clean("; ".join(troubles)) if troubles else "")


def versions(machine: Machine) -> Output:
    """Say which software runs here."""
    lines = [f"hubctl {__version__}", f"Python {platform.python_version()}"]
    for name in LIBRARIES:
        try:
            lines.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            lines.append(f"{name}: not installed")
    troubles: list[str] = []
    for command in (("bluetoothctl", "--version"), ("systemctl", "--version")):
        said = machine.run(command, 5.0)
        lines += said.text.splitlines()[:1]
        troubles += [said.trouble] if said.trouble else []
    try:
        release = (machine.root / "etc/os-release").read_text(errors="replace")
    except OSError as error:
        release = ""
        troubles.append(f"{error.filename}: {error.strerror}")
    lines += [line for line in release.splitlines() if line.startswith("PRETTY_NAME=")]
    return Output(machine.redactor.text("\n".join(lines)), "; ".join(troubles))


def kernel(_machine: Machine) -> Output:
    """Say which kernel runs and how busy the machine is; the host's name is left out."""
    named = os.uname()
    loads = " ".join(f"{load:.2f}" for load in os.getloadavg())
    lines = [
        f"{named.sysname} {named.release} {named.version} {named.machine}",
        f"processors {os.cpu_count()}, load {loads}",
        f"user {os.geteuid()}",
        *(f"{name}={clean(os.environ[name])}" for name in ENVIRONMENT if name in os.environ),
    ]
    memory = Path("/proc/meminfo").read_text().splitlines()[:5]
    return Output("\n".join([*lines, *memory]))


def units(machine: Machine) -> Output:
    """Ask systemd how the units are."""
    names = ("hubd", "bluetooth", "hubd-zwave", "systemd-timesyncd")
    said = machine.run(("systemctl", "show", "-p", f"Id,{UNIT_FACTS}", *names), 10.0)
    return Output(machine.redactor.text(said.text), said.trouble)


def bluetooth(machine: Machine) -> Output:
    """Ask BlueZ for its adapters: no device that it knows, and no name."""
    said = machine.run(("bluetoothctl", "show"), 10.0)
    kept = [line for line in said.text.splitlines() if line.split()[:1] and _is_kept(line)]
    if not kept and not said.trouble:
        return Output("", "BlueZ shows no adapter")
    shown = [
        line.split(" ")[0] + " " + line.split(" ")[1] if "Controller" in line else line
        for line in kept
    ]
    return Output(machine.redactor.text("\n".join(shown)), said.trouble)


def _is_kept(line: str) -> bool:
    return line.split()[0].rstrip(":") in ADAPTER_WORDS


def chips(machine: Machine) -> Output:
    """List the GPIO chips, their modes, and who uses which line."""
    lines = [_mode_line(path) for path in sorted((machine.root / "dev").glob("gpiochip*"))]
    said = machine.run(("gpioinfo",), 10.0)
    trouble = said.trouble if lines else "there is no GPIO chip here"
    return Output(machine.redactor.text("\n".join([*lines, said.text])), trouble)


def credentials(machine: Machine) -> Output:
    """List the files of keys, and read none."""
    lines: list[str] = []
    for folder in ("etc/credstore", "etc/credstore.encrypted"):
        there = machine.root / folder
        if there.is_dir():
            lines += [_mode_line(path) for path in sorted(there.glob("hubd.*"))[:100]]
    trouble = "" if lines else "no credential of hubd was seen; as root more can be seen"
    return Output(machine.redactor.text("\n".join(lines)), trouble)


def _mode_line(path: Path) -> str:
    found = path.stat()
    mode = stat.filemode(found.st_mode)
    return f"{mode} {found.st_uid}:{found.st_gid} {found.st_size} bytes {path}"


def disk(machine: Machine) -> Output:
    """Say how much room there is, and how worn a card says that it is."""
    lines: list[str] = []
    for path in (machine.state, Path("/"), Path("/run"), Path("/tmp")):  # noqa: S108 - only looked at
        try:
            room = os.statvfs(path)
        except OSError as error:
            lines.append(f"{path}: {error.strerror}")
            continue
        free = room.f_bavail * room.f_frsize
        total = room.f_blocks * room.f_frsize
        lines.append(f"{path}: {free} of {total} bytes free, {room.f_favail} inodes free")
    for wear in sorted((machine.root / "sys/block").glob("*/device/life_time")):
        lines.append(f"{wear}: {clean(wear.read_text().strip())}")
    return Output(machine.redactor.text("\n".join(lines)))


def clock(machine: Machine) -> Output:
    """Say what time it is, and who keeps it."""
    said = machine.run(("timedatectl", "show"), 10.0)
    lines = [f"wall {time.time():.3f}", f"monotonic {time.monotonic():.3f}", said.text]
    return Output(machine.redactor.text("\n".join(lines)), said.trouble)


def stores(machine: Machine) -> Output:
    """Look at the databases from outside, and at the head of the chain."""
    lines, troubles = databases.look(machine.state, DATABASE_SECONDS)
    return Output("\n".join(lines), "; ".join(troubles))


def checks(machine: Machine) -> Output:
    """Run `hubctl doctor`."""
    command = (
        sys.executable, "-I", "-m", "hubctl.main", "--socket", str(machine.socket),
        "doctor", "--config", str(machine.config), "--json",
    )  # fmt: skip
    return asking.document_of(machine.run(command, 70.0), machine.redactor)


COLLECTORS = (
    Collector("status.json", "hubctl status, without names", 20.0,
              lambda machine: asking.status(machine.socket, machine.redactor)),
    Collector("doctor.json", "hubctl doctor: every check", 80.0, checks),
    Collector("versions.txt", "versions of hubd, its libraries and the system", 20.0, versions),
    Collector("config.json", "the configuration: numbers, kinds and ids; no key, no name", 5.0,
              lambda machine: asking.configuration(machine.config, machine.redactor)),
    Collector("credentials.txt", "files of keys: mode and size, never what is in them", 5.0,
              credentials),
    Collector("units.txt", "the units, as systemd sees them", 15.0, units),
    Collector("journal.txt", "the last lines of hubd, without ids", 25.0,
              lambda machine: asking.journal(machine.run, machine.redactor)),
    Collector("bluetooth.txt", "BlueZ's adapters; no phone", 15.0, bluetooth),
    Collector("gpio.txt", "GPIO chips and their lines", 15.0, chips),
    Collector("disk.txt", "room on the disk, and wear", 5.0, disk),
    Collector("clock.txt", "the clock, and who keeps it", 15.0, clock),
    Collector("databases.txt", "sizes and integrity of the databases; head of the chain", 30.0,
              stores),
    Collector("kernel.txt", "kernel, memory, load, locale", 5.0, kernel),
)  # fmt: skip
