"""One serial line with its readers: opened, lost, opened again; one reader is asked at a time.

Laws:
1. After a command nobody else speaks until the reply is there or its time is over. Then libosdp
   gets a damaged reply, so that it gives up at once. By itself it would ask again eight times, each
   0.8 s later and with a MAC that the reader cannot accept any more (3.2.9).
2. A reply reaches only the reader that was asked (drivers/osdp/gate.py says what a reply is).
3. Nothing here raises into libosdp; a line that fails is lost, and opened again.
4. A line belongs to one process (flock), so that two panels never talk into each other.
"""

from __future__ import annotations

import fcntl
import os
import termios
from typing import Protocol

from drivers.osdp.gate import ACK, CRC_BIT, FRAME_MAX, REPLY_BIT, START, Gate
from drivers.osdp.wire.orders import BAUDS

REPLY_SECONDS = 0.19
"""A little less than libosdp waits. A reader answers within 0.2 s (SIA OSDP 2.2, 5.7)."""
REOPEN_SECONDS = 1.0
READ_BYTES = 4096
SPEEDS = {baud: getattr(termios, f"B{baud}") for baud in BAUDS}


class Speaker(Protocol):
    """A reader's side of the line."""

    channel: ReaderChannel

    def step(self, now: float) -> None:
        """Move on; may write one command into the channel."""

    def line_lost(self, now: float) -> None:
        """The line is not there."""


class ReaderChannel:
    """What libosdp writes for one reader and reads from it (`library.Channel`)."""

    def __init__(self, line: SerialLine, address: int) -> None:
        self.id = 1
        self.address = address
        self.refusing = True
        """Fails every write, so that libosdp comes to rest."""
        self.asked_at: float | None = None
        """Monotonic second of the first command since `begin`."""
        self.answered_at: float | None = None
        """Monotonic second of the last reply since `begin`."""
        self._line = line
        self._inbox = bytearray()

    def begin(self) -> None:
        """Begin a new attempt: nothing was asked or answered yet."""
        self.refusing = False
        self.asked_at = None
        self.answered_at = None

    def read(self, most: int) -> bytes:
        """See `library.Channel.read`."""
        data = bytes(self._inbox[:most])
        del self._inbox[:most]
        return data

    def write(self, frame: bytes) -> int:
        """See `library.Channel.write`."""
        if self.refusing or not self._line.ask(self, bytes(frame)):
            return -1
        return len(frame)

    def flush(self) -> None:
        """See `library.Channel.flush`."""
        self._inbox.clear()

    def put_damage(self) -> None:
        """Let libosdp read a reply whose check bytes are wrong."""
        self._inbox.clear()
        self._inbox += bytes([START, self.address | REPLY_BIT, 8, 0, CRC_BIT, ACK, 0, 0])

    def put(self, frame: bytes, now: float) -> None:
        """Let libosdp read a reply."""
        self.answered_at = now
        if len(self._inbox) + len(frame) <= FRAME_MAX:
            self._inbox += frame


class SerialLine:
    """A serial line and the readers on it."""

    def __init__(self, device: str, baud: int) -> None:
        self.device = device
        self.descriptor: int | None = None
        self.speakers: list[Speaker] = []
        self._baud = baud
        self._gate = Gate()
        self._asked: ReaderChannel | None = None
        self._now = 0.0
        self._reply_until = 0.0
        self._open_at = 0.0
        self._turn = 0

    def step(self, now: float, *, is_readable: bool) -> None:
        """Read what came, and let the readers speak in turn."""
        self._now = now
        if self.descriptor is None:
            self._open(now)
        if self.descriptor is None:
            return
        if is_readable:
            self._take(self.descriptor, now)
        if self._asked is not None:
            self._step_one(self._turn, now)
            if self._asked is not None:
                return
        for _ in self.speakers:
            self._turn = (self._turn + 1) % len(self.speakers)
            self._step_one(self._turn, now)
            if self._asked is not None:
                return

    def ask(self, channel: ReaderChannel, frame: bytes) -> bool:
        """Send a command; return whether it went out whole."""
        if self.descriptor is None:
            return False
        self._gate.forget()
        try:
            sent = os.write(self.descriptor, frame)
        except OSError:
            return False
        self._asked = channel
        self._reply_until = self._now + REPLY_SECONDS
        if channel.asked_at is None:
            channel.asked_at = self._now
        return sent == len(frame)

    def close(self) -> None:
        """Give the line back."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None

    def _step_one(self, number: int, now: float) -> None:
        if self._asked is not None and now >= self._reply_until:
            self._asked.put_damage()
            self._asked = None
        self.speakers[number].step(now)

    def _take(self, descriptor: int, now: float) -> None:
        """Give the reply to the reader that was asked."""
        try:
            data = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost(now)
            return
        for reply in self._gate.feed(data):
            asked = self._asked
            if asked is not None and reply.address == asked.address:
                asked.put(reply.frame, now)
                self._asked = None
        if self._asked is None:
            self.speakers[self._turn].step(now)

    def _open(self, now: float) -> None:
        """Open the line when it is time."""
        if now < self._open_at:
            return
        self._open_at = now + REOPEN_SECONDS
        try:
            self.descriptor = open_serial(self.device, self._baud)
        except OSError:
            self._lost(now)
            return
        self._gate.forget()

    def _lost(self, now: float) -> None:
        self.close()
        self._asked = None
        for speaker in self.speakers:
            speaker.line_lost(now)


def open_serial(device: str, baud: int) -> int:
    """Return a descriptor of a raw line, 8 data bits, no parity, 1 stop bit. Raise OSError."""
    descriptor = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _set_raw(descriptor, SPEEDS[baud])
    except (OSError, termios.error) as error:  # termios.error is no OSError
        os.close(descriptor)
        raise OSError(f"{device} is no free serial line: {error}") from error
    return descriptor


def _set_raw(descriptor: int, speed: int) -> None:
    characters: list[bytes | int] = [0] * len(termios.tcgetattr(descriptor)[6])
    characters[termios.VMIN] = 1
    flags = termios.CS8 | termios.CREAD | termios.CLOCAL
    attributes: list[int | list[bytes | int]] = [0, 0, flags, 0, speed, speed, characters]
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
    termios.tcflush(descriptor, termios.TCIOFLUSH)
