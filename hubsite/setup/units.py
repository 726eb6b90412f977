"""Starts what was set up, each part once the one that it needs is there.

Laws:
1. A unit that does not start is named, with what shows why.
2. The server's own commands are run as the server's user: what root makes, it could not write.
3. What reads a file that may have been changed is started again, after the engine: also where a run
   before was killed between both.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

from hubcore.errors import ConfigError, StoreError
from hubsite.setup import places

ENGINE_UNIT = "hubgateway-engine.service"
UNITS = ("hubgateway.service", "hubissuer.service", "hubsite.service", "hubsite-backup.timer")
READERS = ("hubissuer.service", "hubsite.service")
"""Which units read a file that `--orders` may change, beside the engine."""
START_SECONDS = 120.0
ANSWER_SECONDS = 30.0
LOOK_SECONDS = 0.1
_SYSTEMD = Path("/run/systemd/system")


def start_all(engine_port: int, again: bool = False) -> None:
    """Start the units, now and at each boot; `again` those, too, that read what was said (law 3).

    Raise ConfigError, StoreError (law 1).
    """
    if not _SYSTEMD.is_dir():
        raise ConfigError("systemd does not run here: all files are made, and nothing is started")
    start(ENGINE_UNIT, again)
    await_port(engine_port)
    for unit in UNITS:
        start(unit, again and unit in READERS)


def start(unit: str, again: bool = False) -> None:
    """Start one unit; `again` also if it runs. Raise StoreError."""
    failed = f"{unit} does not start: journalctl -eu {unit}"
    if again:
        _run(["systemctl", "restart", unit], failed)
    _run(["systemctl", "enable", "--now", unit], failed)


def await_port(port: int, seconds: float = ANSWER_SECONDS) -> None:
    """Wait until something answers at a port of loopback. Raise StoreError."""
    ends = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
        except OSError as error:
            if time.monotonic() > ends:
                raise StoreError(
                    f"the engine does not answer at port {port}: journalctl -eu {ENGINE_UNIT}"
                ) from error
            time.sleep(LOOK_SECONDS)
        else:
            return


def first_operator(name: str) -> None:
    """Make the first account, if there is none; it is shown once. Raise StoreError (law 2)."""
    program = [sys.executable, "-I", "-m", "hubsite", "--config", places.SERVER_FILE]
    command = ["runuser", "-u", places.SERVER_USER, "--", *program]
    _run([*command, "operator", "add", "--first", name], "no operator was made (above)")


def _run(argv: list[str], failed: str) -> None:
    try:
        done = subprocess.run(argv, timeout=START_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StoreError(f"{failed} ({error})") from error
    if done.returncode != 0:
        raise StoreError(failed)
