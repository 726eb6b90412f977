"""What is seen of ZMTP from outside: however it is cut into pieces, the same is heard and the same is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubd.adapters.zmtp import SEALED_BYTES, Heard, Listener
from hubd.errors import LinkError

GREETING = b"\xff" + bytes(7) + b"\x01\x7f\x03\x01" + b"CURVE".ljust(20, b"\0") + b"\x01" + bytes(31)
FRAME_MAX = 1000


def frame(body: bytes, long: bool = False) -> bytes:
    """One frame of the wire."""
    long = long or len(body) > 255
    return bytes([2 if long else 0]) + len(body).to_bytes(8 if long else 1, "big") + body


SHAKEN = GREETING + frame(b"\x07WELCOME" + bytes(160)) + frame(b"\x05READY" + bytes(40))


def heard(*pieces: bytes) -> Listener:
    listener = Listener(FRAME_MAX)
    for piece in pieces:
        listener.take(piece)
    return listener


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


BODIES = st.lists(st.integers(0, 300), max_size=8)


@given(BODIES, st.lists(st.integers(0, 80), max_size=40), st.booleans())
@settings(max_examples=200, deadline=None)
def test_pieces_make_no_difference(sizes: list[int], cuts: list[int], long: bool) -> None:
    data = SHAKEN + b"".join(frame(bytes(size), long) for size in sizes)
    for listener in (heard(data), heard(*cut(data, cuts)), heard(*[data[i : i + 1] for i in range(len(data))])):
        assert listener.heard is Heard.READY
        assert (listener.unread_bytes, listener.unread_frames) == (sum(sizes), len(sizes))
        assert listener.frames == len(sizes) + 2


@given(st.lists(st.tuples(st.integers(0, 200), st.booleans()), max_size=30))
@settings(max_examples=200, deadline=None)
def test_what_was_handed_over_accounts_for_itself_and_what_came_before(frames: list[tuple[int, bool]]) -> None:
    """`True`: libzmq hands this one over; the others are heartbeats, of a size that no message has."""
    listener = heard(SHAKEN)
    behind: list[int] = []
    for size, message in frames:
        listener.take(frame(bytes(size + SEALED_BYTES if message else 20)))
        behind.append(size + SEALED_BYTES if message else 20)
        if message:
            listener.handed_over(size)
            behind.clear()
        assert (listener.unread_bytes, listener.unread_frames) == (sum(behind), len(behind))


@pytest.mark.parametrize("data", [frame(bytes(FRAME_MAX + 1)), b"\x02" + b"\x7f" * 8, b"\x02" + b"\xff" * 8])
def test_a_frame_over_the_ceiling_is_refused_at_its_head(data: bytes) -> None:
    listener = heard(SHAKEN)
    with pytest.raises(LinkError, match="sent a frame of"):
        listener.take(data[:9])


def test_the_handshake_is_followed_word_by_word() -> None:
    assert heard(GREETING[:9]).heard is Heard.NOTHING
    assert heard(GREETING[:10]).heard is Heard.SIGNATURE
    assert heard(GREETING).heard is Heard.GREETING
    assert heard(GREETING, frame(b"\x07WELCOME" + bytes(160))).heard is Heard.WELCOME
    refused = heard(GREETING, frame(b"\x05ERROR\x03400"))
    assert (refused.heard, refused.status) == (Heard.REFUSED, "400")


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_taken_or_refused_with_a_sentence(data: bytes) -> None:
    for start in (b"", GREETING, SHAKEN):
        listener = heard(start)
        with contextlib.suppress(LinkError):
            listener.take(data)
        assert listener.unread_bytes <= len(data)
