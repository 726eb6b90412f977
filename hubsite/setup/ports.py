"""Ports that a site's parts will listen at: looked at before anything is made.

Laws:
1. A port that another program has is named with that program, where this machine can see it.
2. What a unit has that runs already is its own.
"""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable

from hubcore.errors import ConfigError
from hubsite.setup.texts import Ports
from hubsite.setup.units import ENGINE_UNIT

LOOK_SECONDS = 10.0
LOOPBACK = "127.0.0.1"
ANYWHERE = "0.0.0.0"  # noqa: S104
_PROCESS = re.compile(r'\(\("([^"]+)",pid=([0-9]+)')


def check_ports(ports: Ports, listen: str, runs: Callable[[str], bool]) -> None:
    """Look at the ports of each unit that does not run; `listen` is where the pages will be.

    Raise ConfigError (law 1).
    """
    address, _, page = listen.rpartition(":")
    wanted = (
        (ENGINE_UNIT, "--engine-port", LOOPBACK, ports.engine),
        (ENGINE_UNIT, "--monitor-port", LOOPBACK, ports.monitor),
        ("hubgateway.service", "--gateway-port", ANYWHERE, ports.gateway),
        ("hubgateway.service", "--enrolment-port", ANYWHERE, ports.enrolment),
        ("hubgateway.service", "--enrolment-port", ANYWHERE, ports.enrolment + 1),
        ("hubsite.service", "--listen", address.strip("[]"), int(page)),
    )
    for unit in dict.fromkeys(row[0] for row in wanted):
        if runs(unit):
            continue
        for _, option, at, port in (row for row in wanted if row[0] == unit):
            check_port(option, at, port)


def check_port(option: str, address: str, port: int) -> None:
    """Look whether a port can be taken. Raise ConfigError with who has it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as ear:
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            ear.bind((address, port))
            ear.listen(1)
        except OSError as error:
            raise ConfigError(
                f"port {port} at {address} cannot be taken: {error.strerror}{_holder(port)}. "
                f"Nothing was made or started: end that program, or name another by {option}; "
                "where a file says it already, there"
            ) from error


def runs(unit: str) -> bool:
    """Tell whether a unit of this machine runs (law 2)."""
    argv = ["systemctl", "is-active", "--quiet", unit]
    try:
        return subprocess.run(argv, timeout=LOOK_SECONDS, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _holder(port: int) -> str:
    """Return who has a port, "" where nobody can see it."""
    argv = ["ss", "-Hltnp", f"sport = :{port}"]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=LOOK_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = _PROCESS.search(done.stdout)
    return f", {found[1]} (process {found[2]}) has it" if found else ""
