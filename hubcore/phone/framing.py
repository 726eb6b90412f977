"""Frames: how one message travels in pieces of the size of an ATT value, in either direction.

    flags(1) | session id(4) | seq(1) | total length(2, big-endian, first frame only) | payload

`flags`: protocol version in the high four bits, FIRST, LAST, ACK, BYE in the low ones. `seq` counts
the frames of one direction from 0 with each challenge, modulo 256. An ACK (no payload, `seq` of the
frame acknowledged) and a BYE are not counted themselves.

Laws: a message announces its length and no byte is kept beyond it; one message is in assembly at a
time; a frame that is refused leaves nothing behind; a gap ends the session; at most WINDOW frames
of a message go out unacknowledged: the receiver acknowledges every WINDOW-th frame of a message,
the last one of it excepted.
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


_FIRST, _LAST, _ACK, _BYE = (int(flag) for flag in Flag)
"""The same as plain integers: the operators of an IntFlag cost more than all the rest of a frame.
"""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, checked for shape only. `flags` is bits of `Flag`, ACK or BYE alone; `total` a
    first frame's message's length in bytes.
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
    sid = data[1 : 1 + SID_BYTES]
    seq = data[1 + SID_BYTES]
    if flags & (_ACK | _BYE):
        if flags not in (_ACK, _BYE) or len(data) != HEADER_BYTES:
            raise FrameError("frame: an ACK or BYE has its flag alone and no payload")
        return Frame(
            flags=flags,
            sid=sid,
            seq=seq,
            total=0,
            payload=b"",
        )
    if not flags & _FIRST:
        if len(data) == HEADER_BYTES:
            raise FrameError("frame: no payload")
        return Frame(
            flags=flags,
            sid=sid,
            seq=seq,
            total=0,
            payload=data[HEADER_BYTES:],
        )
    total = int.from_bytes(data[HEADER_BYTES:FIRST_HEADER_BYTES], "big")
    if len(data) <= FIRST_HEADER_BYTES or not 1 <= total <= MESSAGE_BYTES_MAX:
        raise FrameError(
            f"frame: a first frame announces 1..{MESSAGE_BYTES_MAX} bytes and brings some"
        )
    return Frame(
        flags=flags,
        sid=sid,
        seq=seq,
        total=total,
        payload=data[FIRST_HEADER_BYTES:],
    )


def control_frame(flag: int, sid: bytes, seq: int) -> bytes:
    """Return an ACK of frame `seq`, or a BYE."""
    return bytes([FRAMING_VERSION << 4 | flag]) + sid + bytes([seq])


class Inbound:
    """Joins the frames of one session into messages.

    A phone, which may meet a frame both by notification and by reading, gives `repeats=True`: what
    it has is ignored.
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
        """Tell whether a message has begun and not ended."""
        return self._total > 0

    @property
    def due(self) -> int:
        """Return the number of the next frame."""
        return self._seq

    def accept(self, frame: Frame) -> tuple[bytes | None, bytes | None]:
        """Take a payload frame; return (the message it completes, the ACK it asks for).

        Raise SequenceError for a gap, a repetition or a frame out of place, FrameError for lengths
        that do not add up.
        """
        if frame.seq != self._seq:
            if self._repeats and (self._seq - frame.seq) % 256 <= 128:
                return None, None
            raise SequenceError(f"frame: number {frame.seq} where {self._seq} is due")
        if bool(frame.flags & _FIRST) == self.assembling:
            raise SequenceError(
                "frame: a message begins inside another, or goes on before it began"
            )
        total = frame.total if frame.flags & _FIRST else self._total
        have = len(self._parts) + len(frame.payload)
        if have > total or (have == total) != bool(frame.flags & _LAST):
            raise FrameError("frame: the message is longer or shorter than announced")
        if frame.flags & _FIRST:
            self._total = total
            self._in_message = 0
        self._parts += frame.payload
        self._seq = (frame.seq + 1) % 256
        self._in_message += 1
        if frame.flags & _LAST:
            message = bytes(self._parts)
            self._parts.clear()
            self._total = 0
            return message, None
        return None, control_frame(
            _ACK, self.sid, frame.seq
        ) if self._in_message % WINDOW == 0 else None


class Outbound:
    """Cuts the messages of one session into frames; they leave by notification within the window,
    or are pulled.
    """

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
        seqs = [frame[SEQ_AT] for frame in self._unseen]
        for _ in range(seqs.index(seq) + 1 if seq in seqs else 0):
            self._unseen.popleft()
            self._outstanding = max(0, self._outstanding - 1)

    def pull(self, mtu: int) -> bytes:
        """Return the oldest frame the peer may lack, for a read of TXR; b'' when there is none."""
        if self._unseen:
            self._outstanding = max(0, self._outstanding - 1)
            return self._unseen.popleft()
        return self._cut(mtu) if self._something_left() else b""

    def answered(self) -> None:
        """The peer sent its next message, so it has what came before."""
        self._unseen.clear()
        self._outstanding = 0

    def _something_left(self) -> bool:
        """Make sure that something is left to cut; False when all is out."""
        if not self._rest and self._waiting:
            self._rest = self._waiting.popleft()
            self._begun = False
            self._outstanding = 0
        return bool(self._rest)

    def _cut(self, mtu: int) -> bytes:
        size = min(max(mtu, MTU_MIN) - ATT_NOTIFY_OVERHEAD, FRAME_BYTES_MAX)
        flags, head = (0, b"") if self._begun else (_FIRST, len(self._rest).to_bytes(2, "big"))
        room = size - HEADER_BYTES - len(head)
        payload = self._rest[:room]
        self._rest = self._rest[room:]
        self._begun = True
        if not self._rest:
            flags |= _LAST
        frame = control_frame(flags, self._sid, self._seq) + head + payload
        self._seq = (self._seq + 1) % 256
        return frame
