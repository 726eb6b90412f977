"""What can be seen of ZMTP from outside: greeting, handshake commands, frame sizes.

The sources are ZeroMQ RFC 23, 26 and 37.

Laws:
1. What is inside a frame stays sealed. Only sizes, and the names of the handshake's commands, are
   read.
2. A frame longer than the ceiling is refused at its head, before its body is taken. So is one that
   is too short: empty during the handshake, or less than a sealed message after it.
3. No more frames are looked at in one turn than the caller asks for.
4. Only greetings of a CURVE server pass; what else answers is named in the error.
5. A WELCOME proves nothing before libzmq has answered it. libzmq does so only when the backend's
   key opened it.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum

from hubcore.backend.uplink.words import SEALED_BYTES
from hubcore.errors import LinkError

GREETING_BYTES = 64
_SIGNATURE_BYTES = 10
_MECHANISM = slice(12, 32)
_LONG = 0x02
FRAMES_A_TURN = 64
"""Some hundred bytes can be many frames; after so many the doors have their turn."""
_NAME_BYTES = 12
"""How much of a frame is read during the handshake: an ERROR with its three digits is longest."""
HELLO_BYTES = 202
"""The one frame that libzmq sends between its greeting and its INITIATE (RFC 26)."""


class HandshakeProgress(IntEnum):
    """How far the backend has come in the handshake.

    SIGNATURE: the first ten bytes of a greeting (RFC 23). UNPROVEN: a WELCOME that libzmq has not
    answered.
    """

    NOTHING = 0
    SIGNATURE = 1
    GREETING = 2
    UNPROVEN = 3
    WELCOME = 4
    REFUSED = 5
    READY = 6


class InboundFrames:
    """The frames that the backend sends, and which of them libzmq has not handed over yet."""

    def __init__(self, frame_bytes_max: int) -> None:
        self.progress = HandshakeProgress.NOTHING
        self.status = ""
        """Of a refusal: the three digits of ZAP, which nothing proves; "" for anything else."""
        self.unread_bytes = 0
        """Of whole frames after the handshake that libzmq has not handed over as a message."""
        self.frames = 0
        """Seen so far."""
        self._unread: deque[int] = deque()
        self._answered_bytes = 0
        self._frame_bytes_max = frame_bytes_max
        self._head = bytearray()
        self._body_left = 0
        self._size = 0
        self._name = bytearray()

    @property
    def unread_frames(self) -> int:
        """How many whole frames libzmq has not handed over."""
        return len(self._unread)

    def take(self, data: bytes, at: int = 0, frames_max: int = FRAMES_A_TURN) -> int:
        """Look at the next bytes from the backend, from `at` on; return where the next turn begins.

        A turn ends with the data, or with so many whole frames. Raise LinkError for what must not
        be carried on.
        """
        last_frame = self.frames + frames_max
        while at < len(data) and self.frames < last_frame:
            if self._body_left:
                at += self._take_body(data, at)
            else:
                at += self._take_head(data[at : at + GREETING_BYTES])
        return at

    def answered(self, size: int) -> None:
        """libzmq sent so many bytes more to the backend."""
        self._answered_bytes += size
        has_answered = self._answered_bytes > GREETING_BYTES + HELLO_BYTES
        if self.progress is HandshakeProgress.UNPROVEN and has_answered:
            self.progress = HandshakeProgress.WELCOME

    def handed_over(self, part_bytes: int) -> None:
        """libzmq gave a part of a message: its memory holds neither it nor what came before it."""
        while self._unread:
            size = self._unread.popleft()
            self.unread_bytes -= size
            if size == part_bytes + SEALED_BYTES:
                return

    def _take_head(self, data: bytes) -> int:
        """Take bytes of the greeting or of a frame's head; return how many."""
        missing = self._head_bytes() - len(self._head)
        taken = data[:missing]
        self._head += taken
        if self.progress < HandshakeProgress.GREETING:
            self._check_greeting()
        elif len(self._head) == self._head_bytes():
            self._begin_frame()
        return len(taken)

    def _head_bytes(self) -> int:
        """Return how long the greeting or the head is, as far as its bytes tell by now."""
        if self.progress < HandshakeProgress.GREETING:
            return GREETING_BYTES
        if not self._head:
            return 1
        is_long = self._head[0] & _LONG
        return 9 if is_long else 2

    def _check_greeting(self) -> None:
        head = bytes(self._head)
        has_signature = len(head) >= _SIGNATURE_BYTES
        begins_right = head[0] == 0xFF
        ends_wrong = has_signature and not head[9] & 1
        if not begins_right or ends_wrong:
            speaks_http = head[:1] == b"H"
            kind = "speaks HTTP and" if speaks_http else "speaks"
            raise LinkError(f"{kind} no ZMTP: it is no backend; check host and port")
        if has_signature:
            self.progress = HandshakeProgress.SIGNATURE
        if len(head) < GREETING_BYTES:
            return
        mechanism = head[_MECHANISM].rstrip(b"\0")
        if mechanism != b"CURVE" or head[10] < 3:
            raise LinkError("speaks no CurveZMQ: wrong port, or a backend without keys")
        self._head.clear()
        self.progress = HandshakeProgress.GREETING

    def _begin_frame(self) -> None:
        size = int.from_bytes(self._head[1:], "big")
        self._head.clear()
        if size > self._frame_bytes_max:
            raise LinkError(f"sent a frame of {size} bytes, more than {self._frame_bytes_max}")
        is_sealed = self.progress is HandshakeProgress.READY
        least = SEALED_BYTES if is_sealed else 1
        if size < least:
            raise LinkError(f"sent a frame of {size} bytes, less than {least}: it is no backend")
        self._size = size
        self._body_left = size
        self._name.clear()

    def _take_body(self, data: bytes, at: int) -> int:
        taken = min(self._body_left, len(data) - at)
        if self.progress < HandshakeProgress.READY:
            name_bytes = min(taken, _NAME_BYTES - len(self._name))
            self._name += data[at : at + name_bytes]
        self._body_left -= taken
        if self._body_left == 0:
            self._end_frame()
        return taken

    def _end_frame(self) -> None:
        """Count a whole frame, or see how far the handshake has come with it."""
        self.frames += 1
        if self.progress is HandshakeProgress.READY:
            self._unread.append(self._size)
            self.unread_bytes += self._size
            return
        name = bytes(self._name)
        if name.startswith(b"\x07WELCOME"):
            self.progress = HandshakeProgress.UNPROVEN
        elif name.startswith(b"\x05READY"):
            self.progress = HandshakeProgress.READY
        elif name.startswith(b"\x05ERROR"):
            self.progress = HandshakeProgress.REFUSED
            digits = name[7:10]
            is_status = len(digits) == 3 and digits.isdigit()
            self.status = digits.decode("ascii") if is_status else ""
