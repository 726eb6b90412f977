"""Frames: what is joined, what is refused, and that a refusal leaves the receiver as it was."""

from __future__ import annotations

import pytest

from hubcore.errors import FrameError, SequenceError
from hubcore.phone.framing import (
    FRAME_BYTES_MAX,
    HEADER_BYTES,
    MTU_MIN,
    QUEUED_MESSAGES_MAX,
    RECEIVED_BYTES_MAX,
    UNSEEN_FRAMES_MAX,
    WINDOW,
    Flag,
    Frame,
    Inbound,
    Outbound,
    control_frame,
    decode_frame,
)
from hubcore.phone.messages import MESSAGE_BYTES_MAX

SID = b"sid!"


def frames_of(message: bytes, mtu: int = 247) -> list[bytes]:
    out = Outbound(SID)
    out.load(message)
    return list(iter(lambda: out.pull(mtu), b""))


def join(inbound: Inbound, frames: list[bytes]) -> list[bytes]:
    """Feed frames; return the messages they complete."""
    results = [inbound.accept(decode_frame(frame))[0] for frame in frames]
    return [message for message in results if message is not None]


@pytest.mark.parametrize("mtu", [0, MTU_MIN, 24, 64, 185, 247, 517, 65_535])
@pytest.mark.parametrize("size", [1, 2, 11, 12, 13, 233, 234, 235, 236, 237, MESSAGE_BYTES_MAX])
def test_a_message_survives_every_mtu(mtu: int, size: int) -> None:
    message = bytes(index % 251 for index in range(size))
    frames = frames_of(message, mtu)
    assert join(Inbound(SID), frames) == [message]
    ceiling = min(max(mtu, MTU_MIN) - 3, FRAME_BYTES_MAX)
    assert max(map(len, frames)) <= ceiling
    assert all(len(frame) == ceiling for frame in frames[:-1])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "0 bytes"),
        (bytes(HEADER_BYTES - 1), "5 bytes"),
        (b"\x10" + bytes(RECEIVED_BYTES_MAX), "513 bytes"),
        (b"\x00" + SID + b"\x00x", "version 0"),
        (b"\x23" + SID + b"\x00\x00\x01x", "version 2"),
        (b"\x10" + SID + b"\x00", "no payload"),
        (b"\x12" + SID + b"\x00", "no payload"),
        (b"\x11" + SID + b"\x00\x00", "first frame"),
        (b"\x13" + SID + b"\x00\x00\x01", "first frame"),
        (b"\x13" + SID + b"\x00\x00\x00x", "first frame"),
        (b"\x11" + SID + b"\x00\x10\x01x", "first frame"),
        (b"\x14" + SID + b"\x00x", "no payload"),
        (b"\x18" + SID + b"\x00x", "no payload"),
        (b"\x1c" + SID + b"\x00", "its flag alone"),
        (b"\x15" + SID + b"\x00\x00\x01x", "its flag alone"),
    ],
)
def test_what_is_no_frame(data: bytes, why: str) -> None:
    with pytest.raises(FrameError, match=why):
        decode_frame(data)


@pytest.mark.parametrize(
    "change", [lambda f: [f[0], f[0]], lambda f: [f[1]], lambda f: [f[0], f[2]]]
)
def test_a_gap_a_repetition_and_a_frame_out_of_place(change: object) -> None:
    frames = frames_of(bytes(40), MTU_MIN)
    with pytest.raises(SequenceError):
        join(Inbound(SID), change(frames))  # type: ignore[operator]


def test_a_message_inside_another_is_refused() -> None:
    inbound = Inbound(SID)
    inbound.accept(decode_frame(frames_of(bytes(40), MTU_MIN)[0]))
    with pytest.raises(SequenceError, match="inside another"):
        inbound.accept(Frame(Flag.FIRST | Flag.LAST, SID, 1, 1, b"x"))


@pytest.mark.parametrize(
    "wrong",
    [
        Frame(Flag(0), SID, 1, 0, bytes(RECEIVED_BYTES_MAX)),  # beyond what was announced
        Frame(Flag.LAST, SID, 1, 0, b"x"),  # ends too early
        Frame(Flag(0), SID, 1, 0, bytes(28)),  # all that was announced, but not the last
    ],
)
def test_a_refused_frame_leaves_nothing_behind(wrong: Frame) -> None:
    frames = frames_of(bytes(range(40)), MTU_MIN)
    inbound = Inbound(SID, repeats=True)
    inbound.accept(decode_frame(frames[0]))
    for _ in range(10):
        with pytest.raises(FrameError, match="longer or shorter"):
            inbound.accept(wrong)
    assert join(inbound, frames[1:]) == [bytes(range(40))]


def test_a_phone_ignores_what_it_has() -> None:
    frames = frames_of(bytes(range(200)), MTU_MIN)
    inbound = Inbound(SID, repeats=True)
    twice = [frame for frame in frames for _ in range(2)]
    assert join(inbound, twice) == [bytes(range(200))]


def test_the_window_and_its_acknowledgement() -> None:
    out = Outbound(SID)
    inbound = Inbound(SID)
    out.load(bytes(200))
    rounds: list[int] = []
    while frames := out.due(MTU_MIN):
        rounds.append(len(frames))
        for data in frames:
            _, ack = inbound.accept(decode_frame(data))
            if ack is not None:
                out.acknowledged(decode_frame(ack).seq)
    assert set(rounds[:-1]) == {WINDOW}
    assert not inbound.assembling
    assert sum(rounds) == len(frames_of(bytes(200), MTU_MIN))


def test_numbers_go_round_at_256() -> None:
    out = Outbound(SID)
    inbound = Inbound(SID)
    for number in range(300):
        out.load(bytes([number % 251]))
        assert join(inbound, [out.pull(MTU_MIN)]) == [bytes([number % 251])]


def test_an_acknowledgement_of_what_was_not_sent_ends_the_session() -> None:
    out = Outbound(SID)
    out.load(bytes(60))
    out.due(MTU_MIN)
    for seq in (4, 5, 100):
        with pytest.raises(SequenceError, match="before it was sent"):
            out.acknowledged(seq)
    out.acknowledged(3)
    out.acknowledged(3)  # again, and older ones: nothing


def test_what_is_notified_can_also_be_read() -> None:
    out = Outbound(SID)
    out.load(bytes(range(100)))
    notified = out.due(MTU_MIN)
    read = list(iter(lambda: out.pull(MTU_MIN), b""))
    assert read[:WINDOW] == notified
    assert join(Inbound(SID), read) == [bytes(range(100))]


def test_a_peer_that_fetches_nothing_costs_little() -> None:
    out = Outbound(SID)
    for _ in range(QUEUED_MESSAGES_MAX + 1):
        out.load(bytes(MESSAGE_BYTES_MAX))
        out.due(MTU_MIN)
    with pytest.raises(SequenceError, match="does not fetch"):
        out.load(b"x")


def test_short_messages_that_nobody_acknowledges_have_a_ceiling() -> None:
    out = Outbound(SID)
    for _ in range(2 * UNSEEN_FRAMES_MAX):
        out.load(b"x")
        assert len(out.due(247)) == 1
    assert len(list(iter(lambda: out.pull(247), b""))) <= UNSEEN_FRAMES_MAX


def test_control_frames_are_read_back() -> None:
    for flag in (Flag.ACK, Flag.BYE):
        assert decode_frame(control_frame(flag, SID, 7)) == Frame(flag, SID, 7, 0, b"")
