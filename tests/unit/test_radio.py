"""The air: one answer to one advertising event, connecting called off, and hosts that do
not read.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import pytest_asyncio
from bumble import core
from bumble.core import AdvertisingData
from bumble.device import (
    Advertisement,
    AdvertisingEventProperties,
    AdvertisingParameters,
    Connection,
    Device,
)
from bumble.hci import (
    Address,
    HCI_Event,
    HCI_LE_Connection_Complete_Event,
    HCI_LE_Create_Connection_Cancel_Command,
    HCI_LE_Create_Connection_Command,
    HCI_LE_Enhanced_Connection_Complete_Event,
    HCI_Packet,
    HCI_Read_Local_Supported_Commands_Command,
)
from bumble.host import Host
from bumble.transport import open_transport

from hubsim.radio.air import BACKLOG_BYTES_MAX, Air, AirController, LegacyController, serve_radio

pytestmark = pytest.mark.asyncio

PATIENCE_SECONDS = 60.0
"""How long anything is waited for, on a machine that does much else. Nothing here is that slow."""
CENTRALS = 6
INTERVAL_MS = 20
HUB = Address("F0:00:00:00:00:01")
PHONE = Address("F0:00:00:00:01:01")


class Ear:
    """A host that only hears."""

    def __init__(self, heard: asyncio.Queue[bytes]) -> None:
        self.on_packet = heard.put_nowait


@pytest_asyncio.fixture
async def air() -> AsyncIterator[tuple[str, int]]:
    """An air's host and port."""
    async with _an_air() as address:
        yield address


@asynccontextmanager
async def _an_air(make: type[AirController] = AirController) -> AsyncIterator[tuple[str, int]]:
    where: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(
            serve_radio("127.0.0.1", 0, lambda host, port: where.set_result((host, port)), make)
        )
        yield await where
        task.cancel()


@asynccontextmanager
async def _device(air: tuple[str, int], address: Address) -> AsyncIterator[Device]:
    async with await open_transport(f"tcp-client:{air[0]}:{air[1]}") as hci:
        device = Device("one", address, host=Host(hci.source, hci.sink))
        async with asyncio.timeout(PATIENCE_SECONDS):
            await device.power_on()
        yield device


async def _advertise(device: Device) -> None:
    await device.start_advertising(
        advertising_data=bytes(AdvertisingData([(AdvertisingData.FLAGS, b"\x06")]))
    )


async def test_one_advertising_event_is_answered_by_one_central(air: tuple[str, int]) -> None:
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(_device(air, HUB))
        arrived: asyncio.Queue[Connection] = asyncio.Queue()
        hub.on("connection", arrived.put_nowait)
        centrals = [
            await stack.enter_async_context(_device(air, Address(f"F0:00:00:00:01:{number:02X}")))
            for number in range(CENTRALS)
        ]
        async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
            waiting = {tasks.create_task(central.connect(HUB)) for central in centrals}
            for central in centrals:  # all of them listen before the hub speaks
                while not central.is_le_connecting:  # noqa: ASYNC110 (bumble tells nobody)
                    await asyncio.sleep(0)
            for left in range(CENTRALS, 0, -1):
                await _advertise(hub)
                peer = (await arrived.get()).peer_address
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                assert len(done) == 1
                assert done.pop().result().self_address == peer
                for central in centrals:  # whatever the air had to say by now has been heard
                    await central.host.send_sync_command(
                        HCI_Read_Local_Supported_Commands_Command()
                    )
                assert (len(waiting), arrived.qsize()) == (left - 1, 0)


async def test_a_central_that_gives_up_is_not_connected_later(air: tuple[str, int]) -> None:
    async with _device(air, HUB) as hub, _device(air, PHONE) as central:
        arrived: asyncio.Queue[Connection] = asyncio.Queue()
        hub.on("connection", arrived.put_nowait)
        async with asyncio.timeout(PATIENCE_SECONDS):
            with pytest.raises(
                core.TimeoutError
            ):  # the controller has said that it no longer tries
                await central.connect(HUB, timeout=0.2)
        await _advertise(hub)
        async with (
            _device(air, Address("F0:00:00:00:01:02")) as second,
            asyncio.timeout(PATIENCE_SECONDS),
        ):
            await second.connect(HUB)
            assert str((await arrived.get()).peer_address).startswith("F0:00:00:00:01:02")
        assert not central.connections


@pytest.mark.parametrize("connectable", [False, True])
async def test_a_central_is_let_in_by_what_is_connectable_alone(
    air: tuple[str, int], connectable: bool
) -> None:
    async with _device(air, HUB) as hub, _device(air, PHONE) as central:
        kind = AdvertisingEventProperties(
            is_connectable=connectable, is_scannable=False, is_legacy=False
        )
        await hub.create_advertising_set(
            AdvertisingParameters(kind, INTERVAL_MS, INTERVAL_MS), random_address=HUB
        )
        heard: asyncio.Queue[Advertisement] = asyncio.Queue()
        central.on("advertisement", heard.put_nowait)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await central.start_scanning()
            assert (await heard.get()).address == HUB
            await central.stop_scanning()
            if connectable:
                await central.connect(HUB)
            else:
                with pytest.raises(core.TimeoutError):
                    await central.connect(HUB, timeout=0.5)


async def test_a_legacy_controller_advertises_and_lets_in_without_extended_advertising() -> None:
    async with (
        _an_air(LegacyController) as air,
        _device(air, HUB) as hub,
        _device(air, PHONE) as central,
    ):
        assert not hub.supports_le_extended_advertising
        await _advertise(hub)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await central.connect(HUB)


@pytest.mark.parametrize(
    ("mask", "event"),
    [(0x1F, HCI_LE_Connection_Complete_Event), (0x21F, HCI_LE_Enhanced_Connection_Complete_Event)],
)
async def test_a_connection_is_told_by_the_event_that_the_host_wants(
    mask: int, event: type[HCI_Event]
) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    controller = AirController("one", link=Air(), public_address="C0:00:00:00:00:01")
    controller.le_event_mask = mask
    controller.host = Ear(heard)
    controller.on_hci_packet(
        HCI_LE_Create_Connection_Command(
            le_scan_interval=16,
            le_scan_window=16,
            initiator_filter_policy=0,
            peer_address_type=0,
            peer_address=HUB,
            own_address_type=0,
            connection_interval_min=24,
            connection_interval_max=40,
            max_latency=0,
            supervision_timeout=10,
            min_ce_length=0,
            max_ce_length=0,
        )
    )
    controller.on_hci_packet(HCI_LE_Create_Connection_Cancel_Command())
    async with asyncio.timeout(PATIENCE_SECONDS):
        told = [HCI_Packet.from_bytes(await heard.get()) for _ in range(3)]
    assert any(isinstance(packet, event) for packet in told), told


async def test_a_host_that_does_not_read_loses_its_controller_and_nobody_else_does(
    air: tuple[str, int],
) -> None:
    async with _device(air, HUB) as hub:
        with pytest.raises(ConnectionError):
            await _speak_without_listening(air)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await hub.host.send_sync_command(HCI_Read_Local_Supported_Commands_Command())


async def _speak_without_listening(air: tuple[str, int]) -> None:
    """Give commands, each of which is answered with more than it has, and read no answer."""
    commands = bytes(HCI_Read_Local_Supported_Commands_Command()) * 1024
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        await asyncio.get_running_loop().sock_connect(deaf, air)
        async with asyncio.timeout(PATIENCE_SECONDS):
            for _ in range(64 * BACKLOG_BYTES_MAX // len(commands)):
                await asyncio.get_running_loop().sock_sendall(deaf, commands)
