"""Starts a hub that was just enrolled: `hubctl enroll --start`.

Laws:
1. The hub judges its own configuration and keys first. What it would not start with is not started.
2. What does not stop a start (status 69: no radio yet, a clock that is wrong) is said, and it goes
   on. In the end it is said that not all is right.
3. A Bluetooth service that does not start keeps no hub from starting: its doors may have readers.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence

from hubcore.errors import ConfigError, HardwareError

STEP_SECONDS = 120.0
EX_UNAVAILABLE = 69
RELOAD = ("systemctl", "daemon-reload")
CHECK = (sys.executable, "-I", "-m", "hubd", "--check-config")
BLUETOOTH = ("systemctl", "restart", "bluetooth")
ENABLE = ("systemctl", "enable", "hubd")
START = ("systemctl", "restart", "hubd")

Run = Callable[[Sequence[str]], int]
"""Does a command, shows what it says, and returns its status."""


def start_hub(run: Run, tell: Callable[[str], None]) -> bool:
    """Start the hub, now and at each boot; tell whether all is right with it (law 2).

    Raise ConfigError, HardwareError.
    """
    run(RELOAD)
    status = run(CHECK)
    if status not in (0, EX_UNAVAILABLE):
        raise ConfigError(
            "the hub is enrolled, and was not started (above): mend /etc/hubd/hubd.toml, then type "
            "the same again"
        )
    if status:
        tell("not all is right with this hub (above); it is started all the same")
    has_bluetooth = run(BLUETOOTH) == 0
    if not has_bluetooth:
        tell("bluetooth did not start: systemctl status bluetooth")
    if run(ENABLE) or run(START):
        raise HardwareError("the hub is enrolled, but does not start: journalctl -eu hubd")
    tell("the hub runs, now and at each boot. Look: hubctl status")
    return status == 0 and has_bluetooth


def run_here(argv: Sequence[str]) -> int:
    """Do a command on this machine; its words go to standard error. Raise HardwareError."""
    try:
        done = subprocess.run(argv, stdout=sys.stderr, timeout=STEP_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HardwareError(f"{argv[0]}: {error}") from error
    return done.returncode
