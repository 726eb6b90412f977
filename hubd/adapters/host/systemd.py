"""Messages to systemd: sd_notify(3) in one datagram, without a library.

Laws:
1. Without $NOTIFY_SOCKET nothing is sent and nothing fails.
2. A message never waits: the socket is non-blocking. A lost one is no error of the daemon.
3. The watchdog is fed at half its time, and only while `alive` says so.
4. Who must know that systemd has acted on what was said asks for the barrier, and bounds the wait.
"""

from __future__ import annotations

import array
import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

STATUS_CHARS_MAX = 1000
"""Longer than any sentence about what refused a start; systemd takes 4096 bytes in one message."""
MICROS_DIGITS_MAX = 15
"""Of WATCHDOG_USEC: some 30 years."""
STUCK = "bluetoothd-is-stuck"
"""The file of $RUNTIME_DIRECTORY that hubd-bluez.path watches."""

_DATAGRAMS = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK


def ask_for_new_bluetoothd(environment: Mapping[str, str] = os.environ) -> None:
    """Have systemd restart bluetoothd.

    Where there is no such unit, or no room for a file, nothing comes of it.
    """
    folder = environment.get("RUNTIME_DIRECTORY", "")
    if not folder:
        return
    with suppress(OSError):
        (Path(folder) / STUCK).write_text("")


class Notifier:
    """Sends to the service manager. Made once from the environment of the process."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self.watchdog_seconds = _watchdog_seconds(environment)
        """What the unit's WatchdogSec= says; 0 when systemd does not watch this process."""

    @property
    def is_heard(self) -> bool:
        """Whether there is a service manager."""
        return bool(self._address)

    def ready(self, status: str = "") -> bool:
        """Say READY=1: the start is done."""
        return self._send("READY=1" + _status(status))

    def status(self, text: str) -> bool:
        """Say one line for `systemctl status`."""
        return self._send(_status(text).lstrip("\n"))

    def stopping(self) -> bool:
        """Say STOPPING=1: the stop has begun."""
        return self._send("STOPPING=1")

    def main_process(self, process_id: int) -> bool:
        """Say MAINPID=: that process of this unit is its main one from now on.

        systemd hears this process no more then, if the unit has `NotifyAccess=main`.
        """
        return self._send(f"MAINPID={process_id}")

    async def barrier(self, wait_seconds: float) -> bool:
        """Return whether systemd has read all that was said before (sd_notify_barrier(3)).

        It closes the descriptor that it is given, once it has. It does so also when it takes what
        was said from somebody else alone.
        """
        reads, writes = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            sent = self._send("BARRIER=1", writes)
        finally:
            os.close(writes)
        try:
            return sent and await _ended(reads, wait_seconds)
        finally:
            os.close(reads)

    async def feed_watchdog(self, alive: Callable[[], bool]) -> None:
        """Say WATCHDOG=1 for as long as `alive()`; return at once when nobody watches.

        While not alive it looks again eight times as often: a loop that was late once recovers in
        time.
        """
        if not self.watchdog_seconds:
            return
        feed_seconds = self.watchdog_seconds / 2
        while True:
            fed = alive() and self._send("WATCHDOG=1")
            await asyncio.sleep(feed_seconds if fed else feed_seconds / 8)

    def _send(self, message: str, *descriptors: int) -> bool:
        """Send one message; return whether it went."""
        if not self._address:
            return False
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
        beside = [rights] if descriptors else []
        try:
            with socket.socket(socket.AF_UNIX, _DATAGRAMS) as connection:
                connection.sendmsg([message.encode()], beside, 0, self._address)
        except OSError:
            return False
        return True


async def _ended(reads: int, wait_seconds: float) -> bool:
    """Return whether the other end of the pipe is closed everywhere within this time."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(reads, ended.set)
    try:
        async with asyncio.timeout(wait_seconds):
            await ended.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(reads)
    return True


def _address(name: str) -> str:
    """Return the socket's address, "" for a name that is neither a path nor abstract (`@`)."""
    if name.startswith("@"):
        return "\0" + name[1:]
    if name.startswith("/"):
        return name
    return ""


def _status(text: str) -> str:
    one_line = " ".join(text.split())
    if not one_line:
        return ""
    return f"\nSTATUS={one_line[:STATUS_CHARS_MAX]}"


def _watchdog_seconds(environment: Mapping[str, str]) -> float:
    """Return WATCHDOG_USEC in seconds.

    0 when it is not there, is no number, or is meant for another process.
    """
    pid = environment.get("WATCHDOG_PID", "")
    if pid not in ("", str(os.getpid())):
        return 0.0
    micros = environment.get("WATCHDOG_USEC", "")
    is_number = micros.isascii() and micros.isdigit()
    if not is_number or len(micros) > MICROS_DIGITS_MAX:
        return 0.0
    return int(micros) / 1e6
