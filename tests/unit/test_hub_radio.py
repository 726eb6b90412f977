"""The simulated hub's host: an answer of the controller that comes as its command is given up is no error."""

from __future__ import annotations

import asyncio
import logging

import pytest
from bumble.hci import HCI_Reset_Command
from bumble.transport.common import StreamPacketSource

from hubsim.hub_radio import _Host

pytestmark = pytest.mark.asyncio

RESET_DONE = bytes.fromhex("04 0e 04 01 03 0c 00")
"""HCI Command Complete for HCI_Reset with status 0 (Bluetooth Core, Vol 4, Part E, 7.7.14)."""


class Sink:
    """A controller's ear: the commands that came."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.some = asyncio.Event()

    def on_packet(self, packet: bytes) -> None:
        self.heard.append(packet)
        self.some.set()


async def _given_up(host: _Host, sink: Sink) -> asyncio.Task[object]:
    """A reset that was sent, and cancelled in this very moment."""
    sink.some.clear()
    task: asyncio.Task[object] = asyncio.ensure_future(host.send_sync_command(HCI_Reset_Command()))
    await sink.some.wait()
    await asyncio.sleep(0)  # it waits for its answer now
    task.cancel()
    return task


async def test_an_answer_to_a_command_given_up_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    source, sink = StreamPacketSource(), Sink()
    host = _Host(source, sink)
    with caplog.at_level(logging.WARNING):
        task = await _given_up(host, sink)
        source.data_received(RESET_DONE)
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):  # the next command has its way
            sink.some.clear()
            again = asyncio.ensure_future(host.send_sync_command(HCI_Reset_Command()))
            await sink.some.wait()
            source.data_received(RESET_DONE)
            await again
    assert caplog.records == []
    assert len(sink.heard) == 2


async def test_a_controller_lost_as_a_command_is_given_up_is_no_error() -> None:
    source, sink = StreamPacketSource(), Sink()
    host = _Host(source, sink)
    task = await _given_up(host, sink)
    source.on_transport_lost()
    with pytest.raises(asyncio.CancelledError):
        await task
