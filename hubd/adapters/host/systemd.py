"""What systemd is told: sd_notify(3) in one datagram, without a library.

Laws: without $NOTIFY_SOCKET nothing is sent and nothing fails; a message never waits (the socket is
non-blocking) and a lost one is not an error of the daemon; the watchdog is fed at half its time,
and only while `alive` says so.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

STATUS_CHARS_MAX = 1000
"""Longer than any sentence about what refused a start; systemd takes 4096 bytes in one message."""
STUCK = "bluetoothd-is-stuck"
"""The file of $RUNTIME_DIRECTORY that hubd-bluez.path watches."""


def ask_for_new_bluetoothd(environment: Mapping[str, str] = os.environ) -> None:
    """Have systemd start bluetoothd anew.

    Where there is no such unit, or no room for a file, nothing comes of it.
    """
    folder = environment.get("RUNTIME_DIRECTORY", "")
    if folder:
        with suppress(OSError):
            (Path(folder) / STUCK).write_text("")


class Notifier:
    """The service manager's ear. Made once from the environment of the process."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self.watchdog_seconds = _watchdog_seconds(environment)
        """What the unit's WatchdogSec= says; 0 when systemd does not watch this process."""

    def ready(self, status: str = "") -> bool:
        """Say READY=1: the start is done."""
        return self._send("READY=1" + _status(status))

    def status(self, text: str) -> bool:
        """Say one line for `systemctl status`."""
        return self._send(_status(text).lstrip("\n"))

    def stopping(self) -> bool:
        """Say STOPPING=1: the stop has begun."""
        return self._send("STOPPING=1")

    async def feed_watchdog(self, alive: Callable[[], bool]) -> None:
        """Say WATCHDOG=1 for as long as `alive()`; return at once when nobody watches.

        While not alive it looks again eight times as often, so that a loop that was late once is
        forgiven in time.
        """
        if not self.watchdog_seconds:
            return
        while True:
            fed = alive() and self._send("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_seconds / (2 if fed else 16))

    def _send(self, message: str) -> bool:
        """Send one message; return whether it went."""
        if not self._address:
            return False
        try:
            with socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            ) as ear:
                ear.sendto(message.encode(), self._address)
        except OSError:
            return False
        return True


def _address(name: str) -> str:
    """The socket's address: a path, or `@` for the abstract namespace; anything else is not
    for us.
    """
    if name.startswith("@"):
        return "\0" + name[1:]
    return name if name.startswith("/") else ""


def _status(text: str) -> str:
    line = " ".join(text.split())[:STATUS_CHARS_MAX]
    return f"\nSTATUS={line}" if line else ""


def _watchdog_seconds(environment: Mapping[str, str]) -> float:
    """WATCHDOG_USEC in seconds, 0 when it is not there, is no number, or is meant for another
    process.
    """
    micros = environment.get("WATCHDOG_USEC", "")
    pid = environment.get("WATCHDOG_PID", "")
    meant = not pid or pid == str(os.getpid())
    if meant and micros.isascii() and micros.isdigit() and len(micros) < 16:
        return int(micros) / 1e6
    return 0.0
