"""Deterministic CBOR (RFC 8949, 4.2.1): one value has one encoding, and no other is ever read.

Laws:
1. `decode` looks at every head before cbor2 builds anything. So work and memory are bounded first.
2. It refuses indefinite lengths, heads longer than needed, trailing bytes, and keys that are
   unsorted or repeated. So two readers never see two meanings.
3. It refuses floats, `undefined` and other simple values, and tags and booleans that the caller
   does not allow. In Python `True == 1`: a reader must not meet one where it expects the other.
4. It refuses nesting beyond a limit, more items than the caller's ceiling, and counts larger than
   the bytes that are left.
5. Shared references (tags 28 and 29) are refused, whatever the caller allows: a value that holds
   itself has no end.

`Cursor` reads what is too large, or too little proven, to be built at once: item by item, by a
shape that its caller knows. It keeps the same laws and builds nothing but the item asked for.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import cbor2

from hubcore.errors import FrameError

MAX_DEPTH = 8
"""Arrays, maps and tags inside one another, the outermost counted."""

MAX_ITEMS = 1024
"""Heads in one value: every string, number, array, map and tag, keys too.

A byte may be a head and cost 72 in memory. It is enough for every message and document of a phone
but a grant's scope, whose reader asks for more.
"""

SHARED_REFERENCES = frozenset({28, 29})
"""Tags by which a value may hold itself (cbor.schmorp.de/value-sharing)."""

Tag = cbor2.CBORTag


def _read(shape: str) -> Callable[[bytes, int], tuple[int]]:
    return struct.Struct(shape).unpack_from


UINT = 0
"""The major type of a whole number."""
BYTES = 2
"""The major type of a byte string."""
_UINT, _NINT, _BSTR, _TSTR, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_FALSE = 20
_TRUE = 21
_NULL = 22
_NULL_HEAD = 0xF6
_ONLY_NULL = (_NULL,)
_SIMPLES = (_FALSE, _TRUE, _NULL)
_LONG = 24
"""A smaller argument stands in the head's first byte; from here on, it follows in bytes."""
_FOLLOWING = {24: _read(">B"), 25: _read(">H"), 26: _read(">I"), 27: _read(">Q")}
"""What reads the argument that follows."""
_HEAD_BYTES = {24: 2, 25: 3, 26: 5, 27: 9}
_SHORTEST = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}
"""The smallest argument that needs so many."""


def encode(value: Any) -> bytes:
    """Return the deterministic encoding of a value.

    It is of ints, bytes, str, bool, None, lists, tuples, dicts and `Tag`.
    """
    return cbor2.dumps(_ordered(value))


def encode_flat(value: Any) -> bytes:
    """Return the same as `encode`, faster: the keys of every map must be in order already."""
    return cbor2.dumps(value)


_key_bytes = lru_cache(256, typed=True)(cbor2.dumps)
"""A map's keys are ordered by their encodings.

Few keys are ever used. `typed`, because `True == 1`.
"""


