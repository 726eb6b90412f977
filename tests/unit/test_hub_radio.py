"""The simulated hub's radio: what comes too late, from the controller or from a phone that has
gone, is no error.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest
from bumble import att
from bumble.core import UUID
from bumble.device import Device
from bumble.hci import Address, HCI_Reset_Command
from bumble.transport.common import StreamPacketSource

from hubcore.phone import gatt
from hubsim.radio.hub_radio import BumbleRadio, _Host
from tests.fakes.radio import FakeRadioListener
from tests.pair import settle

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


async def test_an_answer_to_a_command_given_up_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = StreamPacketSource()
    sink = Sink()
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
    source = StreamPacketSource()
    sink = Sink()
    host = _Host(source, sink)
    task = await _given_up(host, sink)
    source.on_transport_lost()
    with pytest.raises(asyncio.CancelledError):
        await task


class Gone:
    """A `bumble` connection, as far as the table looks at it."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.att_mtu = 247
        self.peer_address = f"phone {handle}"
        self.on_disconnection: Callable[[int], None] = lambda _reason: None

    def on(self, event: str, listener: Callable[[int], None]) -> None:
        assert event == "disconnection"
        self.on_disconnection = listener


@pytest.mark.parametrize("what", [gatt.INFO, gatt.RX, gatt.TXR])
@pytest.mark.parametrize(
    "handle_taken", [False, True], ids=["alone", "another phone has got its handle"]
)
async def test_a_phone_that_leaves_before_its_request_is_looked_at_is_no_error(
    caplog: pytest.LogCaptureFixture, what: str, handle_taken: bool
) -> None:
    """bumble calls an attribute in a task of its own, and by then the phone may have gone."""
    source = StreamPacketSource()
    sink = Sink()
    told = FakeRadioListener()
    device = Device("hub", Address("F0:00:00:00:00:01"), host=_Host(source, sink))
    BumbleRadio("none")._build(device, told)
    phone = Gone(7)
    device.emit("connection", phone)
    attribute = next(one for one in device.gatt_server.attributes if one.type == UUID(what))
    request: att.ATT_PDU
    if what == gatt.RX:
        request = att.ATT_Write_Request(attribute_handle=attribute.handle, attribute_value=b"frame")
    else:
        request = att.ATT_Read_Request(attribute_handle=attribute.handle)
    with caplog.at_level(logging.WARNING):
        device.gatt_server.on_gatt_pdu(phone, request)
        phone.on_disconnection(0x13)
        if handle_taken:
            device.emit("connection", Gone(7))
        await settle()
    assert caplog.records == []
    assert told.asked == []
    assert sink.heard == []
