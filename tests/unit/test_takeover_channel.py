"""The socket pair of a hub that changes hands: descriptors come whole or not at all."""

from __future__ import annotations

import array
import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubcore.errors import FrameError, LinkError
from hubcore.update.packets import (
    DESCRIPTORS_MAX,
    PACKET_BYTES_MAX,
    Beat,
    Commit,
    Connection,
    Descriptor,
    DescriptorKind,
    Holdings,
    Taken,
    Turn,
    Warm,
    encode,
)
from hubd.adapters.takeover.channel import Channel, close_all, pair

BUS = Descriptor(DescriptorKind.BUS)
GUARD = Descriptor(DescriptorKind.GUARD)
TALK = Connection(
    unique_name=":1.7",
    serial=9,
    unread=b"l",
    service=":1.2",
    adapter="/org/bluez/hci0",
    advertisement=0,
)
TURN = Turn(Holdings((BUS, GUARD), TALK))
WAIT_SECONDS = 5.0


class Pair:
    """Both ends, and a number of open descriptors to give."""

    def __init__(self) -> None:
        ours, theirs = pair()
        self.raw = ours
        self.old = Channel(ours)
        self.new = Channel(theirs)

    def close(self) -> None:
        self.old.close()
        self.new.close()


@pytest.fixture
def ends() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    made = os.pipe()
    yield made
    close_all(made)


def _open_now() -> set[str]:
    return {name for name in os.listdir("/proc/self/fd") if Path(f"/proc/self/fd/{name}").exists()}


async def _hear(channel: Channel) -> tuple[object, tuple[int, ...]]:
    async with asyncio.timeout(WAIT_SECONDS):
        return await channel.hear()


async def test_what_is_said_is_heard_with_its_descriptors(
    ends: Pair, pipe: tuple[int, int]
) -> None:
    reads, writes = pipe
    await ends.old.say(TURN, (writes, reads))
    packet, descriptors = await _hear(ends.new)
    assert packet == TURN
    taken, other = descriptors
    os.write(taken, b"through")
    assert os.read(reads, 7) == b"through"
    assert os.fstat(other).st_ino == os.fstat(reads).st_ino
    assert not os.get_inheritable(taken)
    close_all(descriptors)
    os.write(writes, b"still")  # law 2
    assert os.read(reads, 5) == b"still"


async def test_packets_keep_apart_and_in_order(ends: Pair) -> None:
    for packet in (Warm("0.2.0"), Taken(), Beat(), Commit()):
        await ends.new.say(packet)
    heard = [await _hear(ends.old) for _ in range(4)]
    assert [packet for packet, _ in heard] == [Warm("0.2.0"), Taken(), Beat(), Commit()]


async def test_a_packet_that_is_not_there_yet_is_waited_for(ends: Pair) -> None:
    hearing = asyncio.ensure_future(_hear(ends.new))
    await asyncio.sleep(0)
    await ends.old.say(Beat())
    assert await hearing == (Beat(), ())


async def test_a_wait_that_is_ended_leaves_the_next_packet_whole(ends: Pair) -> None:
    hearing = asyncio.ensure_future(ends.new.hear())
    await asyncio.sleep(0)
    hearing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hearing
    await ends.old.say(Beat())
    assert await _hear(ends.new) == (Beat(), ())


async def test_a_full_socket_is_waited_for_and_loses_nothing(ends: Pair) -> None:
    count = 2000
    saying = asyncio.ensure_future(_say_many(ends.old, count))
    heard = [await _hear(ends.new) for _ in range(count)]
    await saying
    assert heard == [(Beat(), ())] * count


async def _say_many(channel: Channel, count: int) -> None:
    for _ in range(count):
        await channel.say(Beat())


async def test_the_end_of_the_other_side_is_told_after_what_it_said(ends: Pair) -> None:
    await ends.new.say(Warm("0.2.0"))
    ends.new.close()
    assert await _hear(ends.old) == (Warm("0.2.0"), ())
    with pytest.raises(LinkError):
        await _hear(ends.old)
    with pytest.raises(LinkError):
        await ends.old.say(Beat())


async def test_a_packet_that_names_other_descriptors_is_not_sent(
    ends: Pair, pipe: tuple[int, int]
) -> None:
    with pytest.raises(FrameError):
        await ends.old.say(TURN, pipe[:1])
    await ends.old.say(Beat())
    assert await _hear(ends.new) == (Beat(), ())


@pytest.mark.parametrize("came", [1, 3, DESCRIPTORS_MAX, DESCRIPTORS_MAX + 1])
@pytest.mark.parametrize("data", [encode(TURN), encode(Beat()), b"nonsense"])
async def test_of_a_packet_that_is_refused_every_descriptor_is_closed(
    ends: Pair, pipe: tuple[int, int], came: int, data: bytes
) -> None:
    """Law 1, also where the kernel cuts off what is too much."""
    before = _open_now()
    beside = array.array("i", [pipe[0]] * came)
    ends.raw.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, beside)])
    with pytest.raises(FrameError):
        await _hear(ends.new)
    assert _open_now() == before


async def test_a_packet_longer_than_any_is_refused(ends: Pair) -> None:
    ends.raw.send(bytes(PACKET_BYTES_MAX + 1))
    with pytest.raises(FrameError, match="longer than any"):
        await _hear(ends.new)
    await ends.old.say(Beat())
    assert await _hear(ends.new) == (Beat(), ())


async def test_a_closed_end_leaves_the_number_to_whoever_has_it_next(ends: Pair) -> None:
    hearing = asyncio.ensure_future(ends.new.hear())
    await asyncio.sleep(0)
    ends.close()
    others = Pair()
    again = [asyncio.ensure_future(one.hear()) for one in (others.old, others.new)]
    await asyncio.sleep(0)
    hearing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hearing
    await others.old.say(Beat())
    await others.new.say(Commit())
    async with asyncio.timeout(WAIT_SECONDS):
        assert await asyncio.gather(*again) == [(Commit(), ()), (Beat(), ())]
    others.close()
