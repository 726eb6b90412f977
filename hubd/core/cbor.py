"""Deterministic CBOR (RFC 8949, 4.2.1): one value, one encoding, and nothing else is ever read.

Law: `decode` looks at every head before cbor2 builds anything. It refuses indefinite lengths, heads longer than
needed, keys unsorted or repeated, floats, `undefined` and other simple values, tags and booleans not allowed by the
caller (in Python `True == 1`, so a reader must not meet one where it expects the other), nesting beyond a limit, counts
larger than the bytes that are left, and trailing bytes. So work and memory are bounded by the size of the input, and
two readers can never see two meanings.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import cbor2

from hubd.errors import FrameError

MAX_DEPTH = 8
"""Arrays, maps and tags inside one another, the outermost counted."""

Tag = cbor2.CBORTag

_UINT, _NINT, _BSTR, _TSTR, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_FALSE, _TRUE, _NULL = 20, 21, 22
_ONLY_NULL, _SIMPLES = (_NULL,), (_FALSE, _TRUE, _NULL)
_FOLLOWING = {24: 1, 25: 2, 26: 4, 27: 8}
_SHORTEST = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}


def encode(value: Any) -> bytes:
    """Return the deterministic encoding of ints, bytes, str, bool, None, lists, tuples, dicts and `Tag`."""
    return cbor2.dumps(_ordered(value))


def encode_flat(value: Any) -> bytes:
    """Return the same as `encode`, faster, of a value without maps, or with maps whose keys stand in order already."""
    return cbor2.dumps(value)


_key_bytes = lru_cache(256, typed=True)(cbor2.dumps)
"""What maps are ordered by: the encoding of a key. Few keys are ever used; `typed`, for `True == 1`."""


def _ordered(value: Any) -> Any:
    """Maps with their keys sorted as RFC 8949 wants; cbor2's own `canonical` sorts as RFC 7049 did, shorter first."""
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


def decode(data: bytes, tags: frozenset[int] = frozenset(), max_depth: int = MAX_DEPTH, booleans: bool = False) -> Any:
    """Return the one value that `data` encodes; arrays come back as lists, tags as `Tag`.

    Raise FrameError for anything that is not exactly one deterministic encoding of allowed types.
    """
    end = _scan(data, 0, max_depth, tags, _SIMPLES if booleans else _ONLY_NULL)
    if end != len(data):
        raise FrameError(f"CBOR: {len(data) - end} bytes after the end of the value")
    try:
        value = cbor2.loads(data)
        return _plain(value) if tags else value
    except (cbor2.CBORError, ValueError, TypeError) as error:  # what the scan does not look at: UTF-8 of text
        raise FrameError(f"CBOR: {error}") from error


def _plain(value: Any) -> Any:
    """Arrays as lists and maps as dicts: cbor2 6 makes tuples and frozen dicts of them inside tags."""
    if isinstance(value, Tag):
        return Tag(value.tag, _plain(value.value))
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _long_head(data: bytes, at: int) -> tuple[int, int]:
    """Read the argument of the head at `at`, which does not fit in its first byte: (argument, index after it)."""
    major, info = data[at] >> 5, data[at] & 0x1F
    if info not in _FOLLOWING:
        raise FrameError("CBOR: indefinite length or reserved head")
    end = at + 1 + _FOLLOWING[info]
    if end > len(data):
        raise FrameError("CBOR: the data ends inside a head")
    argument = int.from_bytes(data[at + 1 : end], "big")
    if major == _SIMPLE or argument < _SHORTEST[info]:
        raise FrameError("CBOR: float, simple value or a head longer than needed")
    return argument, end


def _scan(data: bytes, at: int, depth: int, tags: frozenset[int], simples: tuple[int, ...]) -> int:
    """Check the value at `at`; return the index after it."""
    if at >= len(data):
        raise FrameError("CBOR: the data ends inside a value")
    head = data[at]
    major, argument = head >> 5, head & 0x1F
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
        if argument not in simples:
            raise FrameError("CBOR: simple value not allowed")
        return at
    if depth == 0:
        raise FrameError("CBOR: nested too deep")
    if major == _TAG:
        if argument not in tags:
            raise FrameError(f"CBOR: tag {argument} not allowed")
        return _scan(data, at, depth - 1, tags, simples)
    if argument > len(data) - at:
        raise FrameError("CBOR: more items announced than bytes are left")
    if major == _ARRAY:
        for _ in range(argument):
            at = _scan(data, at, depth - 1, tags, simples)
        return at
    previous = b""
    for _ in range(argument):
        start = at
        if data[at : at + 1] and data[at] >> 5 > _TSTR:
            raise FrameError("CBOR: a map key that is no integer or string")
        at = _scan(data, at, depth - 1, tags, simples)
        key = data[start:at]
        if key <= previous:
            raise FrameError("CBOR: map keys unsorted or repeated")
        previous = key
        at = _scan(data, at, depth - 1, tags, simples)
    return at
