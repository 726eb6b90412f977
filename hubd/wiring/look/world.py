"""What a check of the configuration may ask of the machine: commands, files, chips and BlueZ."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gpiod

from drivers.gpio.lines import OpenChip
from hubcore.errors import HardwareError
from hubcore.ports.clock import KernelTime
from hubd.adapters.host import kerneltime
from hubd.wiring.look.bluetoothd import ask_bluez

COMMAND_SECONDS = 60.0

RunCommand = Callable[[list[str]], "subprocess.CompletedProcess[str]"]
"""Runs a command to its end. Raises HardwareError when it cannot be run."""


def run_command(argv: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command of this machine. Raise HardwareError."""
    try:
        return subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HardwareError(f"{argv[0]} cannot be asked: {error}") from error


@dataclass(frozen=True, slots=True)
class World:
    """The machine, as the user `uid` sees it.

    Below `root` lie /etc, /dev and /sys; `owner` is the user whose files there count as root's.
    `ask_bluez` takes the configured adapter and says what is wrong with it, '' if nothing is.
    """

    uid: int
    owner: int = 0
    run: RunCommand = run_command
    root: Path = Path("/")
    open_chip: OpenChip = gpiod.Chip
    ask_bluez: Callable[[str], str] = ask_bluez
    now: Callable[[], float] = time.time
    kernel_time: Callable[[], KernelTime | None] = kerneltime.look

    @property
    def devices(self) -> Path:
        """/dev."""
        return self.root / "dev"

    @property
    def sys(self) -> Path:
        """/sys."""
        return self.root / "sys"
