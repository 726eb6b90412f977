"""What the fuzz tests share: how hard they try, values of every kind, and ways to spoil what was
good.

Set HUBD_FUZZ to a number to try so many times harder.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from hubcore.codec import cbor

HARDER = float(os.environ.get("HUBD_FUZZ", "1"))


def effort(examples: int, steps: int = 50) -> settings:
    """Settings of a test that tries so many examples, and so many steps where it has any."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(
        max_examples=max(1, int(examples * HARDER)),
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=slow,
        print_blob=True,
    )


INTS = st.one_of(
    st.integers(-5, 30),
    st.sampled_from(
        [
            255,
            256,
            65_535,
            65_536,
            (1 << 31) - 1,
            1 << 31,
            (1 << 32) - 1,
            1 << 32,
            (1 << 63) - 1,
            1 << 63,
        ]
    ),
    st.integers(-(1 << 64), (1 << 64) - 1),
)
LEAVES = st.one_of(INTS, st.binary(max_size=40), st.text(max_size=40), st.none())
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(st.one_of(INTS, st.text(max_size=3)), inner, max_size=5),
    ),
    max_leaves=12,
)
"""What deterministic CBOR can hold and this protocol's decoder lets through."""

ODD_VALUES = st.one_of(
    VALUES, st.booleans(), st.floats(), st.builds(cbor.Tag, st.integers(0, 1 << 20), LEAVES)
)
"""And what it must not."""


@st.composite
def spoiled(draw: st.DrawFn, good: bytes) -> bytes:
    """Bytes made of good ones: bits flipped, cut, lengthened, a part twice, out or overwritten;
    never the same.
    """
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 3))):
        at, to = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
        match draw(st.sampled_from(["flip", "cut", "add", "twice", "out", "over"])):
            case "flip" if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del data[at:]
            case "add":
                data[at:at] = draw(st.binary(min_size=1, max_size=8))
            case "twice":
                data[at:at] = data[at:to]
            case "out":
                del data[at:to]
            case "over":
                data[at:to] = (
                    draw(st.binary(min_size=to - at, max_size=to - at))
                    if to - at < 64
                    else bytes(to - at)
                )
    return bytes(data) if bytes(data) != good else good + b"\x00"


@st.composite
def respelled(draw: st.DrawFn, fields: dict[int, Any]) -> dict[int, Any]:
    """A map like `fields` in which members are of other kinds, missing, or too many."""
    out = dict(fields)
    for _ in range(draw(st.integers(1, 2))):
        label = draw(st.sampled_from(sorted(out, key=str) or [0]))
        match draw(st.sampled_from(["value", "inner", "less", "more", "bytes"])):
            case "value":
                out[label] = draw(VALUES)
            case "inner":
                out[label] = draw(inside(out.get(label)))
            case "less":
                out.pop(label, None)
            case "more":
                out[draw(INTS)] = draw(VALUES)
            case "bytes":
                out[label] = cbor.encode(draw(VALUES))
    return out


def inside(value: Any) -> st.SearchStrategy[Any]:
    """Return values near a given one."""
    match value:
        case int():
            return st.one_of(INTS, st.integers(value - 2, value + 2))
        case bytes():
            return spoiled(value)
        case str():
            return st.text(max_size=2 * len(value) + 2)
        case dict():
            return respelled(value)
        case list() if value:
            return st.lists(st.one_of([inside(item) for item in value]), max_size=len(value) + 2)
    return VALUES


def some(items: Sequence[Any]) -> st.SearchStrategy[Any]:
    """Return one of the items."""
    return st.sampled_from(list(items))