def in_order(fields: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the same map with its keys in order, for `encode_flat`."""
    keys = sorted(fields, key=_key_bytes)
    return {key: fields[key] for key in keys}


def _ordered(value: Any) -> Any:
    """Return the value with the keys of its maps in the order of RFC 8949.

    cbor2's own `canonical` has the order of RFC 7049, shorter keys first.
    """
    if type(value) in _LEAVES:
        return value
    if isinstance(value, dict):
        return {key: _ordered(item) for key, item in in_order(value).items()}
    if isinstance(value, _ARRAYS):
        return [_ordered(item) for item in value]
    if isinstance(value, Tag):
        return Tag(value.tag, _ordered(value.value))
    return value


_LEAVES = frozenset({int, str, bytes, bool, type(None)})
_ARRAYS = (list, tuple)


def decode(
    data: bytes,
    tags: frozenset[int] = frozenset(),
    max_depth: int = MAX_DEPTH,
    booleans: bool = False,
    max_items: int = MAX_ITEMS,
) -> Any:
    """Return the one value that `data` encodes, of at most `max_items` heads.

    Arrays come back as lists, tags as `Tag`. Raise FrameError for anything that is not exactly one
    deterministic encoding of allowed types, and ValueError when the caller allows a shared
    reference.
    """
    if tags & SHARED_REFERENCES:
        raise ValueError("CBOR: shared references are never read")
    simples = _SIMPLES if booleans else _ONLY_NULL
    scan = _Scan(data, tags, simples, max_items)
    end = scan.value(0, max_depth)
    if end != len(data):
        raise FrameError(f"CBOR: {len(data) - end} bytes after the end of the value")
    try:
        value = cbor2.loads(data)
        return _plain(value) if tags else value
    except _NOT_SCANNED as error:
        raise FrameError(f"CBOR: {error}") from error


_NOT_SCANNED = (cbor2.CBORError, ValueError, TypeError)
"""What cbor2 says of text that is no UTF-8: the scan does not look at it."""


def _plain(value: Any) -> Any:
    """Return arrays as lists and maps as dicts: in tags cbor2 6 makes tuples and frozen dicts."""
    if isinstance(value, Tag):
        return Tag(value.tag, _plain(value.value))
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def write_head(major: int, argument: int) -> bytes:
    """Return the shortest head of a value: its major type, and a number, a length or a count."""
    kind = major << 5
    if argument < _LONG:
        return _BYTE(kind | argument)
    if argument < 1 << 8:
        return _TWO_BYTES(kind | 24, argument)
    if argument < 1 << 16:
        return _THREE_BYTES(kind | 25, argument)
    if argument < 1 << 32:
        return _FIVE_BYTES(kind | 26, argument)
    return _NINE_BYTES(kind | 27, argument)


def read_head(data: bytes, at: int, major: int) -> tuple[int, int]:
    """Return what the head at `at` says, and the index after it. Raise FrameError.

    It must be of this major type, and as short as it can be.
    """
    first = data[at] if at < len(data) else -1
    if first >> 5 != major:
        raise FrameError(f"CBOR: an item of another kind than expected at byte {at}")
    short = first & 0x1F
    return (short, at + 1) if short < _LONG else _long_head(data, at)


_BYTE = struct.Struct(">B").pack
_TWO_BYTES = struct.Struct(">BB").pack
_THREE_BYTES = struct.Struct(">BH").pack
_FIVE_BYTES = struct.Struct(">BI").pack
_NINE_BYTES = struct.Struct(">BQ").pack


def _long_head(data: bytes, at: int) -> tuple[int, int]:
    """Return the argument that follows the first byte of a head, and the index after it."""
    major = data[at] >> 5
    info = data[at] & 0x1F
    follows = _FOLLOWING.get(info)
    if follows is None:
        raise FrameError("CBOR: indefinite length or reserved head")
    try:
        (argument,) = follows(data, at + 1)
    except struct.error:
        raise FrameError("CBOR: the data ends inside a head") from None
    if major == _SIMPLE or argument < _SHORTEST[info]:
        raise FrameError("CBOR: float, simple value or a head longer than needed")
    return argument, at + _HEAD_BYTES[info]


class _Scan:
    """The look at every head before anything is built; it counts them."""

    def __init__(
        self,
        data: bytes,
        tags: frozenset[int],
        simples: tuple[int, ...],
        max_items: int,
    ) -> None:
        self._data = data
        self._tags = tags
        self._simples = simples
        self._items_left = max_items

    def value(self, at: int, depth: int) -> int:
        """Check the value at `at`; return the index after it."""
        data = self._data
        if at >= len(data):
            raise FrameError("CBOR: the data ends inside a value")
        if self._items_left == 0:
            raise FrameError("CBOR: more items than its reader takes")
        self._items_left -= 1
        head = data[at]
        major = head >> 5
        argument = head & 0x1F
        if argument < _LONG:
            at += 1
        else:
            argument, at = _long_head(data, at)
        if major <= _NINT:
            return at
        if major <= _TSTR:
            if argument > len(data) - at:
                raise FrameError("CBOR: a string longer than the data")
            return at + argument
        if major == _SIMPLE:
            if argument not in self._simples:
                raise FrameError("CBOR: simple value not allowed")
            return at
        if depth == 0:
            raise FrameError("CBOR: nested too deep")
        return self._content(at, major, argument, depth - 1)

    def _content(self, at: int, major: int, argument: int, depth: int) -> int:
        """Check what is inside an array, a map or a tag; return the index after it."""
        if major == _TAG:
            if argument not in self._tags:
                raise FrameError(f"CBOR: tag {argument} not allowed")
            return self.value(at, depth)
        if argument > len(self._data) - at:
            raise FrameError("CBOR: more items announced than bytes are left")
        if major == _MAP:
            return self._map(at, argument, depth)
        for _ in range(argument):
            at = self.value(at, depth)
        return at

    def _map(self, at: int, pairs: int, depth: int) -> int:
        data = self._data
        previous = b""
        for _ in range(pairs):
            start = at
            at = self._key(start)
            key = data[start:at]
            if key <= previous:
                raise FrameError("CBOR: map keys unsorted or repeated")
            previous = key
            at = self.value(at, depth)
        return at

    def _key(self, at: int) -> int:
        """Check a map's key; it holds nothing, so it has no depth."""
        data = self._data
        if at < len(data) and data[at] >> 5 > _TSTR:
            raise FrameError("CBOR: a map key that is no integer or string")
        return self.value(at, 0)


class Cursor:
    """Reads `data` by a shape that the caller knows.

    Each method takes one head, or one string, and goes on after it. It raises FrameError when
    something else stands there. Arrays and maps give their count, and the caller reads that many
    items or pairs: nothing is built for them.
    """

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self._at = at

    @property
    def at(self) -> int:
        """How many bytes have been read."""
        return self._at

    def tag(self, number: int) -> None:
        """Pass the tag of that number."""
        if self._head(_TAG) != number:
            raise FrameError(f"CBOR: tag {number} is expected")

    def array(self) -> int:
        """Pass the head of an array; return how many items follow."""
        return self._count(_ARRAY, 1)

    def map(self) -> int:
        """Pass the head of a map; return how many pairs follow.

        The caller looks at the order of its keys.
        """
        return self._count(_MAP, 2)

    def uint(self, highest: int = (1 << 64) - 1) -> int:
        """Return the whole number here, 0..highest."""
        number = self._head(_UINT)
        if number > highest:
            raise FrameError(f"CBOR: {number} is more than {highest}")
        return number

    def uint_or_null(self, highest: int) -> int | None:
        """Return the whole number here, 0..highest, or None for null."""
        return None if self._pass_null() else self.uint(highest)

    def key(self, label: int) -> None:
        """Pass a map's key, the integer `label`."""
        major = _UINT if label >= 0 else _NINT
        argument = label if label >= 0 else -1 - label
        if self._head(major) != argument:
            raise FrameError(f"CBOR: the key {label} is expected")

    def string(self, shortest: int, longest: int) -> bytes:
        """Return the byte string here, of `shortest`..`longest` bytes."""
        return self._string(_BSTR, shortest, longest)

    def string_or_null(self, shortest: int, longest: int) -> bytes | None:
        """Return the byte string here, of `shortest`..`longest` bytes, or None for null."""
        return None if self._pass_null() else self.string(shortest, longest)

    def array_or_null(self) -> int | None:
        """Pass the head of an array and return how many items follow, or pass null: None."""
        return None if self._pass_null() else self.array()

    def text(self, shortest: int, longest: int) -> str:
        """Return the text here, of `shortest`..`longest` bytes of UTF-8."""
        try:
            return self._string(_TSTR, shortest, longest).decode()
        except UnicodeDecodeError as error:
            raise FrameError("CBOR: text that is no UTF-8") from error

    def whole(self, max_items: int) -> bytes:
        """Return the encoding of the value here: without tags, of at most `max_items` heads."""
        start = self._at
        scan = _Scan(self._data, frozenset(), _ONLY_NULL, max_items)
        self._at = scan.value(start, MAX_DEPTH)
        return self._data[start : self._at]

    def end(self) -> None:
        """Raise FrameError unless all has been read."""
        left = len(self._data) - self._at
        if left:
            raise FrameError(f"CBOR: {left} bytes after the end of the value")

    def _pass_null(self) -> bool:
        is_null = self._at < len(self._data) and self._data[self._at] == _NULL_HEAD
        self._at += is_null
        return is_null

    def _head(self, major: int) -> int:
        said, self._at = read_head(self._data, self._at, major)
        return said

    def _count(self, major: int, least_bytes: int) -> int:
        count = self._head(major)
        if count * least_bytes > len(self._data) - self._at:
            raise FrameError("CBOR: more items announced than bytes are left")
        return count

    def _string(self, major: int, shortest: int, longest: int) -> bytes:
        size = self._head(major)
        if not shortest <= size <= longest:
            raise FrameError(f"CBOR: a string of {size} bytes, expected {shortest}..{longest}")
        start = self._at
        self._at += size
        if self._at > len(self._data):
            raise FrameError("CBOR: a string longer than the data")
        return self._data[start : self._at]
