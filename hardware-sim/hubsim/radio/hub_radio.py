"""The hub's radio on a virtual controller: `ports.radio.Radio` over a bumble host.

It behaves as BlueZ does. A notification goes to every subscriber. Advertising stops at each
connection and begins again. A read with an offset goes on with the value that was read. Each call
names its link and its MTU.

Laws:
1. A link that was opened is closed once, also when the controller is lost. When the radio itself
   is stopped, links are not closed.
2. A cancellation reaches whoever waits, though bumble may swallow it.
3. An answer of the controller that nobody waits for any more is no error.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from bumble import att, gatt_server
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import Address, HCI_Command_Complete_Event, HCI_Command_Status_Event
from bumble.host import Host
from bumble.transport import open_transport

from hubcore.errors import LinkError, PeerError
from hubcore.phone import gatt
from hubcore.phone.beacon import Beacon
from hubcore.ports.radio import Adapter, LinkId, PkocListener, RadioListener
from hubd.adapters.cancelled import end_if_cancelled
from hubsim.radio.pkoc_service import PkocService, pkoc_uuids

POWER_ON_SECONDS = 5.0
BACK_OFF_SECONDS = 1.0
LE_GENERAL_DISCOVERABLE_ONLY = b"\x06"
"""Flags: general discoverable, no BR/EDR (Core Specification Supplement, Part A, 1.3)."""
TellReady = Callable[[bool], None]
READ = Characteristic.Properties.READ
WRITE = Characteristic.Properties.WRITE
NOTIFY = Characteristic.Properties.NOTIFY


class _Host(Host):
    """Takes an answer whose waiter was cancelled a moment ago; bumble's own raises on it."""

    def on_command_processed(
        self, event: HCI_Command_Complete_Event[Any] | HCI_Command_Status_Event
    ) -> None:
        """Hand an answer to the command that waits, if one still does."""
        if self.pending_response is None or not self.pending_response.done():
            super().on_command_processed(event)

    def on_transport_lost(self) -> None:
        """Fail the command that waits, if one still does."""
        if self.pending_response is not None and self.pending_response.done():
            self.pending_response = None
        super().on_transport_lost()  # type: ignore[no-untyped-call]


class _ReadBy(NamedTuple):
    """Handles of a connection and of the attribute that it has read."""

    connection: int
    attribute: int


class _Server(gatt_server.Server):
    """Answers a read at an offset with the rest of the value read before, not with a new one.

    bumble calls the attributes in tasks: when one runs, its phone may have gone, and its handle may
    be another phone's. A phone that has gone gets no answer.
    """

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.links: dict[att.Bearer, LinkId] = {}
        self._read: dict[_ReadBy, bytes] = {}

    def remember(self, connection: Connection, attribute: int, value: bytes) -> bytes:
        """Note what a phone has read, for its reads at an offset; return it."""
        self._read[_ReadBy(connection.handle, attribute)] = value
        return value

    def forget(self, connection: Connection) -> None:
        """A phone has gone."""
        self.links.pop(connection, None)
        for key in list(self._read):
            if key.connection == connection.handle:
                del self._read[key]

    def link_of(self, bearer: att.Bearer) -> LinkId:
        """Return the link of a phone that is there. Raise ATT_Error for one that has gone."""
        if bearer not in self.links:
            raise att.ATT_Error(att.ATT_UNLIKELY_ERROR_ERROR)
        return self.links[bearer]

    def send_response(self, bearer: att.Bearer, response: att.ATT_PDU) -> None:
        """Answer a phone that is there."""
        if bearer in self.links:
            super().send_response(bearer, response)

    def on_att_read_blob_request(
        self, bearer: att.Bearer, request: att.ATT_Read_Blob_Request
    ) -> None:
        """See Bluetooth Core, Vol 3, Part F, 3.4.4.5."""
        assert isinstance(bearer, Connection)
        value = self._read.get(_ReadBy(bearer.handle, request.attribute_handle))
        if value is None:
            super().on_att_read_blob_request(bearer, request)
            return
        if request.value_offset > len(value):
            error = att.ATT_Error_Response(
                request_opcode_in_error=request.op_code,
                attribute_handle_in_error=request.attribute_handle,
                error_code=att.ATT_INVALID_OFFSET_ERROR,
            )
            self.send_response(bearer, error)
            return
        ends = request.value_offset + bearer.att_mtu - 1
        part = value[request.value_offset : ends]
        self.send_response(bearer, att.ATT_Read_Blob_Response(part_attribute_value=part))


