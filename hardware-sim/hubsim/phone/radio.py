"""A phone's radio: a bumble host as central, on any HCI transport.

Laws:
1. A phone has a new random address each time that it comes on air.
2. Every wait for the hub has an end.
3. What a hub notifies waits in a queue; beyond its ceiling it is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol, TypeVar

from bumble.core import UUID, AdvertisingData, BaseBumbleError
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.gatt_client import CharacteristicProxy, DescriptorProxy
from bumble.hci import Address
from bumble.transport import open_transport
from bumble.transport.common import TransportSink

from hubcore.errors import LinkError
from hubcore.phone import gatt
from hubcore.phone.framing import MTU_MIN
from hubsim.phone.sighting import HubChoice

POWER_ON_SECONDS = 5.0
SCAN_SECONDS = 5.0
CONNECT_SECONDS = 5.0
ATT_SECONDS = 6.0
DISCONNECT_SECONDS = 2.0
NOTIFICATIONS_MAX = 512
ADDRESS_BYTES = 6
COMPANY_BYTES = 2

_T = TypeVar("_T")


class PhoneLink(Protocol):
    """What an attempt needs of a radio: one connected, subscribed hub."""

    mtu: int
    notifications: asyncio.Queue[bytes]

    async def read_info(self) -> bytes:
        """Read INFO whole."""

    async def write(self, frame: bytes) -> None:
        """Write one frame to RX and wait for the answer.

        Raise LinkError when it is refused or the link is gone.
        """

    async def pull(self) -> bytes:
        """Read TXR."""


class FoundLink(PhoneLink, Protocol):
    """A link to a hub in sight; `address` tells the hub from the others."""

    address: str


class BumbleLink:
    """One connection to a hub. Implements FoundLink."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.mtu = MTU_MIN
        self.address = str(connection.peer_address)
        self.notifications: asyncio.Queue[bytes] = asyncio.Queue(NOTIFICATIONS_MAX)
        self._by_uuid: dict[UUID, CharacteristicProxy[bytes]] = {}

    async def prepare(
        self,
        mtu: int,
        subscribe: bool = True,
        known: BumbleLink | None = None,
    ) -> None:
        """Exchange the MTU (23 leaves it), find the table, subscribe to TX.

        With `known`, an earlier link to the same hub, its table is used again, as by phones that
        cache it.
        """
        peer = Peer(self.connection)
        if mtu > MTU_MIN:
            self.mtu = await peer.request_mtu(mtu)
        if known is not None:
            for uuid, characteristic in known._by_uuid.items():
                self._by_uuid[uuid] = _copy(characteristic, peer)
        else:
            await self._discover(peer)
        if subscribe:
            await self._of(gatt.TX).subscribe(self._take)

    async def _discover(self, peer: Peer) -> None:
        services = await peer.discover_service(UUID(gatt.SERVICE))
        if not services:
            raise LinkError("phone: the hub has no such service")
        for characteristic in await services[0].discover_characteristics():
            self._by_uuid[characteristic.uuid] = characteristic

    async def read_info(self) -> bytes:
        """Read INFO whole, in several parts where the MTU is small."""
        return await self._read(gatt.INFO)

    async def write(self, frame: bytes) -> None:
        """Write one frame to RX."""
        rx = self._of(gatt.RX)
        await self._att(rx.write_value(frame, with_response=True))

    async def pull(self) -> bytes:
        """Read TXR."""
        return await self._read(gatt.TXR)

    async def _read(self, uuid: str) -> bytes:
        characteristic = self._of(uuid)
        return await self._att(characteristic.read_value())

    def _of(self, uuid: str) -> CharacteristicProxy[bytes]:
        for known, characteristic in self._by_uuid.items():
            if known == UUID(uuid):
                return characteristic
        raise LinkError("phone: the hub's table has not all characteristics")

    def _take(self, value: bytes) -> None:
        if not self.notifications.full():
            self.notifications.put_nowait(bytes(value))

    async def _att(self, operation: Awaitable[_T]) -> _T:
        with lost_is_a_link_error():
            async with asyncio.timeout(ATT_SECONDS):
                return await operation


