"""A page of a policy: the few rows among which a look-up finds its own.

Laws:
1. A page is one deterministic CBOR array of three byte strings: the keys, KEY_BYTES each and
   rising; where each row ends, two bytes each; the rows, one after the other.
2. The key of a row is the start of the SHA-256 of its id. So rows spread evenly, whatever the ids.
3. A look-up reads one row and builds nothing for the others.
4. A page is believed by its hash alone (`hubcore.policy.tree`): who finds a row has looked at that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from hubcore.codec import cbor
from hubcore.codec.cbor import Cursor
from hubcore.errors import FrameError

KEY_BYTES = 16
PAGE_BYTES = 64 * 1024
"""Of the largest page; the usual one has some 4 KiB."""
PAGE_BEGIN_BYTES = 4
"""So much of a page says how many rows it has."""
_END_BYTES = 2
_ROWS_MAX = PAGE_BYTES // (KEY_BYTES + _END_BYTES)

Row = tuple[bytes, bytes]
"""A key and what stands under it."""


def key_of(identity: bytes) -> bytes:
    """Return the key of what has that id."""
    return sha256(identity).digest()[:KEY_BYTES]


def write_page(rows: Sequence[Row]) -> bytes:
    """Return the page of these rows, whose keys rise. Raise ValueError for keys that do not."""
    ends = bytearray()
    end = 0
    before = b""
    for key, row in rows:
        if len(key) != KEY_BYTES or key <= before:
            raise ValueError("two rows of a page have one key, or their keys do not rise")
        before = key
        end += len(row)
        ends += end.to_bytes(_END_BYTES, "big")
    keys = b"".join(key for key, _ in rows)
    return cbor.encode([keys, bytes(ends), b"".join(row for _, row in rows)])


def page_bytes(rows: int, row_bytes: int) -> int:
    """Return at most how many bytes a page of so many rows with so many bytes has."""
    return 16 + rows * (KEY_BYTES + _END_BYTES) + row_bytes


def rows_in(begin: bytes) -> int:
    """Return how many rows a page has that begins like this. Raise FrameError."""
    width = {0x58: 1, 0x59: 2}.get(begin[1] if len(begin) > 1 else 0, 0)
    if width:
        keys = int.from_bytes(begin[2 : 2 + width], "big")
    else:
        keys = begin[1] - 0x40 if len(begin) > 1 else -1
    if begin[:1] != b"\x83" or len(begin) < 2 + width or keys % KEY_BYTES or keys < 0:
        raise FrameError("a page is [keys, ends, rows]")
    return keys // KEY_BYTES


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was split into its three strings."""

    keys: bytes
    ends: bytes
    rows: bytes

    @classmethod
    def read(cls, data: bytes) -> Page:
        """Split a page. Raise FrameError for what has not its shape."""
        cursor = Cursor(data)
        if cursor.array() != 3:
            raise FrameError("a page is [keys, ends, rows]")
        keys = cursor.string(0, _ROWS_MAX * KEY_BYTES)
        count, rest = divmod(len(keys), KEY_BYTES)
        if rest:
            raise FrameError("a page whose keys have another width")
        ends = cursor.string(count * _END_BYTES, count * _END_BYTES)
        rows = cursor.string(0, PAGE_BYTES)
        cursor.end()
        return cls(keys, ends, rows)

    def find(self, key: bytes) -> bytes | None:
        """Return the row under a key, None when there is none. Raise FrameError."""
        low = 0
        high = len(self.keys) // KEY_BYTES
        while low < high:
            middle = (low + high) // 2
            if self._key(middle) < key:
                low = middle + 1
            else:
                high = middle
        if self._key(low) != key:
            return None
        return self._row(low)

    def all(self) -> Iterator[Row]:
        """Yield all rows, each checked against the one before it. Raise FrameError."""
        before = b""
        for number in range(len(self.keys) // KEY_BYTES):
            key = self._key(number)
            if key <= before:
                raise FrameError("the keys of a page do not rise")
            before = key
            yield key, self._row(number)
        if self._end(len(self.keys) // KEY_BYTES - 1) != len(self.rows):
            raise FrameError("a page with bytes behind its last row")

    def _key(self, number: int) -> bytes:
        return self.keys[number * KEY_BYTES : (number + 1) * KEY_BYTES]

    def _row(self, number: int) -> bytes:
        begin = self._end(number - 1)
        end = self._end(number)
        if not begin <= end <= len(self.rows):
            raise FrameError("a page whose rows end where there are none")
        return self.rows[begin:end]

    def _end(self, number: int) -> int:
        """Return where the row of that number ends; 0 before the first."""
        if number < 0:
            return 0
        at = number * _END_BYTES
        return int.from_bytes(self.ends[at : at + _END_BYTES], "big")
