"""The lab's agent in the guest: runs commands, writes files, carries the radio and the disk.

It speaks JSON, one object a line, on the serial line that it is given. Each request has its own
thread, so that a slow command stops no other. It imports the standard library alone.
"""

import base64
import fcntl
import itertools
import json
import os
import select
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
import tty
from typing import Any

COMMAND = 1
ACL = 2
SCO = 3
EVENT = 4
ISO = 5
HEADER_BYTES = {COMMAND: 3, ACL: 4, SCO: 3, EVENT: 2, ISO: 4}
ISO_LENGTH_BITS = 0x3FFF
VENDOR_PACKET = 0xFF
PULLED_MS = 50
"""How long a controller that says nothing may stay after it has been pulled out."""
NBD_SET_SOCK = 0xAB00
NBD_SET_BLKSIZE = 0xAB01
NBD_DO_IT = 0xAB03
NBD_SET_SIZE_BLOCKS = 0xAB07
NBD_SET_FLAGS = 0xAB0A
NBD_HAS_FLAGS = 1
NBD_SEND_FLUSH = 4
NBD_SEND_FUA = 8
SECTOR_BYTES = 512
DISK_SECONDS = 10.0
MUX_HEAD = struct.Struct(">HH")
MUX_READ = 0
MUX_DISK = 1
MUX_PART_BYTES = 16384
LOOK_SECONDS = 0.001


def open_line(path: str) -> int:
    """Open a serial line for bytes as they are."""
    line = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(line)
    termios.tcflush(line, termios.TCIFLUSH)
    return line


def write_all(line: int, data: bytes) -> None:
    """Write all of it, however little the line takes at once."""
    while data:
        data = data[os.write(line, data) :]


def packets(buffer: bytearray) -> list[bytes]:
    """Take the whole HCI packets out of a buffer of H4 (Bluetooth Core, Vol 4, Part A, 2)."""
    whole = []
    while len(buffer) > 4:
        kind = buffer[0]
        head = 1 + HEADER_BYTES[kind]
        if kind == ACL:
            size = int.from_bytes(buffer[3:5], "little")
        elif kind == ISO:
            size = int.from_bytes(buffer[3:5], "little") & ISO_LENGTH_BITS
        else:
            size = buffer[head - 1]
        end = head + size
        if len(buffer) < end:
            break
        whole.append(bytes(buffer[:end]))
        del buffer[:end]
    return whole


class SerialController:
    """A controller on /dev/vhci whose other half is at the far end of a serial line."""

    def __init__(self, path: str) -> None:
        self._line = open_line(path)
        self._vhci = -1
        self._upward = threading.Thread()
        self.traced: list[tuple[float, str, str]] = []
        self.traced_max = 0
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
        vhci = self._vhci
        self._vhci = -1
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
                self._trace("up", packet)
                os.write(self._line, packet)

    def _trace(self, way: str, packet: bytes) -> None:
        if packet[0] == ACL and len(self.traced) < self.traced_max:
            self.traced.append((time.monotonic(), way, packet.hex()))

    def _down(self) -> None:
        buffer = bytearray()
        while True:
            buffer += os.read(self._line, 4096)
            for packet in packets(buffer):
                try:
                    if self._vhci >= 0:
                        self._trace("down", packet)
                        os.write(self._vhci, packet)
                except OSError:
                    pass  # pulled out meanwhile


class GuestMux:
    """The guest's end of `lab.serialmux`: byte streams over one serial line, each on a socket."""

    def __init__(self, path: str) -> None:
        self._line = open_line(path)
        self._lock = threading.Lock()
        self._sockets: dict[int, socket.socket] = {}
        threading.Thread(target=self._down, daemon=True).start()

    def join(self, number: int, end: socket.socket) -> None:
        """Carry a socket's bytes to and fro, under a number."""
        self._sockets[number] = end
        threading.Thread(target=self._up, args=(number, end), daemon=True).start()

    def listen(self, port: int) -> None:
        """Carry each connection made to a port of 127.0.0.1."""
        server = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(server,), daemon=True).start()

    def _accept(self, server: socket.socket) -> None:
        for number in itertools.count(MUX_DISK + 1):
            self.join(number, server.accept()[0])

    def _send(self, number: int, length: int, data: bytes = b"") -> None:
        with self._lock:
            write_all(self._line, MUX_HEAD.pack(number, length) + data)

    def _up(self, number: int, end: socket.socket) -> None:
        data = b"."
        while data:
            try:
                data = end.recv(MUX_PART_BYTES)
            except OSError:
                data = b""
            self._send(number, len(data), data)

    def _down(self) -> None:
        buffer = bytearray()
        while data := os.read(self._line, 4096):
            self._send(MUX_READ, len(data))
            buffer += data
            while len(buffer) >= MUX_HEAD.size:
                number, length = MUX_HEAD.unpack_from(buffer)
                end = MUX_HEAD.size + length
                if len(buffer) < end:
                    break
                part = bytes(buffer[MUX_HEAD.size : end])
                del buffer[:end]
                self._hand_on(number, part)

    def _hand_on(self, number: int, part: bytes) -> None:
        try:
            if part:
                self._sockets[number].sendall(part)
            else:
                self._sockets.pop(number).close()
        except (OSError, KeyError):
            pass  # it has gone meanwhile


