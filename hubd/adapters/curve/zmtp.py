"""What can be seen of ZMTP from outside (ZeroMQ RFC 23, 26 and 37): the greeting, the handshake's
words, frames' sizes.

Laws:
1. What is inside a frame stays sealed; sizes, and the names of the handshake's commands, are all
   that is read.
2. A frame longer than the ceiling is refused at its head, before its body is taken; so is one
   shorter than any of its place: empty during the handshake, or less than a sealed message after
   it.
3. No more frames are looked at in one turn than the caller asks for.
4. Only greetings of a CURVE server pass; what else answers is named in the error.
5. A WELCOME proves nothing before libzmq has answered it: libzmq does so only when the backend's
   key opened it.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum

from hubcore.errors import LinkError

GREETING_BYTES = 64
_SIGNATURE_BYTES = 10
_MECHANISM = slice(12, 32)
_LONG = 0x02
SEALED_BYTES = 33
"""What CURVE adds to a part of a message: name 8, nonce 8, authenticator 16, flags 1 (RFC 26)."""
FRAMES_A_TURN = 64
"""Some hundred bytes can be many frames; after so many the doors have their turn."""
_NAME_BYTES = 12
"""As much of a frame as is looked at during the handshake: the longest is an ERROR with its three
digits.
"""


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


class Listener:
    """Reads what the backend sends, as it comes, and knows what libzmq has not handed over yet."""

    def __init__(self, frame_bytes_max: int) -> None:
        self.heard = HandshakeProgress.NOTHING
        self.status = ""
        """Of a refusal: the three digits that ZAP gave, "" for anything else.

        Nothing proves who sent them.
        """
        self.unread_bytes = 0
        """Of whole frames that came after the handshake and that no message handed over by libzmq
        accounts for.
        """
        self.frames = 0
        """Seen so far."""
        self._unread: deque[int] = deque()
        self._said_bytes = 0
        self._frame_bytes_max = frame_bytes_max
        self._head = bytearray()
        self._body_left = 0
        self._size = 0
        self._name = bytearray()

    @property
    def unread_frames(self) -> int:
        """How many whole frames are not accounted for."""
        return len(self._unread)

    def take(self, data: bytes, at: int = 0, frames_max: int = FRAMES_A_TURN) -> int:
        """Look at the next bytes from the backend, from `at` on; return where to go on in the next
        turn.

        A turn ends with the data, or with so many whole frames. Raise LinkError for what must not
        be carried on.
        """
        last_frame = self.frames + frames_max
        while at < len(data) and self.frames < last_frame:
            at += (
                self._body(data, at)
                if self._body_left
                else self._before_body(data[at : at + GREETING_BYTES])
            )
        return at

    def said(self, size: int) -> None:
        """libzmq sent so many bytes more to the backend."""
        self._said_bytes += size
        if (
            self.heard is HandshakeProgress.UNPROVEN
            and self._said_bytes > GREETING_BYTES + HELLO_BYTES
        ):
            self.heard = HandshakeProgress.WELCOME

    def handed_over(self, part_bytes: int) -> None:
        """libzmq gave a part of a message: it, and what came before it, is in its memory no
        longer.
        """
        while self._unread:
            size = self._unread.popleft()
            self.unread_bytes -= size
            if size == part_bytes + SEALED_BYTES:
                return

    def _before_body(self, data: bytes) -> int:
        """Take bytes of the greeting or of a frame's head; return how many."""
        wanted = self._wanted()
        taken = data[: wanted - len(self._head)]
        self._head += taken
        if self.heard < HandshakeProgress.GREETING:
            self._greeted()
        elif len(self._head) == self._wanted():
            self._begin_frame()
        return len(taken)

    def _wanted(self) -> int:
        if self.heard < HandshakeProgress.GREETING:
            return GREETING_BYTES
        if not self._head:
            return 1
        return 9 if self._head[0] & _LONG else 2

    def _greeted(self) -> None:
        head = bytes(self._head)
        if head[0] != 0xFF or (len(head) >= _SIGNATURE_BYTES and not head[9] & 1):
            kind = (
                "speaks HTTP and"
                if b"HTTP/".startswith(head[:5]) or b"HTTP/".startswith(head[:1])
                else "speaks"
            )
            raise LinkError(f"{kind} no ZMTP: it is no backend; check host and port")
        if len(head) >= _SIGNATURE_BYTES:
            self.heard = HandshakeProgress.SIGNATURE
        if len(head) < GREETING_BYTES:
            return
        mechanism = head[_MECHANISM].rstrip(b"\0")
        if mechanism != b"CURVE" or head[10] < 3:
            raise LinkError("speaks no CurveZMQ: wrong port, or a backend without keys")
        self._head.clear()
        self.heard = HandshakeProgress.GREETING

    def _begin_frame(self) -> None:
        size = int.from_bytes(self._head[1:], "big")
        self._head.clear()
        if size > self._frame_bytes_max:
            raise LinkError(f"sent a frame of {size} bytes, more than {self._frame_bytes_max}")
        least = SEALED_BYTES if self.heard is HandshakeProgress.READY else 1
        if size < least:
            raise LinkError(f"sent a frame of {size} bytes, less than {least}: it is no backend")
        self._size = self._body_left = size
        self._name.clear()

    def _body(self, data: bytes, at: int) -> int:
        taken = min(self._body_left, len(data) - at)
        if self.heard < HandshakeProgress.READY:
            self._name += data[at : at + min(taken, _NAME_BYTES - len(self._name))]
        self._body_left -= taken
        if self._body_left == 0:
            self._frame()
        return taken

    def _frame(self) -> None:
        """A whole frame has come."""
        self.frames += 1
        if self.heard is HandshakeProgress.READY:
            self._unread.append(self._size)
            self.unread_bytes += self._size
            return
        name = bytes(self._name)
        if name.startswith(b"\x07WELCOME"):
            self.heard = HandshakeProgress.UNPROVEN
        elif name.startswith(b"\x05READY"):
            self.heard = HandshakeProgress.READY
        elif name.startswith(b"\x05ERROR"):
            self.heard = HandshakeProgress.REFUSED
            digits = name[7:10]
            self.status = digits.decode("ascii") if len(digits) == 3 and digits.isdigit() else ""
