"""A PKOC phone's radio: finds a reader, subscribes, and carries a visit to its end.

Source of the table and of how the apps write: Constants and PKOC_BluetoothCallbackGatt (Android),
ios/Sources/BluetoothProvider.swift, and ReaderProfile of the reader's simulator, all of
psialliance-org/com-psia-pkoc at 5fe5b27.

Laws:
1. A phone has a new random address each time that it comes on air.
2. Every wait for the hub has an end.
3. It writes without a response where the table offers that, as Android does by itself and the
   iPhone always.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass

from bumble.core import UUID, AdvertisingData
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.gatt import Characteristic
from bumble.gatt_client import CharacteristicProxy
from bumble.hci import Address

from hubcore.errors import LinkError
from hubsim.phone.radio import lost_is_a_link_error
from hubsim.pkoc.phone import Answer, PkocPhone, Stage

SERVICE = 0xFFF0
WRITE = "fe278a85-89ae-191f-5dde-841202693835"
NOTIFY = "e5b1b3b5-3cca-3f76-cd86-a884cc239692"
SCAN_SECONDS = 5.0
CONNECT_SECONDS = 5.0
ATT_SECONDS = 6.0
VISIT_SECONDS = 10.0
DISCONNECT_SECONDS = 2.0
NOTIFICATIONS_MAX = 64
_LEFT = b""
"""No reader says nothing at all."""


@dataclass(frozen=True, slots=True)
class Visited:
    """What came of a visit: the answer, None without one; bytes in both directions; seconds."""

    answer: Answer | None
    bytes_over_air: int
    seconds: float


async def visit(device: Device, phone: PkocPhone, mtu: int | None = None) -> Visited:
    """Find a reader, connect, and go through one visit. Raise LinkError, UntrustedError.

    `mtu` is the app's own where it is not said.
    """
    address = await _find(device)
    with lost_is_a_link_error():
        async with asyncio.timeout(CONNECT_SECONDS):
            connection = await device.connect(address)
    try:
        with lost_is_a_link_error():
            async with asyncio.timeout(VISIT_SECONDS):
                return await _go_through(connection, phone, mtu or phone.habits.mtu)
    finally:
        if connection.handle in device.connections:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DISCONNECT_SECONDS):
                    await connection.disconnect()


async def _find(device: Device) -> Address:
    """Scan for the service. Raise LinkError."""
    found: asyncio.Future[Address] = asyncio.get_running_loop().create_future()
    kind = AdvertisingData.Type.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS

    def seen(advertisement: Advertisement) -> None:
        services = advertisement.data.get(kind)
        is_reader = isinstance(services, list) and UUID.from_16_bits(SERVICE) in services
        if is_reader and not found.done():
            found.set_result(advertisement.address)

    device.on("advertisement", seen)
    await device.start_scanning(filter_duplicates=False)
    try:
        async with asyncio.timeout(SCAN_SECONDS):
            return await found
    except TimeoutError:
        raise LinkError("phone: no PKOC reader in sight") from None
    finally:
        device.remove_listener("advertisement", seen)
        await device.stop_scanning()


async def _go_through(connection: Connection, phone: PkocPhone, mtu: int) -> Visited:
    peer = Peer(connection)
    await peer.request_mtu(mtu)
    services = await peer.discover_service(UUID.from_16_bits(SERVICE))
    if not services:
        raise LinkError("phone: the hub has no such service")
    table = {one.uuid: one for one in await services[0].discover_characteristics()}
    notified: asyncio.Queue[bytes] = asyncio.Queue(NOTIFICATIONS_MAX)

    def take(value: bytes) -> None:
        if not notified.full():
            notified.put_nowait(bytes(value))

    began = time.monotonic()
    connection.on(Connection.EVENT_DISCONNECTION, lambda _reason: take(_LEFT))
    await table[UUID(NOTIFY)].subscribe(take)
    return await _talk(table[UUID(WRITE)], notified, phone, began)


async def _talk(
    write: CharacteristicProxy[bytes],
    notified: asyncio.Queue[bytes],
    phone: PkocPhone,
    began: float,
) -> Visited:
    """Carry messages until the phone waits for nothing more."""
    carried = 0
    with_response = not write.properties & Characteristic.Properties.WRITE_WITHOUT_RESPONSE
    while phone.stage is not Stage.DONE:
        stage = phone.stage
        heard = await notified.get()
        if heard == _LEFT:
            raise LinkError("phone: the hub has left")
        written = phone.heard(heard)
        if phone.stage is not stage:
            carried += len(heard)
        if written is not None:
            carried += len(written)
            async with asyncio.timeout(ATT_SECONDS):
                await write.write_value(written, with_response=with_response)
    return Visited(phone.answer, carried, time.monotonic() - began)
