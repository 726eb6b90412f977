"""The lab's hand in the guest: runs commands, writes files and carries the radio between /dev/vhci and a serial line.

Speaks JSON, one object a line, on the serial line that it is given; each request has its own thread, so that a slow
command stops no other. It knows the standard library alone.
"""

import base64
import json
import os
import select
import subprocess
import sys
import termios
import threading
import tty
from typing import Any

COMMAND, ACL, SCO, EVENT, ISO = 1, 2, 3, 4, 5
HEADER_BYTES = {COMMAND: 3, ACL: 4, SCO: 3, EVENT: 2, ISO: 4}
VENDOR_PACKET = 0xFF
PULLED_MS = 50
"""How long a controller that says nothing may stay after it has been pulled out."""


def open_line(path: str) -> int:
    """Open a serial line for bytes as they are."""
    line = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(line)
    termios.tcflush(line, termios.TCIFLUSH)
    return line


def packets(buffer: bytearray) -> list[bytes]:
    """Take the whole HCI packets out of a buffer of H4 (Bluetooth Core, Vol 4, Part A, 2)."""
    whole = []
    while len(buffer) > 4:
        kind = buffer[0]
        head = 1 + HEADER_BYTES[kind]
        if kind in (ACL, ISO):
            size = int.from_bytes(buffer[3:5], "little") & (0x3FFF if kind == ISO else 0xFFFF)
        else:
            size = buffer[head - 1]
        if len(buffer) < head + size:
            break
        whole.append(bytes(buffer[: head + size]))
        del buffer[: head + size]
    return whole


class Radio:
    """One controller on /dev/vhci whose other half is at the far end of a serial line."""

    def __init__(self, path: str) -> None:
        self._line = open_line(path)
        self._vhci, self._upward = -1, threading.Thread()
        threading.Thread(target=self._down, daemon=True).start()

    def plug_in(self) -> None:
        """Make the controller; the kernel resets it at once."""
        vhci = os.open("/dev/vhci", os.O_RDWR)
        os.write(vhci, bytes([VENDOR_PACKET, 0]))
        self._vhci = vhci
        self._upward = threading.Thread(target=self._up, args=(vhci,), daemon=True)
        self._upward.start()

    def pull_out(self) -> None:
        """Take the controller away, as when a USB stick is pulled; it is gone when this returns."""
        vhci, self._vhci = self._vhci, -1
        if vhci >= 0:
            self._upward.join()  # the kernel keeps a controller as long as somebody reads from it
            os.close(vhci)

    def _up(self, vhci: int) -> None:
        readable = select.poll()
        readable.register(vhci, select.POLLIN)
        while self._vhci == vhci:
            try:
                packet = os.read(vhci, 65536) if readable.poll(PULLED_MS) else b""
            except OSError:
                return
            if packet and packet[0] != VENDOR_PACKET:
                os.write(self._line, packet)

    def _down(self) -> None:
        buffer = bytearray()
        while True:
            buffer += os.read(self._line, 4096)
            for packet in packets(buffer):
                try:
                    if self._vhci >= 0:
                        os.write(self._vhci, packet)
                except OSError:
                    pass  # pulled out meanwhile


class Agent:
    """Performs requests."""

    def __init__(self, line: int) -> None:
        self._line, self._lock = line, threading.Lock()
        self._radios: dict[str, Radio] = {}

    def serve(self) -> None:
        """Answer every request that comes, for ever."""
        self._answer({"id": 0})
        buffer = bytearray()
        while True:
            buffer += os.read(self._line, 65536)
            while b"\n" in buffer:
                request, _, rest = bytes(buffer).partition(b"\n")
                buffer = bytearray(rest)
                threading.Thread(target=self._perform, args=(json.loads(request),), daemon=True).start()

    def _perform(self, request: dict[str, Any]) -> None:
        try:
            answer = getattr(self, "do_" + request["do"])(**request["with"])
        except Exception as error:
            answer = {"fault": f"{type(error).__name__}: {error}"}
        self._answer({"id": request["id"], **(answer or {})})

    def _answer(self, answer: dict[str, Any]) -> None:
        data = json.dumps(answer).encode() + b"\n"
        with self._lock:
            while data:
                data = data[os.write(self._line, data) :]

    def do_run(self, argv: list[str], seconds: float, stdin: str) -> dict[str, Any]:
        """Run a command to its end."""
        done = subprocess.run(argv, input=stdin.encode(), capture_output=True, timeout=seconds, check=False)
        return {
            "status": done.returncode,
            "out": done.stdout.decode("utf-8", "replace"),
            "err": done.stderr.decode("utf-8", "replace"),
        }

    def do_put(self, path: str, mode: int, data: str) -> None:
        """Write a file whole."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(base64.b64decode(data))

    def do_plug_in(self, line: str) -> None:
        """Plug in the controller behind a serial line."""
        if line not in self._radios:
            self._radios[line] = Radio(line)
        self._radios[line].plug_in()

    def do_pull_out(self, line: str) -> None:
        """Pull it out."""
        self._radios[line].pull_out()


if __name__ == "__main__":
    Agent(open_line(sys.argv[1])).serve()
