"""Deterministic CBOR (RFC 8949, 4.2.1): one value, one encoding, and nothing else is ever read.

Law: `decode` looks at every head before cbor2 builds anything. It refuses indefinite lengths, heads
longer than needed, keys unsorted or repeated, floats, `undefined` and other simple values, tags and
booleans not allowed by the caller (in Python `True == 1`, so a reader must not meet one where it
expects the other), nesting beyond a limit, more items than the caller's ceiling, counts larger than
the bytes that are left, and trailing bytes. Shared references (tags 28 and 29) are refused whatever
the caller allows: a value that holds itself has no end. So work and memory are bounded before
anything is built, and two readers can never see two meanings.

`Cursor` reads what is too large, or too little proven, to be built at once: item by item, by a
shape that its caller knows. It keeps the same rules and makes nothing but the item asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import cbor2

from hubcore.errors import FrameError

MAX_DEPTH = 8
"""Arrays, maps and tags inside one another, the outermost counted."""

MAX_ITEMS = 1024
"""Heads in one value: every string, number, array, map and tag, keys too. A byte may be a head and
cost 72 in memory.

It is enough for every message and document of a phone but a grant's scope, whose reader asks for
more.
"""

SHARED_REFERENCES = frozenset({28, 29})
"""Tags by which a value may hold itself (cbor.schmorp.de/value-sharing)."""

Tag = cbor2.CBORTag

_UINT, _NINT, _BSTR, _TSTR, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_FALSE = 20
_TRUE = 21
_NULL = 22
_ONLY_NULL = (_NULL,)
_SIMPLES = (_FALSE, _TRUE, _NULL)
_FOLLOWING = {24: 1, 25: 2, 26: 4, 27: 8}
_SHORTEST = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}


def encode(value: Any) -> bytes:
    """Return the deterministic encoding of ints, bytes, str, bool, None, lists, tuples, dicts and
    `Tag`.
    """
    return cbor2.dumps(_ordered(value))


def encode_flat(value: Any) -> bytes:
    """Return the same as `encode`, faster, of a value without maps, or with maps whose keys stand
    in order already.
    """
    return cbor2.dumps(value)


_key_bytes = lru_cache(256, typed=True)(cbor2.dumps)
"""What maps are ordered by: the encoding of a key.

