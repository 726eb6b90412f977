"""Starts what was set up, each part once the one that it needs is there.

Laws:
1. A unit that does not start is named, with what shows why.
2. The server's own commands are run as the server's user: what root makes, it could not write.
3. What reads a file that may have been changed is started again, after the engine: also where a run
   before was killed between both.
4. An engine that was started before its file was changed last is started again.
"""

from __future__ import annotations

import math
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from hubcore.errors import ConfigError, StoreError
from hubsite.setup import places

ENGINE_UNIT = "hubgateway-engine.service"
UNITS = ("hubgateway.service", "hubissuer.service", "hubsite.service", "hubsite-backup.timer")
READERS = ("hubgateway.service", "hubissuer.service", "hubsite.service")
"""Which units read a file that `--orders` or `--cards` may change, beside the engine."""
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
    start(ENGINE_UNIT, again or is_older(began(ENGINE_UNIT), Path(places.ENGINE_FILE)))
    await_port(engine_port)
    for unit in UNITS:
        start(unit, again and unit in READERS)


def is_older(began: float, file: Path) -> bool:
    """Tell whether a unit of this moment may not have read the file as it is (law 4).

    Raise StoreError.
    """
    try:
        return began < file.stat().st_mtime
    except OSError as error:
        raise StoreError(f"{file}: {error.strerror}") from error


def began(unit: str) -> float:
    """Return when a unit was started last, Unix seconds; infinity where it does not run.

    Raise StoreError.
    """
    argv = ["systemctl", "show", "-P", "ActiveEnterTimestamp", "--timestamp=us+utc", unit]
    try:
        done = subprocess.run(argv, timeout=START_SECONDS, capture_output=True, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise StoreError(f"systemd does not tell of {unit}: {error}") from error
    return moment_of(done.stdout.decode("ascii", "replace"))


def moment_of(said: str) -> float:
    """Read the moment that systemd has told; infinity for none."""
    try:
        found = datetime.strptime(said.strip(), "%a %Y-%m-%d %H:%M:%S.%f UTC")
    except ValueError:
        return math.inf
    return found.replace(tzinfo=UTC).timestamp()


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
