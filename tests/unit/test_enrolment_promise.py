"""A promise as text: read back as it was, and nothing that is not one whole promise."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.backend.enrolment.messages import DOORS_MAX
from hubcore.backend.enrolment.promise import (
    PROMISE_BYTES_MAX,
    Promise,
    promise_of,
    read_promise,
    write_promise,
)
from hubcore.errors import FrameError

PROMISE = promise_of("hub-a", bytes(32), 1_000.5, {10: "Front door"}, "Europe/Berlin", False)
KEYS = {"identity": "a0", "curve": "00" * 32, "tls_key": "30"}
SIGNED = {"certificate": "d2", "tls_certificate": "30"}


@given(
    st.dictionaries(st.integers(1, 65_535), st.sampled_from(["Front door", "Tür"]), min_size=1),
    st.sampled_from([{}, KEYS, {**KEYS, **SIGNED}]),
    st.booleans(),
)
def test_a_promise_is_read_as_it_was_written(
    names: dict[int, str], more: dict[str, str], replaces: bool
) -> None:
    some = dict(list(names.items())[:DOORS_MAX])
    made = promise_of("hub-a", bytes(32), 5.0, some, "Europe/Berlin", replaces)
    row = json.loads(write_promise(made)) | more
    assert read_promise(json.dumps(row).encode()) == Promise(**row)
    assert read_promise(write_promise(made)) == made


@pytest.mark.parametrize(
    "changed",
    [
        {"hub": ""},
        {"hub": 7},
        {"hub": "a\nb"},
        {"digest": "00"},
        {"digest": "AA" * 32},
        {"digest": "0 " * 32},
        {"ends": "soon"},
        {"ends": True},
        {"ends": float("nan")},
        {"ends": float("inf")},
        {"names": {}},
        {"names": {"0": "x"}},
        {"names": {"010": "x"}},
        {"names": {"65536": "x"}},
        {"names": {"-1": "x"}},
        {"names": {"1": 2}},
        {"names": {"1": "x" * 65}},
        {"names": {str(point): "x" for point in range(1, DOORS_MAX + 2)}},
        {"names": [1]},
        {"replaces": 1},
        {"identity": "a0"},
        {"curve": "00" * 32},
        {**KEYS, "curve": "00" * 31},
        {**KEYS, "identity": "zz"},
        {**KEYS, "certificate": 5},
        {"tls_key": "30"},
        {**KEYS, "tls_key": ""},
        {**KEYS, "tls_key": "00" * 129},
        {**KEYS, "certificate": "d2"},
        {**KEYS, "tls_certificate": "30"},
        SIGNED,
        {"refused": None},
        {"more": 1},
    ],
)
def test_what_is_no_whole_promise_is_none(changed: dict[str, Any]) -> None:
    row = json.loads(write_promise(PROMISE)) | changed
    with pytest.raises(FrameError):
        read_promise(json.dumps(row).encode())


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"1", b"{}", b"\xff", b"[" * 5_000, b" " * (PROMISE_BYTES_MAX + 1)]
)
def test_other_bytes_are_no_promise(data: bytes) -> None:
    with pytest.raises(FrameError):
        read_promise(data)
