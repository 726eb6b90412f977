"""Frames between hub and bridge: any cut of the stream gives the same, nothing large is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.bridge.frames import HEAD_BYTES, Frames, frame
from hubcore.errors import FrameError

CEILING = 40
MESSAGES = st.lists(st.binary(min_size=1, max_size=CEILING), max_size=8)
CUTS = st.lists(st.integers(1, 9), min_size=1, max_size=50)


def pieces(stream: bytes, sizes: list[int]) -> list[bytes]:
    """Cut a stream into pieces of these sizes, over and over."""
    cut = []
    at = 0
    turn = 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        cut.append(stream[at : at + size])
        at += size
        turn += 1
    return cut


def read(stream: list[bytes], frames: Frames) -> tuple[list[bytes], str]:
    """Return the messages, and the refusal if there was one."""
    found = []
    for piece in stream:
        frames.feed(piece)
        try:
            while (message := frames.next()) is not None:
                found.append(message)
        except FrameError as error:
            return found, str(error)
        assert frames.kept_bytes < CEILING + HEAD_BYTES  # law 5
    return found, ""


@given(MESSAGES, CUTS)
def test_any_cut_gives_the_same_messages(messages: list[bytes], sizes: list[int]) -> None:  # law 3
    stream = b"".join(map(frame, messages))
    assert read(pieces(stream, sizes), Frames(CEILING)) == (messages, "")


def read_whole(stream: list[bytes], frames: Frames, most: int) -> tuple[list[bytes], str]:
    """Return the same as `read`, from many at once."""
    found: list[bytes] = []
    for piece in stream:
        frames.feed(piece)
        try:
            while messages := frames.whole(most):
                assert len(messages) <= most
                found += messages
        except FrameError as error:
            return found, str(error)
        assert frames.kept_bytes < CEILING + HEAD_BYTES  # law 5
    return found, ""


STREAMS = st.one_of(
    st.binary(max_size=200),
    st.tuples(MESSAGES, st.binary(max_size=9), MESSAGES).map(
        lambda parts: b"".join((*map(frame, parts[0]), parts[1], *map(frame, parts[2])))
    ),
)


@given(STREAMS, CUTS, st.integers(1, 9))
def test_many_at_once_are_the_same_as_one_by_one(  # laws 2 and 3
    stream: bytes, sizes: list[int], most: int
) -> None:
    cut = pieces(stream, sizes)
    assert read_whole(cut, Frames(CEILING), most) == read(cut, Frames(CEILING))


def test_after_a_refusal_nothing_comes_at_once_either() -> None:  # law 4
    frames = Frames(CEILING)
    frames.feed(frame(b"first") + bytes(4) + frame(b"second"))
    assert frames.whole(9) == [b"first"]
    for _ in range(2):
        with pytest.raises(FrameError):
            frames.whole(9)
        frames.feed(frame(b"a good one"))
    assert frames.kept_bytes == 0


@given(st.binary(max_size=200), CUTS)
def test_any_cut_of_any_bytes_ends_alike(stream: bytes, sizes: list[int]) -> None:  # law 3
    whole = read([stream], Frames(len(stream) + CEILING))
    assert read(pieces(stream, sizes), Frames(len(stream) + CEILING)) == whole


@pytest.mark.parametrize("size", [0, CEILING + 1, 0xFFFFFFFF])
def test_a_length_is_refused_before_its_message_has_come(size: int) -> None:  # law 2
    frames = Frames(CEILING)
    frames.feed(frame(b"first") + size.to_bytes(4, "big") + b"x")
    assert frames.next() == b"first"
    with pytest.raises(FrameError):
        frames.next()
    assert frames.kept_bytes == 0


def test_after_a_refusal_nothing_comes_any_more() -> None:  # law 4
    frames = Frames(CEILING)
    frames.feed(bytes(4))
    for _ in range(2):
        with pytest.raises(FrameError):
            frames.next()
        frames.feed(frame(b"a good one"))
    assert frames.kept_bytes == 0


def test_a_ceiling_may_grow_once_the_first_message_has_come() -> None:
    frames = Frames(5)
    frames.feed(frame(b"first") + frame(bytes(CEILING)))
    assert frames.next() == b"first"
    frames.allow(CEILING)
    assert frames.next() == bytes(CEILING)


def test_nothing_is_no_message() -> None:  # law 1
    with pytest.raises(FrameError):
        frame(b"")
