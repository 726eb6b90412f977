"""How hubd.service is kept: whether systemd still tries, its watchdog, and who else may come in.

Laws:
1. It asks systemd and reads files. Nothing is started, stopped or changed.
2. What this user may not see is `unknown`, and never taken for well.
3. A machine without hubd.service has none of these checks.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from hubcore.checks import AREA_OF, CHECKS, CheckId
from hubcore.errors import HardwareError
from hubd.wiring.look.finding import Finding, FindingKind, fact, found
from hubd.wiring.look.world import World

UNIT = "hubd.service"
EXPOSURE_MAX = 1.5
"""Of the unit as shipped, by systemd 252 and 257."""
SOCKETS = {"run/hubd/hubd.sock": 0o007, "run/hubd/hubd.sock.root": 0o077}
"""Each local socket, and the mode bits that it must not have."""
_PROPERTIES = ("LoadState", "ActiveState", "Result", "NRestarts", "WatchdogUSec", "ControlGroup")
_LEVEL = re.compile(r"Overall exposure level for \S+: ([0-9]+(?:\.[0-9]+)?)")
_TCP_LISTEN = "0A"
_PROCESSES_MAX = 64
"""TasksMax= of the unit."""


def look(world: World) -> Iterator[Finding]:
    """Yield what is found of the service; nothing where there is no systemd, or no such unit."""
    try:
        done = world.run(["systemctl", "show", f"--property={','.join(_PROPERTIES)}", UNIT])
    except HardwareError:
        return
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    shown = {name: value for name, _, value in pairs}
    if done.returncode or shown.get("LoadState") != "loaded":
        return
    yield from _kept(shown)
    yield from _exposure(world)
    yield from _sockets(world)
    if shown.get("ActiveState") == "active":
        yield from _listening(world, shown.get("ControlGroup", ""))


def _kept(shown: Mapping[str, str]) -> Iterator[Finding]:
    times = shown.get("NRestarts", "")
    if shown.get("ActiveState") == "failed":
        yield found(CheckId.SERVICE_FAILED, "service", why=shown.get("Result", "no reason"))
    elif times.isdecimal() and int(times):
        yield found(CheckId.SERVICE_RESTARTS, "service", times=int(times))
    if shown.get("ActiveState") != "active":
        return  # systemd says "infinity" of each unit that it has not started yet
    watchdog = shown.get("WatchdogUSec")
    if watchdog in ("0", "infinity"):
        yield found(CheckId.WATCHDOG_OFF, "watchdog")
    elif watchdog:
        yield fact("watchdog", f"systemd starts a hubd again that hangs for {watchdog}")


def _exposure(world: World) -> Iterator[Finding]:
    try:
        done = world.run(["systemd-analyze", "security", "--no-pager", UNIT])
    except HardwareError as error:
        yield _unknown(CheckId.UNIT_EXPOSED, "exposure", str(error))
        return
    level = _LEVEL.search(done.stdout)
    if level is None:
        yield _unknown(CheckId.UNIT_EXPOSED, "exposure", "systemd-analyze gave no number")
    elif float(level[1]) > EXPOSURE_MAX:
        yield found(CheckId.UNIT_EXPOSED, "exposure", level=float(level[1]), most=EXPOSURE_MAX)
    else:
        yield fact("exposure", f"hubd.service: {level[1]}")


def _sockets(world: World) -> Iterator[Finding]:
    """Look at the modes of the local sockets; one that is not there lets nobody in."""
    for place, forbidden in SOCKETS.items():
        try:
            mode = stat.S_IMODE((world.root / place).stat().st_mode)
        except FileNotFoundError:
            continue
        except OSError as error:
            yield _unknown(CheckId.SOCKET_OPEN, "socket", f"/{place}: {error.strerror}")
            continue
        if mode & forbidden:
            yield found(CheckId.SOCKET_OPEN, "socket", socket=f"/{place}", mode=mode)
        else:
            yield fact("socket", f"/{place}: mode {mode:03o}")


def _listening(world: World, group: str) -> Iterator[Finding]:
    """Look for network ports on which a process of the unit listens."""
    processes = world.root / "sys/fs/cgroup" / group.strip("/") / "cgroup.procs"
    try:
        numbers = processes.read_text(encoding="ascii").split()[:_PROCESSES_MAX]
        ours = {inode for number in numbers for inode in _open_sockets(world.root, number)}
        ports = [shown for inode, shown in _listeners(world.root) if inode in ours]
    except (OSError, ValueError, IndexError) as error:
        why = getattr(error, "strerror", None) or "not as expected"
        yield _unknown(CheckId.PORT_LISTENS, "listening", f"hubd's open files: {why}")
        return
    if ports:
        yield found(CheckId.PORT_LISTENS, "listening", ports=", ".join(sorted(ports)))
    else:
        yield fact("listening", "no process of hubd.service listens on the network")


def _open_sockets(root: Path, process: str) -> Iterator[str]:
    """Yield the inodes of the sockets that a process has open. Raise OSError."""
    for descriptor in (root / "proc" / process / "fd").iterdir():
        kind, _, inode = str(descriptor.readlink()).partition(":")
        if kind == "socket":
            yield inode.strip("[]")


class _Socket(NamedTuple):
    """A line of /proc/net/tcp and its like: proc(5)."""

    local: str
    remote: str
    state: str
    inode: str

    @property
    def port(self) -> int:
        return int(self.local.rpartition(":")[2], 16)

    def is_open(self, protocol: str) -> bool:
        """Tell whether it waits for strangers; one of UDP without a peer takes what comes."""
        if protocol.startswith("udp"):
            return self.remote.endswith(":0000")
        return self.state == _TCP_LISTEN


def _listeners(root: Path) -> Iterator[tuple[str, str]]:
    """Yield each socket that waits for strangers, as (inode, protocol and port)."""
    for protocol in ("tcp", "tcp6", "udp", "udp6"):
        file = root / "proc/net" / protocol
        if not file.exists():
            continue
        for line in file.read_text(encoding="ascii").splitlines()[1:]:
            waiting = _Socket(*(line.split()[at] for at in (1, 2, 3, 9)))
            if waiting.is_open(protocol):
                yield waiting.inode, f"{protocol} port {waiting.port}"


def _unknown(check: CheckId, about: str, why: str) -> Finding:
    text = f"it could not be looked at: {why}; sudo sees more"
    return Finding(FindingKind.UNKNOWN, about, text, check, AREA_OF[CHECKS[check].class_])
