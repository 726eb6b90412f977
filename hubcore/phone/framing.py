"""Frames: how one message travels in pieces of the size of an ATT value, in either direction.

    flags(1) | session id(4) | seq(1) | total length(2, big-endian, first frame only) | payload

`flags`: protocol version in the high four bits, FIRST, LAST, ACK, BYE in the low ones. `seq` counts
the frames of one direction from 0 with each challenge, modulo 256. An ACK (no payload, `seq` of the
frame acknowledged) and a BYE are not counted themselves.

Laws:
1. A message announces its length, and no byte is kept beyond it.
2. One message is in assembly at a time.
3. A frame that is refused leaves nothing behind.
4. A gap ends the session.
5. At most WINDOW frames of a message are out and not acknowledged. The receiver acknowledges every
   WINDOW-th frame of a message, but not its last.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntFlag

from hubcore.errors import FrameError, SequenceError
from hubcore.phone.messages import MESSAGE_BYTES_MAX, SID_BYTES

FRAMING_VERSION = 1
HEADER_BYTES = 2 + SID_BYTES
FIRST_HEADER_BYTES = 4 + SID_BYTES
MTU_MIN = 23
ATT_NOTIFY_OVERHEAD = 3
FRAME_BYTES_MAX = 244
RECEIVED_BYTES_MAX = 512
WINDOW = 4
QUEUED_MESSAGES_MAX = 4
UNSEEN_FRAMES_MAX = 512
SEQ_AT = 1 + SID_BYTES


class Flag(IntFlag):
    """The low half of the first byte."""

    FIRST = 1
    LAST = 2
    ACK = 4
    BYE = 8


_FIRST = int(Flag.FIRST)
_LAST = int(Flag.LAST)
_ACK = int(Flag.ACK)
_BYE = int(Flag.BYE)
"""The flags as plain integers: an IntFlag's operators cost more than all the rest of a frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, checked for shape only.

    `flags` is bits of `Flag`, ACK or BYE alone. `total` is the length in bytes that a first frame
    announces.
    """

    flags: int
    sid: bytes
    seq: int
    total: int
    payload: bytes


def decode_frame(data: bytes) -> Frame:
    """Read one frame. Raise FrameError."""
    if not HEADER_BYTES <= len(data) <= RECEIVED_BYTES_MAX:
        raise FrameError(f"frame: {len(data)} bytes, not {HEADER_BYTES}..{RECEIVED_BYTES_MAX}")
    if data[0] >> 4 != FRAMING_VERSION:
        raise FrameError(f"frame: version {data[0] >> 4}, not {FRAMING_VERSION}")
    flags = data[0] & 0x0F
    total = 0
    payload_at = HEADER_BYTES
    if flags & (_ACK | _BYE):
        if flags not in (_ACK, _BYE) or len(data) != HEADER_BYTES:
            raise FrameError("frame: an ACK or BYE has its flag alone and no payload")
    elif flags & _FIRST:
        total = int.from_bytes(data[HEADER_BYTES:FIRST_HEADER_BYTES], "big")
        payload_at = FIRST_HEADER_BYTES
        if len(data) <= FIRST_HEADER_BYTES or not 1 <= total <= MESSAGE_BYTES_MAX:
            raise FrameError(
                f"frame: a first frame announces 1..{MESSAGE_BYTES_MAX} bytes and brings some"
            )
    elif len(data) == HEADER_BYTES:
        raise FrameError("frame: no payload")
    return Frame(
        flags=flags,
        sid=data[1:SEQ_AT],
        seq=data[SEQ_AT],
        total=total,
        payload=data[payload_at:],
    )


def control_frame(flag: int, sid: bytes, seq: int) -> bytes:
    """Return an ACK of frame `seq`, or a BYE."""
    return _header(flag, sid, seq)


def _header(flags: int, sid: bytes, seq: int) -> bytes:
    return bytes([FRAMING_VERSION << 4 | flags]) + sid + bytes([seq])


class Inbound:
    """Joins the frames of one session into messages.

    A phone may get a frame twice, by notification and by reading. It gives `repeats=True`: frames
    that it has are ignored.
    """

    def __init__(self, sid: bytes, repeats: bool = False) -> None:
        self.sid = sid
        self._repeats = repeats
        self._seq = 0
        self._total = 0
        self._parts = bytearray()
        self._in_message = 0

    @property
    def assembling(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._total > 0

    @property
    def due(self) -> int:
        """The number of the next frame."""
        return self._seq

    def accept(self, frame: Frame) -> tuple[bytes | None, bytes | None]:
        """Take a payload frame; return (the message it completes, the ACK it asks for).

        Raise SequenceError for a gap, a repetition or a frame out of place, FrameError for lengths
        that do not add up.
        """
        if frame.seq != self._seq:
            behind = (self._seq - frame.seq) % 256
            if self._repeats and behind <= 128:
                return None, None
            raise SequenceError(f"frame: number {frame.seq} where {self._seq} is due")
        is_first = bool(frame.flags & _FIRST)
        is_last = bool(frame.flags & _LAST)
        if is_first == self.assembling:
            raise SequenceError(
                "frame: a message begins inside another, or goes on before it began"
            )
        total = frame.total if is_first else self._total
        have = len(self._parts) + len(frame.payload)
        if have > total or (have == total) != is_last:
            raise FrameError("frame: the message is longer or shorter than announced")
        if is_first:
            self._total = total
            self._in_message = 0
        self._parts += frame.payload
        self._seq = (frame.seq + 1) % 256
        self._in_message += 1
        if is_last:
            message = bytes(self._parts)
            self._parts.clear()
            self._total = 0
            return message, None
        if self._in_message % WINDOW == 0:
            return None, control_frame(_ACK, self.sid, frame.seq)
        return None, None


class Outbound:
    """Cuts the messages of one session into frames, which are notified in the window, or pulled."""

    def __init__(self, sid: bytes) -> None:
        self._sid = sid
        self._waiting: deque[bytes] = deque()
        self._rest = b""
        self._begun = False
        self._seq = 0
        self._unseen: deque[bytes] = deque(maxlen=UNSEEN_FRAMES_MAX)
        self._outstanding = 0

    def load(self, message: bytes) -> None:
        """Queue a message. Raise SequenceError when the peer does not fetch what is queued."""
        if len(self._waiting) >= QUEUED_MESSAGES_MAX:
            raise SequenceError("frame: the peer does not fetch its messages")
        self._waiting.append(message)

    def due(self, mtu: int) -> list[bytes]:
        """Return the frames to notify now, cut for ATT_MTU `mtu`."""
        frames: list[bytes] = []
        while self._something_left() and self._outstanding < WINDOW:
            frame = self._cut(mtu)
            self._unseen.append(frame)
            self._outstanding += 1
            frames.append(frame)
        return frames

    def acknowledged(self, seq: int) -> None:
        """The peer has all frames up to `seq`.

        Raise SequenceError for a frame that was not sent.
        """
        if (seq - self._seq) % 256 < 128:
            raise SequenceError("frame: acknowledged before it was sent")
        unseen = [frame[SEQ_AT] for frame in self._unseen]
        if seq not in unseen:
            return
        for _ in range(unseen.index(seq) + 1):
            self._pop_unseen()

    def pull(self, mtu: int) -> bytes:
        """Return the oldest frame that the peer may not have, for a read of TXR; b'' for none."""
        if self._unseen:
            return self._pop_unseen()
        if self._something_left():
            return self._cut(mtu)
        return b""

    def answered(self) -> None:
        """The peer sent its next message, so it has what came before."""
        self._unseen.clear()
        self._outstanding = 0

    def _pop_unseen(self) -> bytes:
        self._outstanding = max(0, self._outstanding - 1)
        return self._unseen.popleft()

    def _something_left(self) -> bool:
        """Take the next message if the last one is out; False when there is none."""
        if not self._rest and self._waiting:
            self._rest = self._waiting.popleft()
            self._begun = False
            self._outstanding = 0
        return bool(self._rest)

    def _cut(self, mtu: int) -> bytes:
        size = min(max(mtu, MTU_MIN) - ATT_NOTIFY_OVERHEAD, FRAME_BYTES_MAX)
        flags = 0
        total = b""
        if not self._begun:
            flags |= _FIRST
            total = len(self._rest).to_bytes(2, "big")
        room = size - HEADER_BYTES - len(total)
        payload = self._rest[:room]
        self._rest = self._rest[room:]
        self._begun = True
        if not self._rest:
            flags |= _LAST
        frame = _header(flags, self._sid, self._seq) + total + payload
        self._seq = (self._seq + 1) % 256
        return frame
