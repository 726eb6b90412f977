"""As much of systemd as hubd.service meets: Type=notify, NotifyAccess=main, KillMode=control-group.

Laws:
1. What is said counts only from the main process. A barrier is closed whoever sends it.
2. MAINPID= names another process as the main one.
3. The end of the main process stops the unit: SIGTERM to all that is left of it, SIGKILL after
   STOP_SECONDS, then what comes after every stop.
4. A process belongs to the unit by a word in its environment, which nothing of hubd takes away.
"""

from __future__ import annotations

import array
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

START_SECONDS = 60.0
STOP_SECONDS = 25.0
POLL_SECONDS = 0.01
WORD = "HUB_UNIT"
_CREDENTIALS = struct.Struct("3i")
_SAID_BYTES_MAX = 4096
_DESCRIPTORS_MAX = 4


class Unit:
    """One unit; `post` is done after every stop, `told` hears who became the main process."""

    def __init__(
        self,
        name: str,
        notify: Path,
        environment: Mapping[str, str],
        post: Callable[[], None],
        told: Callable[[int], None],
    ) -> None:
        self._name = name
        self._environment = {**environment, WORD: name, "NOTIFY_SOCKET": str(notify)}
        self._post = post
        self._told = told
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.unlink(missing_ok=True)
        self._socket.bind(str(notify))
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._main: int | None = None
        self._seen: int | None = None
        """Stands for the main process."""
        self._child: subprocess.Popen[bytes] | None = None
        self._is_ready = False

    def start(self, command: Sequence[str], cwd: Path) -> bool:
        """Start it; tell whether it said READY."""
        self._is_ready = False
        try:
            self._child = subprocess.Popen(command, env=self._environment, cwd=cwd)
        except OSError as error:
            sys.stderr.write(f"unit: {error}\n")
            return False
        self._follow(self._child.pid)
        ends = time.monotonic() + START_SECONDS
        while not self._is_ready and not self.has_ended() and time.monotonic() < ends:
            time.sleep(POLL_SECONDS)
        return self._is_ready

    def has_ended(self) -> bool:
        """Hear what was said; tell whether there is no main process."""
        self._hear()
        if self._seen is None:
            return True
        readable, _, _ = select.select([self._seen], [], [], 0)
        return bool(readable)

    def stop(self) -> None:
        """End all that is left of it."""
        for number in processes_of(self._name):
            _kill(number, signal.SIGTERM)
        ends = time.monotonic() + STOP_SECONDS
        while processes_of(self._name) and time.monotonic() < ends:
            self._hear()
            time.sleep(POLL_SECONDS)
        while left := processes_of(self._name):
            for number in left:
                _kill(number, signal.SIGKILL)
        self._follow(None)
        self._hear()
        if self._child is not None:
            self._child.wait()
            self._child = None
        self._post()

    def close(self) -> None:
        """Stop it, and hear nobody any more."""
        self.stop()
        self._socket.close()

    def _follow(self, number: int | None) -> None:
        if self._seen is not None:
            os.close(self._seen)
        self._seen = None
        self._main = number
        if number is not None:
            with suppress(ProcessLookupError):
                self._seen = os.pidfd_open(number)
            self._told(number)

    def _hear(self) -> None:
        while True:
            try:
                said, beside, _, _ = self._socket.recvmsg(
                    _SAID_BYTES_MAX, socket.CMSG_SPACE(64) + socket.CMSG_SPACE(64)
                )
            except BlockingIOError:
                return
            sender = 0
            for _, kind, data in beside:
                if kind == socket.SCM_CREDENTIALS:
                    sender = _CREDENTIALS.unpack(data)[0]
                elif kind == socket.SCM_RIGHTS:
                    _close(data)
            if sender == self._main:
                self._do(said.decode())

    def _do(self, said: str) -> None:
        for line in said.splitlines():
            name, _, value = line.partition("=")
            if name == "READY":
                self._is_ready = True
            elif name == "MAINPID":
                self._follow(int(value))


def processes_of(name: str) -> list[int]:
    """Return the living processes of a unit."""
    word = f"{WORD}={name}".encode()
    return processes_with(word)


def processes_with(word: bytes) -> list[int]:
    """Return the living processes with this in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with suppress(OSError):
            if word in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def _kill(number: int, what: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(number, what)


def _close(data: bytes) -> None:
    descriptors = array.array("i")
    descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    for descriptor in descriptors[:_DESCRIPTORS_MAX]:
        os.close(descriptor)
