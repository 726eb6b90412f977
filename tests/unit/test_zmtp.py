"""What is seen of ZMTP from outside: however it is cut into pieces, the same is heard and the same
is refused.
"""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.backend.uplink.words import SEALED_BYTES
from hubcore.errors import LinkError
from hubd.adapters.curve.zmtp import (
    FRAMES_A_TURN,
    GREETING_BYTES,
    HELLO_BYTES,
    HandshakeProgress,
    InboundFrames,
)

GREETING = (
    b"\xff" + bytes(7) + b"\x01\x7f\x03\x01" + b"CURVE".ljust(20, b"\0") + b"\x01" + bytes(31)
)
FRAME_MAX = 1000


def frame(body: bytes, long: bool = False) -> bytes:
    """One frame of the wire."""
    long = long or len(body) > 255
    return bytes([2 if long else 0]) + len(body).to_bytes(8 if long else 1, "big") + body


SHAKEN = GREETING + frame(b"\x07WELCOME" + bytes(160)) + frame(b"\x05READY" + bytes(40))


def heard(*pieces: bytes) -> InboundFrames:
    inbound = InboundFrames(FRAME_MAX)
    for piece in pieces:
        take(inbound, piece)
    return inbound


def take(inbound: InboundFrames, data: bytes) -> None:
    """Have all of it looked at, in as many turns as it takes."""
    at = 0
    while at < len(data):
        at = inbound.take(data, at)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


BODIES = st.lists(st.integers(SEALED_BYTES, 300), max_size=8)


@given(BODIES, st.lists(st.integers(0, 80), max_size=40), st.booleans())
@settings(max_examples=200, deadline=None)
def test_pieces_make_no_difference(sizes: list[int], cuts: list[int], long: bool) -> None:
    data = SHAKEN + b"".join(frame(bytes(size), long) for size in sizes)
    for inbound in (
        heard(data),
        heard(*cut(data, cuts)),
        heard(*[data[i : i + 1] for i in range(len(data))]),
    ):
        assert inbound.progress is HandshakeProgress.READY
        assert (inbound.unread_bytes, inbound.unread_frames) == (sum(sizes), len(sizes))
        assert inbound.frames == len(sizes) + 2


PONG_BYTES = SEALED_BYTES + 5


@given(st.lists(st.tuples(st.integers(6, 200), st.booleans()), max_size=30))
@settings(max_examples=200, deadline=None)
def test_what_was_handed_over_accounts_for_itself_and_what_came_before(
    frames: list[tuple[int, bool]],
) -> None:
    """`True`: libzmq hands this one over; the others are heartbeats, of a size that no message here
    has.
    """
    inbound = heard(SHAKEN)
    behind: list[int] = []
    for size, message in frames:
        whole = size + SEALED_BYTES if message else PONG_BYTES
        take(inbound, frame(bytes(whole)))
        behind.append(whole)
        if message:
            inbound.handed_over(size)
            behind.clear()
        assert (inbound.unread_bytes, inbound.unread_frames) == (sum(behind), len(behind))


@pytest.mark.parametrize(
    "data", [frame(bytes(FRAME_MAX + 1)), b"\x02" + b"\x7f" * 8, b"\x02" + b"\xff" * 8]
)
def test_a_frame_over_the_ceiling_is_refused_at_its_head(data: bytes) -> None:
    inbound = heard(SHAKEN)
    with pytest.raises(LinkError, match="sent a frame of"):
        inbound.take(data[:9])


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize(
    ("start", "least"),
    [(GREETING, 1), (GREETING + frame(b"WELCOME" + bytes(160)), 1), (SHAKEN, SEALED_BYTES)],
)
def test_a_frame_too_short_for_its_place_is_refused_at_its_head(
    start: bytes, least: int, long: bool
) -> None:
    for size in range(least):
        with pytest.raises(LinkError, match=f"sent a frame of {size} bytes, less than {least}"):
            take(heard(start), frame(bytes(size), long)[: 9 if long else 2])
    take(heard(start), frame(bytes(least), long))


@given(st.lists(st.integers(SEALED_BYTES, 40), max_size=200), st.integers(1, 80))
@settings(max_examples=100, deadline=None)
def test_a_turn_ends_after_so_many_frames_and_nothing_is_left_out(
    sizes: list[int], frames_max: int
) -> None:
    inbound = heard(SHAKEN)
    data = b"".join(frame(bytes(size)) for size in sizes)
    at = 0
    before = inbound.frames
    while at < len(data):
        at = inbound.take(data, at, frames_max)
        assert inbound.frames - before == frames_max or at == len(data)
        before = inbound.frames
    assert (inbound.unread_bytes, inbound.unread_frames) == (sum(sizes), len(sizes))


@pytest.mark.parametrize("start", [GREETING, SHAKEN])
def test_one_turn_over_the_smallest_frames_is_short(start: bytes) -> None:
    """Once, 64 KiB of empty frames held the doors up for half a second."""
    inbound = heard(start)
    smallest = frame(bytes(SEALED_BYTES if start is SHAKEN else 1))
    data = smallest * (65_536 // len(smallest))
    began = time.process_time()
    before = inbound.frames
    assert inbound.take(data) < len(data)
    assert inbound.frames - before == FRAMES_A_TURN
    assert time.process_time() - began < 0.05


def test_the_handshake_is_followed_word_by_word() -> None:
    assert heard(GREETING[:9]).progress is HandshakeProgress.NOTHING
    assert heard(GREETING[:10]).progress is HandshakeProgress.SIGNATURE
    assert heard(GREETING).progress is HandshakeProgress.GREETING
    welcomed = heard(GREETING, frame(b"\x07WELCOME" + bytes(160)))
    assert welcomed.progress is HandshakeProgress.UNPROVEN
    welcomed.answered(GREETING_BYTES + HELLO_BYTES)
    assert welcomed.progress is HandshakeProgress.UNPROVEN, (
        "libzmq said no more than its greeting and its HELLO"
    )
    welcomed.answered(1)
    assert welcomed.progress is HandshakeProgress.WELCOME
    refused = heard(GREETING, frame(b"\x05ERROR\x03400"))
    assert (refused.progress, refused.status) == (HandshakeProgress.REFUSED, "400")


@given(st.binary(max_size=40))
@settings(max_examples=200, deadline=None)
def test_the_status_of_a_refusal_is_three_digits_or_nothing(said: bytes) -> None:
    for status in (said, said[:1] + b"400", b"\x03" + said):
        told = heard(GREETING, frame(b"\x05ERROR" + status)).status
        assert told == "" or (len(told) == 3 and told.isascii() and told.isdigit())
    assert heard(GREETING, frame(b"\x05ERROR\x03\x1b[2")).status == ""
    assert heard(GREETING, frame(b"\x05ERROR\x0240")).status == ""


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_taken_or_refused_with_a_sentence(data: bytes) -> None:
    for start in (b"", GREETING, SHAKEN):
        inbound = heard(start)
        with contextlib.suppress(LinkError):
            take(inbound, data)
        assert inbound.unread_bytes <= len(data)
