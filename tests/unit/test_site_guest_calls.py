"""What is said at the bridge's socket about guests: each argument is what it should be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbridge.local.words import BYTES_MAX, POINTS_MAX, hexadecimal, points
from hublocal.calls import CallRefused

ANYTHING = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text())


@given(st.lists(st.integers(1, 65_535), min_size=1, max_size=POINTS_MAX, unique=True))
def test_points_are_read_as_they_were_written(numbers: list[int]) -> None:
    assert points({"points": ",".join(map(str, numbers))}) == tuple(numbers)


@given(ANYTHING | st.text("0123456789,", max_size=400))
def test_whatever_is_said_points_are_points_or_refused(said: object) -> None:
    try:
        found = points({"points": said})
    except CallRefused:
        return
    assert 1 <= len(found) == len(set(found)) <= POINTS_MAX
    assert all(1 <= one <= 65_535 for one in found)


@pytest.mark.parametrize("said", ["", "0", "1,1", "1,", ",1", "65536", "1 ", "\u0661", "1,2" * 99])
def test_what_is_no_list_of_points_is_refused(said: str) -> None:
    with pytest.raises(CallRefused):
        points({"points": said})


@given(st.binary(min_size=1, max_size=BYTES_MAX))
def test_bytes_are_read_as_they_were_written(data: bytes) -> None:
    assert hexadecimal({"key": data.hex()}, "key") == data


@given(ANYTHING | st.text("0123456789abcdefg ", max_size=3 * BYTES_MAX))
def test_whatever_is_said_bytes_are_bytes_or_refused(said: object) -> None:
    try:
        found = hexadecimal({"key": said}, "key")
    except CallRefused:
        return
    assert found.hex() == said
    assert len(found) <= BYTES_MAX
