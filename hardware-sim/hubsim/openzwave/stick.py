"""A simulated Z-Wave stick: the serial API on a pty, in a thread of its own.

`naks`: refuses every frame. `silent`: says nothing at all. `heard` has the bytes of the hub.
"""

from __future__ import annotations

import os
import pty
import select
import threading
import time
import tty
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from hubsim.openzwave.frames import ACK, NAK, REQUEST, RESPONSE, Frame, take
from hubsim.openzwave.nodes import STICK, Send, SimNode

STEP_SECONDS = 0.01
ACK_SECONDS = 1.6
"""After so long without an ACK a stick says it again."""
HOME_ID = bytes.fromhex("c0ffee01")
BITMASK_BYTES = 29
FUNCTIONS = (
    *(0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x13, 0x15, 0x1C, 0x20),
    *(0x41, 0x46, 0x48, 0x49, 0x4A, 0x4B, 0x50, 0x56, 0x60, 0x61, 0x62, 0x80),
)


class SimStick:
    """A stick behind `path`, with nodes."""

    def __init__(self, nodes: Sequence[SimNode], path: Path) -> None:
        self.nodes = {node.number: node for node in nodes}
        self.path = path
        self.naks = False
        self.silent = False
        self.heard = bytearray()
        self._waiting: deque[Frame] = deque()
        self._stop = threading.Event()
        for node in nodes:
            node.sends = self._sender(node)
        self.plug()

    def plug(self) -> None:
        """Plug it in: the same path leads to a line, which has another name than before."""
        self._hub_end, self._other_end = pty.openpty()
        tty.setraw(self._hub_end)
        tty.setraw(self._other_end)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._other_end))
        self._waiting.clear()
        self._stop.clear()
        self._thread = threading.Thread(target=self._serve, args=(self._hub_end,), daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """Pull it out: its line is gone, and so is its path."""
        self.path.unlink(missing_ok=True)
        self.end()

    def end(self) -> None:
        """End the stick's thread, if it is plugged in, and close its line."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join()
        os.close(self._hub_end)
        os.close(self._other_end)

    def _sender(self, node: SimNode) -> Send:
        def send(command: bytes) -> None:
            if not node.mute:
                data = bytes([0, node.number, len(command)]) + command
                self._waiting.append(Frame(REQUEST, 0x04, data))

        return send

    def _serve(self, end: int) -> None:
        buffer = bytearray()
        told_at: float | None = None
        while not self._stop.is_set():
            ready, _, _ = select.select([end], [], [], STEP_SECONDS)
            if ready:
                try:
                    data = os.read(end, 256)
                except OSError:
                    return
                self.heard += data
                buffer += data
            while (taken := take(buffer)) is not None:
                if isinstance(taken, Frame):
                    self._take(end, taken)
                elif taken == ACK and told_at is not None and self._waiting:
                    self._waiting.popleft()
                    told_at = None
                elif taken == NAK:
                    told_at = None
            if not self._waiting or self.silent:
                told_at = None
            elif told_at is None or time.monotonic() - told_at > ACK_SECONDS:
                os.write(end, self._waiting[0].encode())
                told_at = time.monotonic()

    def _take(self, end: int, frame: Frame) -> None:
        if self.silent:
            return
        if self.naks:
            os.write(end, NAK)
            return
        os.write(end, ACK)
        self._do(frame)

    def _respond(self, function: int, data: bytes) -> None:
        self._waiting.append(Frame(RESPONSE, function, data))

    def _do(self, frame: Frame) -> None:
        if frame.function == 0x13:
            self._send_data(frame.data)
        elif frame.function == 0x60:
            self._node_information(frame.data[0])
        elif frame.function == 0x41:
            self._respond(0x41, self._protocol_information(frame.data[0]))
        elif frame.function in (0x48, 0x50):  # neighbours and return routes: done at once
            self._respond(frame.function, b"\x01")
        else:
            answer = self._facts().get(frame.function)
            if answer is not None:
                self._respond(frame.function, answer)

    def _facts(self) -> dict[int, bytes]:
        """What a stick knows of itself, by function."""
        numbers = (STICK, *self.nodes)
        return {
            0x02: bytes([5, 0x08, BITMASK_BYTES]) + _bits(numbers, BITMASK_BYTES) + b"\x05\x00",
            0x05: b"\x08",
            0x06: b"\x64\x0f",
            0x07: bytes([1, 0, 0, 0x86, 0, 1, 0, 1]) + _bits(FUNCTIONS, 32),
            0x15: b"Z-Wave 4.05\x00\x01",
            0x1C: b"\x01\x10" + os.urandom(16),
            0x20: HOME_ID + bytes([STICK]),
            0x56: bytes([STICK]),
            0x62: b"\x00",
            0x80: _bits(numbers, BITMASK_BYTES),
        }

    def _protocol_information(self, number: int) -> bytes:
        node = self.nodes.get(number)
        if number == STICK:
            return bytes([0x92, 0x16, 0x00, 0x02, 0x02, 0x01])
        if node is None:
            return bytes(6)
        return bytes([0xD2, 0x16, 0x00, 0x04, node.GENERIC, node.SPECIFIC])

    def _node_information(self, number: int) -> None:
        node = self.nodes.get(number)
        self._respond(0x60, b"\x01")
        if node is None or node.mute:
            self._waiting.append(Frame(REQUEST, 0x49, b"\x81\x00\x00"))
            return
        shown = bytes([0x04, node.GENERIC, node.SPECIFIC, *node.shown_classes])
        self._waiting.append(Frame(REQUEST, 0x49, bytes([0x84, number, len(shown)]) + shown))

    def _send_data(self, data: bytes) -> None:
        """Send to a node: the stick's own yes, the radio's yes or no, then the node's answer."""
        number = data[0]
        command = data[2 : 2 + data[1]]
        callback = data[-1]
        node = self.nodes.get(number)
        is_heard = node is not None and not node.mute
        self._respond(0x13, b"\x01")
        self._waiting.append(Frame(REQUEST, 0x13, bytes([callback, 0 if is_heard else 1])))
        if node is not None and is_heard and command != b"\x00":
            node.hear(command)


def _bits(numbers: Sequence[int], size: int) -> bytes:
    """Return a bitmask with these numbers, counted from 1."""
    mask = bytearray(size)
    for number in numbers:
        mask[(number - 1) // 8] |= 1 << ((number - 1) % 8)
    return bytes(mask)