class NetworkDisk:
    """A block device of the kernel's NBD client, whose server is at the far end of the mux."""

    def __init__(self, mux: GuestMux, device: str, size_bytes: int) -> None:
        ours, kernels = socket.socketpair()
        mux.join(MUX_DISK, ours)
        nbd = os.open(device, os.O_RDWR)
        fcntl.ioctl(nbd, NBD_SET_FLAGS, NBD_HAS_FLAGS | NBD_SEND_FLUSH | NBD_SEND_FUA)
        fcntl.ioctl(nbd, NBD_SET_SOCK, kernels.fileno())
        fcntl.ioctl(nbd, NBD_SET_BLKSIZE, SECTOR_BYTES)
        fcntl.ioctl(nbd, NBD_SET_SIZE_BLOCKS, size_bytes // SECTOR_BYTES)
        threading.Thread(target=fcntl.ioctl, args=(nbd, NBD_DO_IT), daemon=True).start()
        self._open = (nbd, kernels)
        ends = time.monotonic() + DISK_SECONDS
        while not os.path.exists(f"/sys/block/{os.path.basename(device)}/pid"):
            if time.monotonic() > ends:
                raise TimeoutError("the kernel has not taken the disk")
            time.sleep(LOOK_SECONDS)


class Agent:
    """Performs requests."""

    def __init__(self, line: int) -> None:
        self._line = line
        self._lock = threading.Lock()
        self._radios: dict[str, SerialController] = {}

    def serve(self) -> None:
        """Answer every request that comes, for ever."""
        self._answer({"id": 0})
        buffer = bytearray()
        while True:
            buffer += os.read(self._line, 65536)
            while b"\n" in buffer:
                request, _, rest = bytes(buffer).partition(b"\n")
                buffer = bytearray(rest)
                arguments = (json.loads(request),)
                threading.Thread(target=self._perform, args=arguments, daemon=True).start()

    def _perform(self, request: dict[str, Any]) -> None:
        try:
            answer = getattr(self, "do_" + request["do"])(**request["with"])
        except Exception as error:
            answer = {"fault": f"{type(error).__name__}: {error}"}
        self._answer({"id": request["id"], **(answer or {})})

    def _answer(self, answer: dict[str, Any]) -> None:
        with self._lock:
            write_all(self._line, json.dumps(answer).encode() + b"\n")

    def do_run(self, argv: list[str], seconds: float, stdin: str) -> dict[str, Any]:
        """Run a command to its end."""
        done = subprocess.run(
            argv,
            input=stdin.encode(),
            capture_output=True,
            timeout=seconds,
            check=False,
        )
        return {
            "status": done.returncode,
            "out": done.stdout.decode("utf-8", "replace"),
            "err": done.stderr.decode("utf-8", "replace"),
        }

    def do_put(
        self,
        path: str,
        mode: int,
        data: str,
        begin: bool,
    ) -> None:
        """Write a file's beginning, or more of it."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        how = os.O_TRUNC if begin else os.O_APPEND
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | how, mode)
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(base64.b64decode(data))

    def do_plug_in(self, line: str) -> None:
        """Plug in the controller behind a serial line."""
        if line not in self._radios:
            self._radios[line] = SerialController(line)
        self._radios[line].plug_in()

    def do_attach_disk(
        self,
        line: str,
        device: str,
        size_bytes: int,
        port: int,
    ) -> None:
        """Make a block device of the disk behind a line.

        Carry connections to the port of 127.0.0.1 to the server there.
        """
        mux = GuestMux(line)
        mux.listen(port)
        self._disk = NetworkDisk(mux, device, size_bytes)

    def do_watch(self, paths: dict[str, str]) -> None:
        """Report from now on each change of what these files hold, by the name given to each."""
        files = {name: os.open(path, os.O_RDONLY) for name, path in paths.items()}
        threading.Thread(target=self._watch, args=(files,), daemon=True).start()

    def _watch(self, files: dict[str, int]) -> None:
        """`before` and `at` are seconds of CLOCK_MONOTONIC: the change came between."""
        known = {name: os.pread(file, 64, 0) for name, file in files.items()}
        before = time.monotonic()
        while True:
            at = time.monotonic()
            for name, file in files.items():
                held = os.pread(file, 64, 0)
                if held == known[name]:
                    continue
                known[name] = held
                change = {
                    "name": name,
                    "held": held.decode().strip(),
                    "before": before,
                    "at": time.monotonic(),
                }
                self._answer(change)
            before = at
            time.sleep(LOOK_SECONDS)

    def do_traced(self, line: str, more: int) -> dict[str, Any]:
        """Return the data packets since the last time, with seconds of CLOCK_MONOTONIC.

        "up": the hub's stack has sent it; "down": it is about to get it. Record so many `more` from
        now on.
        """
        radio = self._radios[line]
        radio.traced_max = more
        traced = radio.traced
        radio.traced = []
        return {"packets": traced}

    def do_pull_out(self, line: str) -> None:
        """Pull it out."""
        self._radios[line].pull_out()


if __name__ == "__main__":
    Agent(open_line(sys.argv[1])).serve()
