"""Sending without futures beside a reading that has them."""

from __future__ import annotations

import asyncio

import pytest
import zmq
import zmq.asyncio

from hubd.adapters.curve.sending import Sending

PATIENCE_SECONDS = 10.0
SETTLED_SECONDS = 0.003
"""libzmq looks for what came when it sends, a millisecond after its last look at the soonest."""


@pytest.mark.asyncio
async def test_a_message_that_comes_while_another_goes_is_read() -> None:
    with (
        zmq.asyncio.Context() as context,
        context.socket(zmq.PAIR) as own,
        context.socket(zmq.PAIR) as far,
    ):
        own.bind("inproc://sending")
        far.connect("inproc://sending")
        sending = Sending(own)
        bare = zmq.Socket.shadow(far)
        for number in range(10):
            reading = asyncio.ensure_future(own.recv())
            await asyncio.sleep(SETTLED_SECONDS)
            bare.send(bytes([number]))
            assert sending.now(b"up")
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert await reading == bytes([number])


@pytest.mark.asyncio
async def test_a_full_queue_takes_nothing() -> None:
    with (
        zmq.asyncio.Context() as context,
        context.socket(zmq.PAIR) as own,
        context.socket(zmq.PAIR) as far,
    ):
        own.sndhwm = far.rcvhwm = 2
        own.bind("inproc://full")
        far.connect("inproc://full")
        sending = Sending(own)
        sent = [sending.now(bytes([number])) for number in range(8)]
        assert sent == sorted(sent, reverse=True)
        assert not sent[-1]
        bare = zmq.Socket.shadow(far)
        assert [bare.recv(zmq.DONTWAIT) for _ in range(sum(sent))] == [
            bytes([number]) for number in range(sum(sent))
        ]
        with pytest.raises(zmq.Again):
            bare.recv(zmq.DONTWAIT)