@contextmanager
def lost_is_a_link_error() -> Iterator[None]:
    """Raise LinkError for a hub that refuses, is silent or leaves.

    When it leaves, bumble cancels whoever waits for it; a true cancellation goes through.
    """
    try:
        yield
    except (TimeoutError, BaseBumbleError, asyncio.CancelledError) as error:
        if isinstance(error, asyncio.CancelledError) and _is_cancelling():
            raise
        raise LinkError(f"phone: the hub refused, left or does not answer: {error!r}") from error


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _copy(known: CharacteristicProxy[bytes], peer: Peer) -> CharacteristicProxy[bytes]:
    """Return the same characteristic on another connection to the same hub."""
    client = peer.gatt_client
    made = CharacteristicProxy[bytes](
        client,
        known.handle,
        known.end_group_handle,
        known.uuid,
        int(known.properties),
    )
    made.descriptors = [
        DescriptorProxy(client, descriptor.handle, descriptor.type)
        for descriptor in known.descriptors
    ]
    made.descriptors_discovered = known.descriptors_discovered
    return made


@asynccontextmanager
async def on_air(
    transport: str, through: Callable[[TransportSink], TransportSink] = lambda sink: sink
) -> AsyncIterator[Device]:
    """Yield a phone's radio; it is gone from the air at the end.

    `through` may put something before its controller.
    """
    async with await open_transport(transport) as hci:
        sink = through(hci.sink)
        device = Device.with_hci("phone", _random_address(), hci.source, sink)
        async with asyncio.timeout(POWER_ON_SECONDS):
            await device.power_on()
        yield device


def _random_address() -> Address:
    """Return a static random address (Bluetooth Core, Vol 6, Part B, 1.3.2.1)."""
    address = bytearray(secrets.token_bytes(ADDRESS_BYTES))
    address[0] |= 0xC0
    return Address(address.hex(":").upper())


@asynccontextmanager
async def connect(
    device: Device,
    mtu: int = 247,
    subscribe: bool = True,
    beacon_key: bytes | None = None,
    passed_by: frozenset[str] = frozenset(),
    at: Address | None = None,
) -> AsyncIterator[BumbleLink]:
    """Find a hub by its service and its tag, connect and prepare; disconnect at the end.

    `at` is one that was found before. Raise LinkError.
    """
    address = at or await find(device, beacon_key, passed_by)
    with lost_is_a_link_error():
        async with asyncio.timeout(CONNECT_SECONDS):
            connection = await device.connect(address)
    try:
        link = BumbleLink(connection)
        with lost_is_a_link_error():
            async with asyncio.timeout(ATT_SECONDS):
                await link.prepare(mtu, subscribe)
        yield link
    finally:
        if connection.handle in device.connections:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DISCONNECT_SECONDS):
                    await connection.disconnect()


async def find(
    device: Device,
    beacon_key: bytes | None = None,
    passed_by: frozenset[str] = frozenset(),
    scan_seconds: float = SCAN_SECONDS,
) -> Address:
    """Scan until a hub to try is found: by its service, and by its tag when there is a key.

    Raise LinkError.
    """
    choice: HubChoice[Address] = HubChoice(beacon_key, passed_by)

    def seen(advertisement: Advertisement) -> None:
        services = advertisement.data.get(
            AdvertisingData.Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS
        )
        if not isinstance(services, list):
            return
        if UUID(gatt.SERVICE) not in services:
            return
        manufacturer = AdvertisingData.Type.MANUFACTURER_SPECIFIC_DATA
        raw = advertisement.data.get_all(manufacturer, raw=True)
        manufacturer_data = [data[COMPANY_BYTES:] for data in raw]
        address = advertisement.address
        choice.seen(address, manufacturer_data, str(address))

    device.on("advertisement", seen)
    await device.start_scanning(filter_duplicates=False)
    try:
        return await choice.made(scan_seconds)
    finally:
        device.remove_listener("advertisement", seen)
        await device.stop_scanning()