async def _cancellable(work: Awaitable[object]) -> None:
    """Await what bumble does; bumble may swallow a cancellation, which must not be lost."""
    await work
    end_if_cancelled()


class BumbleRadio:
    """`transport` is bumble's name of an HCI transport, such as tcp-client:127.0.0.1:9000.

    By `beacon`, if there is one, the site's phones know the hub. `shown_name` is what it is called
    in its scan response, "" for an empty one.
    """

    def __init__(self, transport: str, beacon: Beacon | None = None, shown_name: str = "") -> None:
        self._shown_name = shown_name
        self._transport = transport
        self._beacon = beacon
        self._device: Device | None = None
        self._links: dict[LinkId, Connection] = {}
        self._visits = 0
        self._tx: Characteristic[bytes] | None = None
        self._pkoc: PkocService | None = None
        self._changed = asyncio.Event()

    def adapter(self) -> Adapter | None:
        """Return the simulated controller."""
        device = self._device
        if device is None:
            return None
        return Adapter(name="virtual air", address=device.random_address.to_string(False))

    def rssi(self, _link: LinkId) -> int | None:
        """The virtual air has no distances."""
        return None

    async def serve(
        self, listener: RadioListener, ready: TellReady, pkoc: PkocListener | None = None
    ) -> None:
        """Advertise and serve; begin again when the controller is lost."""
        while True:
            try:
                await self._serve_controller(listener, ready, pkoc)
            except (OSError, TimeoutError, LinkError):
                ready(False)
            for link in list(self._links):
                self._forget(listener, link)
            await asyncio.sleep(BACK_OFF_SECONDS)

    async def _serve_controller(
        self, listener: RadioListener, ready: TellReady, pkoc: PkocListener | None
    ) -> None:
        async with await open_transport(self._transport) as transport:
            address = Address(f"F0:{random.randbytes(5).hex(':')}".upper())
            host = _Host(transport.source, transport.sink)
            device = Device("hub", address, host=host)
            self._device = device
            self._build(device, listener, pkoc)
            lost = transport.source.terminated
            async with asyncio.timeout(POWER_ON_SECONDS):
                await _cancellable(device.power_on())
            try:
                lost.add_done_callback(lambda _: self._changed.set())
                while not lost.done():
                    self._changed.clear()
                    await _cancellable(self._advertise(device))
                    ready(True)
                    await self._until_changed()
            finally:
                self._device = None

    async def _advertise(self, device: Device) -> None:
        """Put the hub on air, each time with a new tag when there is a beacon."""
        if device.is_advertising:
            await device.stop_advertising()
        interval_ms = gatt.ADVERTISING_INTERVAL_SECONDS * 1000
        await device.start_advertising(
            advertising_data=bytes(self._advertising_data()),
            scan_response_data=self._scan_response(),
            advertising_interval_min=interval_ms,
            advertising_interval_max=interval_ms,
        )

    def _scan_response(self) -> bytes:
        if not self._shown_name:
            return b""
        name = self._shown_name.encode("ascii")
        return bytes(AdvertisingData([(AdvertisingData.COMPLETE_LOCAL_NAME, name)]))

    def _advertising_data(self) -> AdvertisingData:
        service = UUID(gatt.SERVICE).to_bytes()
        parts: list[tuple[int, bytes]] = [
            (AdvertisingData.FLAGS, LE_GENERAL_DISCOVERABLE_ONLY),
            (AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, service),
        ]
        if self._pkoc is not None:
            parts.append(pkoc_uuids())
        if self._beacon is not None:
            company = self._beacon.company.to_bytes(2, "little")
            tag = self._beacon.tag(secrets.token_bytes)
            parts.append((AdvertisingData.MANUFACTURER_SPECIFIC_DATA, company + tag))
        return AdvertisingData(parts)

    async def _until_changed(self) -> None:
        """Wait until a phone has come or gone, or the tag is to change."""
        seconds = self._beacon.rotate_seconds if self._beacon else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def _build(
        self, device: Device, listener: RadioListener, pkoc: PkocListener | None = None
    ) -> None:
        server = _Server(device)
        device.gatt_server = server
        self._tx = self._add_service(device, server, listener)
        self._pkoc = None
        if pkoc is not None:
            self._pkoc = PkocService(device, pkoc, server.link_of)

        def on_connection(connection: Connection) -> None:
            self._visits += 1
            link = LinkId(str(connection.peer_address), self._visits)
            server.links[connection] = link
            self._links[link] = connection
            connection.on("disconnection", lambda _reason: on_disconnection(connection, link))
            listener.opened(link)
            self._changed.set()

        def on_disconnection(connection: Connection, link: LinkId) -> None:
            server.forget(connection)
            if self._pkoc is not None:
                self._pkoc.gone(connection)
            self._forget(listener, link)
            self._changed.set()

        device.on("connection", on_connection)

    @staticmethod
    def _add_service(
        device: Device,
        server: _Server,
        listener: RadioListener,
    ) -> Characteristic[bytes]:
        """Put the protocol's table on a device; return TX."""

        def read_info(connection: Connection) -> bytes:
            value = listener.info(server.link_of(connection))
            return server.remember(connection, info.handle, value)

        def next_frame(connection: Connection) -> bytes:
            value = listener.next_frame(server.link_of(connection), connection.att_mtu)
            return server.remember(connection, txr.handle, value)

        def write(connection: Connection, value: bytes) -> None:
            try:
                listener.frame(server.link_of(connection), value, connection.att_mtu)
            except PeerError:
                raise att.ATT_Error(gatt.APPLICATION_ERROR) from None

        readable = Characteristic.READABLE
        writeable = Characteristic.WRITEABLE
        info: Characteristic[bytes] = Characteristic(
            gatt.INFO, READ, readable, CharacteristicValue(read=read_info)
        )
        rx: Characteristic[bytes] = Characteristic(
            gatt.RX, WRITE, writeable, CharacteristicValue(write=write)
        )
        tx: Characteristic[bytes] = Characteristic(
            gatt.TX, NOTIFY, Characteristic.Permissions(0), b""
        )
        txr: Characteristic[bytes] = Characteristic(
            gatt.TXR, READ, readable, CharacteristicValue(read=next_frame)
        )
        service = Service(gatt.SERVICE, [info, rx, tx, txr])
        device.add_service(service)
        return tx

    def _forget(self, listener: RadioListener, link: LinkId) -> None:
        if self._links.pop(link, None) is not None:
            listener.closed(link)

    async def notify(self, link: LinkId, frame: bytes) -> None:
        """Notify every subscriber, as BlueZ does."""
        if self._device is None or self._tx is None or link not in self._links:
            raise LinkError("radio: the link is gone")
        await _cancellable(self._device.notify_subscribers(self._tx, frame))

    async def notify_pkoc(self, message: bytes) -> None:
        """Notify every subscriber of PKOC's NOTIFY, as BlueZ does."""
        if self._device is None or self._pkoc is None:
            raise LinkError("radio: not on air")
        await _cancellable(self._device.notify_subscribers(self._pkoc.notify, message))

    async def drop(self, link: LinkId) -> None:
        """Disconnect the peer."""
        connection = self._links.get(link)
        if connection is None:
            return
        try:
            await _cancellable(connection.disconnect())
        except Exception as error:
            raise LinkError(f"radio: {error}") from error
