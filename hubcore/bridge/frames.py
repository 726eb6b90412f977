"""Messages on a stream of bytes: four bytes with a length before each.

Laws:
1. A frame is the length of its message, four bytes, the highest first, and the message. A message
   has at least one byte.
2. A length above the ceiling, or of 0, is refused as soon as its four bytes have come. Nothing of
   what it announces is kept.
3. However a stream is cut into pieces, it gives the same messages and the same refusal.
4. After a refusal the stream gives nothing any more: nobody can tell where the next frame begins.
5. What is kept is the beginning of one frame: never more than the ceiling and four bytes.
"""

from __future__ import annotations

import struct

from hubcore.errors import FrameError

HEAD_BYTES = 4
LENGTH_MAX = (1 << 8 * HEAD_BYTES) - 1
_length_at = struct.Struct(">I").unpack_from


def frame(message: bytes) -> bytes:
    """Return the frame of a message. Raise FrameError for one that no frame can hold."""
    if not 1 <= len(message) <= LENGTH_MAX:
        raise FrameError(f"frame: a message of {len(message)} bytes, expected 1..{LENGTH_MAX}")
    return len(message).to_bytes(HEAD_BYTES, "big") + message


class Frames:
    """Reads the frames of one connection, in one direction."""

    def __init__(self, ceiling: int) -> None:
        """`ceiling`: the bytes of the longest message that is read."""
        self._ceiling = ceiling
        self._kept = bytearray()
        self._refused = ""

    @property
    def kept_bytes(self) -> int:
        """How much of a frame has come whose end has not."""
        return len(self._kept)

    def allow(self, ceiling: int) -> None:
        """Read messages of so many bytes from now on: the first message has proven its sender."""
        self._ceiling = ceiling

    def feed(self, data: bytes) -> None:
        """Take what has come."""
        if not self._refused:
            self._kept += data

    def next(self) -> bytes | None:
        """Return the next whole message, None until it has come. Raise FrameError for no frame.

        Call it until it returns None before the next `feed`: so law 5 holds. `whole` does the same
        for many messages.
        """
        if self._refused:
            raise FrameError(self._refused)
        if len(self._kept) < HEAD_BYTES:
            return None
        size = int.from_bytes(self._kept[:HEAD_BYTES], "big")
        if not 1 <= size <= self._ceiling:
            self._refused = f"frame: a message of {size} bytes, expected 1..{self._ceiling}"
            self._kept.clear()
            raise FrameError(self._refused)
        end = HEAD_BYTES + size
        if len(self._kept) < end:
            return None
        message = bytes(self._kept[HEAD_BYTES:end])
        del self._kept[:end]
        return message

    def whole(self, most: int) -> list[bytes]:
        """Return the next whole messages, at most so many; none until one has come.

        Raise FrameError for no frame. What came before that one is returned first, so call it until
        it returns none.
        """
        if self._refused:
            raise FrameError(self._refused)
        found: list[bytes] = []
        at = 0
        last_head = len(self._kept) - HEAD_BYTES
        with memoryview(self._kept) as kept:
            while len(found) < most and at <= last_head:
                begins = at + HEAD_BYTES
                end = begins + _length_at(kept, at)[0]
                if not begins < end <= min(len(kept), begins + self._ceiling):
                    break
                found.append(bytes(kept[begins:end]))
                at = end
        del self._kept[:at]
        if not found:
            self.next()  # it refuses a length that no message has
        return found
