"""Simulated relay boards on a pty, each in a thread of its own; they can be made to fail.

`mute`: answers nothing. `stuck`: relays that do not move. `garbage`: answers this instead.
`late_seconds`: it thinks for so long. `times`: it says each answer so often. `dies`: it does the
next command and says nothing more. `chatters`: it says this again and again without being asked.
`forgets_pulses`: its timer does not end a pulse.
"""

from __future__ import annotations

import os
import pty
import select
import threading
import time
import tty
from abc import ABC, abstractmethod
from pathlib import Path

_QUIET_SECONDS = 0.02
"""A command has ended when the line was quiet for so long."""


class SimBoard(ABC):
    """A board behind `path`, with `on` as its relays stand (from 1)."""

    def __init__(self, relays: int, path: Path | None = None) -> None:
        self.on = dict.fromkeys(range(1, relays + 1), False)
        self.mute = False
        self.stuck: set[int] = set()
        self.garbage: bytes | None = None
        self.late_seconds = 0.0
        self.times = 1
        self.dies = False
        self.chatters = b""
        self.forgets_pulses = False
        self.heard: list[bytes] = []
        self._ends: dict[int, float] = {}
        self._link = path
        self._stop = threading.Event()
        self.plug()

    def plug(self) -> None:
        """Plug the board in: its line is there, under the same path."""
        self._hub_end, self._other_end = pty.openpty()
        tty.setraw(self._hub_end)
        tty.setraw(self._other_end)
        name = os.ttyname(self._other_end)
        if self._link is not None:
            self._link.unlink(missing_ok=True)
            self._link.symlink_to(name)
        self.path = str(self._link or name)
        self._stop.clear()
        self._thread = threading.Thread(target=self._serve, args=(self._hub_end,), daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """Pull the board out: its line is gone."""
        self._stop.set()
        self._thread.join()
        os.close(self._hub_end)
        os.close(self._other_end)
        if self._link is not None:
            self._link.unlink()

    def end(self) -> None:
        """End the board's thread, if it is plugged in, and close its line."""
        if not self._stop.is_set():
            self._stop.set()
            self._thread.join()
            os.close(self._hub_end)
            os.close(self._other_end)

    def set(self, relay: int, on: bool, seconds: float | None = None) -> None:
        """Move a relay, unless it is stuck; `seconds`: it falls back by itself."""
        if relay in self.stuck or relay not in self.on:
            return
        self.on[relay] = on
        self._ends.pop(relay, None)
        if seconds is not None and not self.forgets_pulses:
            self._ends[relay] = time.monotonic() + seconds

    def _serve(self, end: int) -> None:
        data = b""
        while not self._stop.is_set():
            self._fall_back()
            self._chatter(end)
            ready, _, _ = select.select([end], [], [], _QUIET_SECONDS)
            if ready:
                try:
                    data += os.read(end, 256)
                except OSError:
                    return
                continue
            if not data:
                continue
            self.heard.append(data)
            answer = self.answer(data)
            data = b""
            self._stop.wait(self.late_seconds)
            if self.dies:
                self.dies = False
                self.mute = True
            if not self.mute:
                os.write(end, self.times * (answer if self.garbage is None else self.garbage))

    def _chatter(self, end: int) -> None:
        """Say what nobody has asked for, as long as somebody reads it."""
        _, writable, _ = select.select([], [end], [], 0)
        if self.chatters and writable:
            os.write(end, 20 * self.chatters)

    def _fall_back(self) -> None:
        now = time.monotonic()
        for relay in [relay for relay, ends in self._ends.items() if ends <= now]:
            del self._ends[relay]
            self.on[relay] = False

    @abstractmethod
    def answer(self, data: bytes) -> bytes:
        """Take what was written; return what the board answers."""


class SimLcus(SimBoard):
    """An LCUS board."""

    def answer(self, data: bytes) -> bytes:
        answer = b""
        while data:
            if data[0] == 0xFF:
                if len(self.on) > 1:
                    for relay, on in self.on.items():
                        answer += f"CH{relay}: {'ON' if on else 'OFF'}\r\n".encode()
                data = data[1:]
                continue
            command = data[:4]
            data = data[4:]
            if len(command) == 4 and command[0] == 0xA0 and sum(command[:3]) % 256 == command[3]:
                self.set(command[1], bool(command[2]))
        return answer


class SimNumato(SimBoard):
    """A Numato module."""

    def answer(self, data: bytes) -> bytes:
        answer = b""
        for line in data.decode("ascii", "replace").split("\r")[:-1]:
            answer += line.encode() + b"\n\r" + self._say(line.split()) + b"\n\r>"
        return answer

    def _say(self, words: list[str]) -> bytes:
        match words:
            case ["ver"]:
                return b"00000008"
            case ["relay", "read", number]:
                return b"on" if self.on[int(number, 36) + 1] else b"off"
            case ["relay", "on" | "off" as state, number]:
                self.set(int(number, 36) + 1, state == "on")
        return b""


class SimModbus(SimBoard):
    """A Modbus RTU module at address 1."""

    def answer(self, data: bytes) -> bytes:
        if len(data) != 8 or crc16(data[:-2]) != data[-2:] or data[0] != 1:
            return b""
        function = data[1]
        first = int.from_bytes(data[2:4])
        value = int.from_bytes(data[4:6])
        if function == 1:
            bits = sum(1 << at for at in range(value) if self.on.get(first + at + 1, False))
            body = bytes((1, 1, (value + 7) // 8)) + bits.to_bytes((value + 7) // 8, "little")
            return body + crc16(body)
        if function == 5 and first >= 0x0200:
            self.set(first - 0x0200 + 1, True, value / 10)
            return data
        if function == 5 and value in (0, 0xFF00):
            self.set(first + 1, value == 0xFF00)
            return data
        body = bytes((1, function | 0x80, 1))
        return body + crc16(body)


def crc16(data: bytes) -> bytes:
    """Return the check of a Modbus RTU frame (MODBUS over serial line V1.02, 6.2.2)."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")