Few keys are ever used; `typed`, for `True == 1`.
"""


def _ordered(value: Any) -> Any:
    """Maps with their keys sorted as RFC 8949 wants; cbor2's own `canonical` sorts as RFC 7049 did,
    shorter first.
    """
    if type(value) in _LEAVES:
        return value
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value, key=_key_bytes)}
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
    """Return the one value that `data` encodes, of at most `max_items` heads; arrays come back as
    lists, tags as `Tag`.

    Raise FrameError for anything that is not exactly one deterministic encoding of allowed types,
    and ValueError when the caller allows a shared reference.
    """
    if tags & SHARED_REFERENCES:
        raise ValueError("CBOR: shared references are never read")
    end = _Scan(
        data=data,
        tags=tags,
        simples=_SIMPLES if booleans else _ONLY_NULL,
        max_items=max_items,
    ).value(0, max_depth)
    if end != len(data):
        raise FrameError(f"CBOR: {len(data) - end} bytes after the end of the value")
    try:
        value = cbor2.loads(data)
        return _plain(value) if tags else value
    except (
        cbor2.CBORError,
        ValueError,
        TypeError,
    ) as error:  # what the scan does not look at: UTF-8 of text
        raise FrameError(f"CBOR: {error}") from error


def _plain(value: Any) -> Any:
    """Arrays as lists and maps as dicts: cbor2 6 makes tuples and frozen dicts of them
    inside tags.
    """
    if isinstance(value, Tag):
        return Tag(value.tag, _plain(value.value))
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _long_head(data: bytes, at: int) -> tuple[int, int]:
    """Read the argument of the head at `at`, which does not fit in its first byte: (argument, index
    after it).
    """
    major = data[at] >> 5
    info = data[at] & 0x1F
    if info not in _FOLLOWING:
        raise FrameError("CBOR: indefinite length or reserved head")
    end = at + 1 + _FOLLOWING[info]
    if end > len(data):
        raise FrameError("CBOR: the data ends inside a head")
    argument = int.from_bytes(data[at + 1 : end], "big")
    if major == _SIMPLE or argument < _SHORTEST[info]:
        raise FrameError("CBOR: float, simple value or a head longer than needed")
    return argument, end


class _Scan:
    """The look at every head before anything is built; it counts them."""

    def __init__(
        self, data: bytes, tags: frozenset[int], simples: tuple[int, ...], max_items: int
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
        self._items_left -= 1
        if self._items_left < 0:
            raise FrameError("CBOR: more items than its reader takes")
        head = data[at]
        major = head >> 5
        argument = head & 0x1F
        if argument < 24:
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
        if major == _TAG:
            if argument not in self._tags:
                raise FrameError(f"CBOR: tag {argument} not allowed")
            return self.value(at, depth - 1)
        if argument > len(data) - at:
            raise FrameError("CBOR: more items announced than bytes are left")
        if major == _ARRAY:
            for _ in range(argument):
                at = self.value(at, depth - 1)
            return at
        return self._map(at, argument, depth - 1)

    def _map(self, at: int, pairs: int, depth: int) -> int:
        data = self._data
        previous = b""
        for _ in range(pairs):
            start = at
            if data[at : at + 1] and data[at] >> 5 > _TSTR:
                raise FrameError("CBOR: a map key that is no integer or string")
            at = self.value(at, depth)
            key = data[start:at]
            if key <= previous:
                raise FrameError("CBOR: map keys unsorted or repeated")
            previous = key
            at = self.value(at, depth)
        return at


class Cursor:
    """Reads `data` by a shape that the caller knows. Each method takes one head, or one string, and
    goes on after it.

    Every method raises FrameError when what stands there is something else. Arrays and maps give
    their count, and the caller reads that many items or pairs; nothing is built for them.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

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

    def key(self, label: int) -> None:
        """Pass a map's key, the integer `label`."""
        major, argument = (_UINT, label) if label >= 0 else (_NINT, -1 - label)
        if self._head(major) != argument:
            raise FrameError(f"CBOR: the key {label} is expected")

    def string(self, shortest: int, longest: int) -> bytes:
        """Return the byte string here, of `shortest`..`longest` bytes."""
        return self._string(_BSTR, shortest, longest)

    def text(self, shortest: int, longest: int) -> str:
        """Return the text here, of `shortest`..`longest` bytes of UTF-8."""
        try:
            return self._string(_TSTR, shortest, longest).decode()
        except UnicodeDecodeError as error:
            raise FrameError("CBOR: text that is no UTF-8") from error

    def whole(self, max_items: int) -> bytes:
        """Return the encoding of the whole value here, of at most `max_items` heads, without tags;
        build nothing.
        """
        start = self._at
        self._at = _Scan(
            data=self._data,
            tags=frozenset(),
            simples=_ONLY_NULL,
            max_items=max_items,
        ).value(start, MAX_DEPTH)
        return self._data[start : self._at]

    def end(self) -> None:
        """Raise FrameError unless all has been read."""
        if self._at != len(self._data):
            raise FrameError(f"CBOR: {len(self._data) - self._at} bytes after the end of the value")

    def _head(self, major: int) -> int:
        if self._at >= len(self._data):
            raise FrameError("CBOR: the data ends inside a value")
        head = self._data[self._at]
        if head >> 5 != major:
            raise FrameError(f"CBOR: an item of another kind than expected at byte {self._at}")
        argument = head & 0x1F
        if argument < 24:
            self._at += 1
        else:
            argument, self._at = _long_head(self._data, self._at)
        return argument

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
        self._at = self._at + size
        if self._at > len(self._data):
            raise FrameError("CBOR: a string longer than the data")
        return self._data[start : self._at]
