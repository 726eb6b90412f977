"""The strict decoder: RFC 8949's own examples, properties, and bombs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hubcore.codec import cbor
from hubcore.codec.cbor import Tag
from hubcore.errors import FrameError

ACCEPTED: list[tuple[str, Any]] = [
    ("00", 0),
    ("01", 1),
    ("0a", 10),
    ("17", 23),
    ("1818", 24),
    ("1819", 25),
    ("1864", 100),
    ("1903e8", 1000),
    ("1a000f4240", 1000000),
    ("1b000000e8d4a51000", 1000000000000),
    ("1bffffffffffffffff", 18446744073709551615),
    ("3bffffffffffffffff", -18446744073709551616),
    ("20", -1),
    ("29", -10),
    ("3863", -100),
    ("3903e7", -1000),
    ("f6", None),
    ("40", b""),
    ("4401020304", bytes([1, 2, 3, 4])),
    ("60", ""),
    ("6161", "a"),
    ("6449455446", "IETF"),
    ("62225c", '"\\'),
    ("62c3bc", "ü"),
    ("63e6b0b4", "水"),
    ("64f0908591", "𐅑"),
    ("80", []),
    ("83010203", [1, 2, 3]),
    ("8301820203820405", [1, [2, 3], [4, 5]]),
    ("98190102030405060708090a0b0c0d0e0f101112131415161718181819", list(range(1, 26))),
    ("a0", {}),
    ("a201020304", {1: 2, 3: 4}),
    ("a26161016162820203", {"a": 1, "b": [2, 3]}),
    ("826161a161626163", ["a", {"b": "c"}]),
    (
        "a56161614161626142616361436164614461656145",
        {"a": "A", "b": "B", "c": "C", "d": "D", "e": "E"},
    ),
]
"""RFC 8949, appendix A, as far as its value is of a kind that this protocol has."""

REFUSED = [
    "c249010000000000000000", "c349010000000000000000", "f90000", "f98000", "f93c00",
    "fb3ff199999999999a", "f93e00",
    "f97bff", "fa47c35000", "fa7f7fffff", "fb7e37e43c8800759c", "f90001", "f90400", "f9c400",
    "fbc010666666666666",
    "f97c00", "f97e00", "f9fc00", "fa7f800000", "fa7fc00000", "faff800000", "fb7ff0000000000000",
    "fb7ff8000000000000", "fbfff0000000000000", "f4", "f5", "f7", "f0", "f8ff",
    "c074323031332d30332d32315432303a30343a30305a", "c11a514b67b0", "c1fb41d452d9e8c00000",
    "d74401020304",
    "d818456449455446", "d82076687474703a2f2f7777772e6578616d706c652e636f6d", "5f42010243030405ff",
    "7f657374726561646d696e67ff", "9fff", "9f018202039f0405ffff", "9f01820203820405ff",
    "83018202039f0405ff",
    "83019f0203ff820405", "9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff",
    "bf61610161629f0203ffff",
    "826161bf61626163ff", "bf6346756ef563416d7421ff",
]  # fmt: skip
"""RFC 8949, appendix A: bignums, floats, simple values, tags and indefinite lengths."""

NOT_DETERMINISTIC = [
    "1800", "1817", "190000", "1900ff", "1a0000ffff", "1b00000000ffffffff", "3817", "5800",
    "5801ff", "780161", "9800",
    "9801f6", "b800", "a201010101", "a203000100", "a2016120", "a1", "82", "8201", "41", "6261",
    "0000", "80f6", "1c",
    "1d", "1e", "1f", "5c", "7e", "9d", "bd", "ff", "", "18", "19", "1901", "f800", "f814", "f818",
    "a1f600", "a18000",
    "a1a000",
    "61ff", "62c328", "d2", "d200", "81d200",
]  # fmt: skip


@pytest.mark.parametrize(
    ("encoded", "value"), ACCEPTED, ids=lambda v: v if isinstance(v, str) else ""
)
def test_examples_of_the_rfc(encoded: str, value: Any) -> None:
    assert cbor.decode(bytes.fromhex(encoded)) == value
    assert cbor.encode(value) == bytes.fromhex(encoded)


@pytest.mark.parametrize("encoded", REFUSED + NOT_DETERMINISTIC)
def test_what_is_well_formed_elsewhere_is_refused(encoded: str) -> None:
    with pytest.raises(FrameError):
        cbor.decode(bytes.fromhex(encoded))


def test_booleans_and_tags_only_where_the_caller_allows_them() -> None:
    assert cbor.decode(b"\x82\xf4\xf5", booleans=True) == [False, True]
    with pytest.raises(FrameError):
        cbor.decode(b"\x82\xf4\xf5")
    assert cbor.decode(bytes.fromhex("d28101"), frozenset({18})) == Tag(18, [1])
    with pytest.raises(FrameError):
        cbor.decode(bytes.fromhex("d38101"), frozenset({18}))
    with pytest.raises(FrameError):
        cbor.decode(bytes.fromhex("d28101"))


def test_keys_sort_by_their_bytes_not_by_their_length() -> None:
    assert cbor.encode({-1: 0, 24: 0, 0: 0}) == bytes.fromhex("a300001818002000")
    assert cbor.encode({"b": 0, "aa": 0}) == bytes.fromhex("a261620062616100")


def test_what_comes_back_can_be_changed() -> None:
    """Lists and dicts, inside tags too, whichever version of cbor2 made them."""
    value = cbor.decode(bytes.fromhex("d282a1018002"), frozenset({18})).value
    assert type(value) is list
    assert type(value[0]) is dict
    assert type(value[0][1]) is list


@pytest.mark.parametrize("depth", range(1, 12))
def test_depth_has_a_limit(depth: int) -> None:
    data = b"\x81" * depth + b"\x00"
    if depth <= cbor.MAX_DEPTH:
        cbor.decode(data)
    else:
        with pytest.raises(FrameError):
            cbor.decode(data)
    with pytest.raises(FrameError):
        cbor.decode(b"\x81" * depth + b"\x00", max_depth=depth - 1)


BOMBS = [
    bytes.fromhex("9b0100000000000000"),
    bytes.fromhex("bb0100000000000000"),
    bytes.fromhex("5b0100000000000000"),
    bytes.fromhex("7b0100000000000000"),
    bytes.fromhex("9bffffffffffffffff"),
    bytes.fromhex("9a00ffffff") + bytes(64),
    b"\x81" * 4096,
    b"\xa1\x00" * 2048,
    b"\xd2" * 4096,
    bytes.fromhex("84") + bytes.fromhex("9b0000000100000000") * 4,
]


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb[:9].hex())
def test_a_bomb_costs_no_memory(bomb: bytes) -> None:
    with pytest.raises(FrameError):
        cbor.decode(bomb, frozenset({18}))
    tracemalloc.start()
    try:
        with pytest.raises(FrameError):
            cbor.decode(bomb, frozenset({18}))
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024
    finally:
        tracemalloc.stop()


def _values(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = st.integers(-(2**64), 2**64 - 1) | st.text(max_size=8) | st.binary(max_size=8)

    def within(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.lists(children, max_size=6) | st.dictionaries(keys, children, max_size=6)

    return st.recursive(leaves, within, max_leaves=12)


LEAVES = (
    st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=40) | st.none()
)


@given(_values(LEAVES))
@settings(max_examples=150, deadline=None)
def test_what_is_encoded_is_decoded(value: Any) -> None:
    assert cbor.decode(cbor.encode(value), max_depth=64) == value


@given(_values(LEAVES | st.booleans()))
@settings(max_examples=80, deadline=None)
def test_a_value_has_one_encoding(value: Any) -> None:
    encoded = cbor.encode(value)
    assert cbor.encode(cbor.decode(encoded, max_depth=64, booleans=True)) == encoded


@given(st.binary(max_size=80))
@example(bytes.fromhex("a2613001"))
@settings(max_examples=400, deadline=None)
def test_bytes_are_a_value_or_a_frame_error(data: bytes) -> None:
    try:
        value = cbor.decode(data, frozenset({18}), booleans=True)
    except FrameError:
        return
    assert cbor.encode(value) == data


@given(_values(LEAVES), st.data())
@settings(max_examples=150, deadline=None)
def test_a_changed_encoding_is_another_value_or_a_frame_error(
    value: Any, data: st.DataObject
) -> None:
    encoded = bytearray(cbor.encode(value))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        changed = cbor.decode(bytes(encoded), max_depth=64)
    except FrameError:
        return
    assert cbor.encode(changed) == bytes(encoded)
    assert cbor.encode(value) != bytes(encoded)


@given(_values(LEAVES), st.integers(1, 8))
@settings(max_examples=80, deadline=None)
def test_a_truncated_encoding_is_a_frame_error(value: Any, missing: int) -> None:
    encoded = cbor.encode(value)
    with pytest.raises(FrameError):
        cbor.decode(encoded[:-missing], max_depth=64)


@pytest.mark.parametrize("items", [1, 2, 10, 1000])
def test_items_have_a_ceiling_that_the_caller_names(items: int) -> None:
    data = cbor.encode([0] * (items - 1))
    assert cbor.decode(data, max_items=items) == [0] * (items - 1)
    with pytest.raises(FrameError, match="items"):
        cbor.decode(data, max_items=items - 1)


def test_keys_values_tags_and_containers_all_count() -> None:
    assert cbor.decode(bytes.fromhex("d281a10180"), frozenset({18}), max_items=5).tag == 18
    with pytest.raises(FrameError, match="items"):
        cbor.decode(bytes.fromhex("d281a10180"), frozenset({18}), max_items=4)


def test_who_names_no_ceiling_gets_a_small_one() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(FrameError, match="items"):
            cbor.decode(b"\x9a\x00\x3f\xff\x00" + b"\xa0" * 0x3FFF00)
        # four MiB are the bytes, four their making
        assert tracemalloc.get_traced_memory()[1] < 9 * 1024 * 1024
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoded", ["d81c81d81d00", "d81c80", "d81d00"])
@pytest.mark.parametrize("allowed", [frozenset({28}), frozenset({29}), frozenset({18, 28, 29})])
def test_a_value_that_holds_itself_is_never_read_whatever_the_caller_allows(
    encoded: str, allowed: frozenset[int]
) -> None:
    with pytest.raises(ValueError, match="shared references"):
        cbor.decode(bytes.fromhex(encoded), allowed)


READS: dict[int, Callable[[cbor.Cursor], object]] = {
    0: lambda cursor: cursor.uint(),
    2: lambda cursor: cursor.string(0, 40),
    3: lambda cursor: cursor.text(0, 40),
    4: lambda cursor: cursor.array(),
    5: lambda cursor: cursor.map(),
    6: lambda cursor: cursor.tag(18),
}


@given(st.binary(max_size=40), st.sampled_from(sorted(READS)))
@settings(max_examples=400, deadline=None)
def test_a_cursor_reads_only_what_the_decoder_reads_too(data: bytes, major: int) -> None:
    cursor = cbor.Cursor(data)
    try:
        value = READS[major](cursor)
    except FrameError:
        return
    assert data[0] >> 5 == major
    if major > 3:
        return
    try:
        cursor.end()
    except FrameError:
        return
    assert cbor.decode(data) == value


@pytest.mark.parametrize(
    ("encoded", "read"),
    [
        ("1864", lambda cursor: cursor.uint(99)),
        ("43010203", lambda cursor: cursor.string(0, 2)),
        ("43010203", lambda cursor: cursor.string(4, 9)),
        ("430102", lambda cursor: cursor.string(0, 9)),
        ("62c328", lambda cursor: cursor.text(0, 9)),
        ("8201", lambda cursor: cursor.array()),
        ("a20102", lambda cursor: cursor.map()),
        ("9affffffff00", lambda cursor: cursor.array()),
        ("d2", lambda cursor: cursor.tag(17)),
        ("01", lambda cursor: cursor.key(2)),
        ("20", lambda cursor: cursor.key(1)),
        ("9f01ff", lambda cursor: cursor.array()),
        ("", lambda cursor: cursor.uint()),
        ("8201a0", lambda cursor: cursor.whole(2)),
        ("d280", lambda cursor: cursor.whole(9)),
        ("00", lambda cursor: cursor.end()),
    ],
)
def test_a_cursor_refuses_what_is_not_there(
    encoded: str, read: Callable[[cbor.Cursor], object]
) -> None:
    with pytest.raises(FrameError):
        read(cbor.Cursor(bytes.fromhex(encoded)))
