"""The air: virtual Bluetooth LE controllers on one link, each served over TCP as HCI (H4).

Any host stack can attach: a hub, a phone in another process, an attacker. A controller lives as
long as its TCP connection; when that ends, its peers see the link time out, as when a phone's
battery is pulled. The controllers are of Bluetooth 5, or, as in many small computers, without its
extended advertising: Linux then has one advertising set.

Laws:
1. There are at most CONTROLLERS_MAX controllers.
2. A host reaches the others by radio alone.
3. Who scans actively hears each advertiser's own scan response, which may be empty.
4. At most one central answers an advertising event, and only while its advertiser is on air and
   connectable.
5. A host that does not read loses its controller before what waits for it exceeds BACKLOG_BYTES_MAX
   by more than one packet.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import socket
from collections.abc import Callable

from bumble import hci, ll
from bumble.controller import AdvertisingSet, Controller
from bumble.core import InvalidArgumentError, PhysicalTransport
from bumble.hci import HCI_CONNECTION_TIMEOUT_ERROR, Address
from bumble.link import LocalLink
from bumble.transport.common import StreamPacketSource

from hubcore.errors import ConfigError

CONTROLLERS_MAX = 64
ENHANCED_CONNECTION_COMPLETE = 1 << (hci.HCI_LE_ENHANCED_CONNECTION_COMPLETE_EVENT - 1)
"""Its bit in the LE event mask (Bluetooth Core, Vol 4, Part E, 7.8.1)."""
BACKLOG_BYTES_MAX = 1 << 18
_Properties = hci.HCI_LE_Set_Extended_Advertising_Parameters_Command.AdvertisingProperties
CONNECTABLE = _Properties.CONNECTABLE_ADVERTISING
_Report = hci.HCI_LE_Advertising_Report_Event
_ExtendedReport = hci.HCI_LE_Extended_Advertising_Report_Event
DATA_BYTES = 251
"""In a packet (Bluetooth Core, Vol 6, Part B, 4.5.10); bumble's controllers take 27."""
SEND_BUFFER_BYTES = 1 << 16
"""What the system may keep of it for one host; left to itself it takes megabytes."""


class Air(LocalLink):
    """A link that labels data with the address of its connection, as public hosts expect."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._answerable: Address | None = None

    def send_advertising_pdu(
        self, sender_controller: Controller, packet: ll.AdvertisingPdu
    ) -> None:
        """Let everybody hear it soon, in an order of chance.

        A central's answer reaches the advertiser at once.
        """
        if isinstance(packet, ll.ConnectInd):
            self._hear(sender_controller, packet)
        else:
            asyncio.get_running_loop().call_soon(self._advertise, sender_controller, packet)

    def scan_response(self, advertiser: Address) -> bytes:
        """Return what an advertiser answers to who scans actively, b"" for nobody in sight."""
        for one in self.controllers:
            legacy = one.le_legacy_advertiser
            if legacy.enabled and legacy.address == advertiser:
                return bytes(legacy.scan_response_data)
            for advertising in one.advertising_sets.values():
                if advertising.enabled and advertising.address == advertiser:
                    return bytes(advertising.scan_response_data)
        return b""

    def take(self, advertiser: Address) -> bool:
        """Tell whether a central may answer the event heard right now; the first to ask may."""
        if self._answerable != advertiser:
            return False
        if not any(_connectable(one, advertiser) for one in self.controllers):
            return False
        self._answerable = None
        return True

    def _advertise(self, sender: Controller, packet: ll.AdvertisingPdu) -> None:
        if isinstance(packet, ll.AdvInd | ll.AdvExtInd):
            self._answerable = packet.advertiser_address
        try:
            self._hear(sender, packet)
        finally:
            self._answerable = None

    def _hear(self, sender: Controller, packet: ll.AdvertisingPdu) -> None:
        others = [one for one in self.controllers if one is not sender]
        for one in random.sample(others, len(others)):
            one.on_ll_advertising_pdu(packet)

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        """Hand data to the controller at the other end; data for nobody is lost, as on air."""
        receiver = self.find_le_controller(destination_address)
        if receiver is None:
            return
        connection = sender_controller.le_connections.get(destination_address)
        source = connection.self_address if connection else sender_controller.random_address
        loop = asyncio.get_running_loop()
        loop.call_soon(receiver.on_link_acl_data, source, transport, data)


def _connectable(controller: Controller, address: Address) -> bool:
    """Tell whether a central may connect to what it sends; bumble lets one into every set."""
    legacy = controller.le_legacy_advertiser  # which is heard only when it is connectable
    if legacy.enabled and legacy.address == address:
        return True
    for one in controller.advertising_sets.values():
        if one.enabled and one.address == address and _lets_in(one):
            return True
    return False


def _lets_in(one: AdvertisingSet) -> bool:
    if one.parameters is None:
        return False
    return bool(one.parameters.advertising_event_properties & CONNECTABLE)


class AirController(Controller):
    """Connects as a radio does: it answers an event that nobody has answered, until called off."""

    le_acl_data_packet_length = DATA_BYTES

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        """Send to the host; a connection by the enhanced event alone when the host wants that one.

        See Bluetooth Core, Vol 4, Part E, 7.7.65.10. Linux as central waits for it, with all other
        commands, for 20 s.
        """
        wants_enhanced = self.le_event_mask & ENHANCED_CONNECTION_COMPLETE
        if wants_enhanced and isinstance(packet, hci.HCI_LE_Connection_Complete_Event):
            packet = _enhanced(packet)
        if isinstance(packet, _Report):
            packet = self._with_scan_responses(packet)
        if isinstance(packet, _ExtendedReport):
            packet = self._with_extended_scan_responses(packet)
        super().send_hci_packet(packet)

    def _with_scan_responses(self, packet: _Report) -> _Report:
        """Put the true scan responses into a report; bumble's own repeats the advertisement."""
        for one in packet.reports:
            if one.event_type == _Report.EventType.SCAN_RSP:
                one.data = self._scan_response(one.address)
        return _Report(list(packet.reports))  # its bytes are made anew

    def _with_extended_scan_responses(self, packet: _ExtendedReport) -> _ExtendedReport:
        for one in packet.reports:
            if one.event_type & _ExtendedReport.EventType.SCAN_RESPONSE:
                one.data = self._scan_response(one.address)
        return _ExtendedReport(list(packet.reports))

    def _scan_response(self, advertiser: Address) -> bytes:
        return self.link.scan_response(advertiser) if isinstance(self.link, Air) else b""

    def create_le_connection(self, peer_address: Address) -> None:
        """Answer the event, or wait for the next one."""
        if isinstance(self.link, Air) and self.link.take(peer_address):
            super().create_le_connection(peer_address)

    def on_hci_le_create_connection_cancel_command(
        self, _command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        """See Bluetooth Core, Vol 4, Part E, 7.8.13; bumble's own goes on trying."""
        pending = self.pending_le_connection
        self.pending_le_connection = None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        asyncio.get_running_loop().call_soon(self._called_off, pending.peer_address)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def _called_off(self, peer_address: Address) -> None:
        event = hci.HCI_LE_Connection_Complete_Event(
            status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
            connection_handle=0,
            role=hci.Role.CENTRAL,
            peer_address_type=peer_address.address_type,
            peer_address=peer_address,
            connection_interval=0,
            peripheral_latency=0,
            supervision_timeout=0,
            central_clock_accuracy=0,
        )
        self.send_hci_packet(event)


def _enhanced(
    event: hci.HCI_LE_Connection_Complete_Event,
) -> hci.HCI_LE_Enhanced_Connection_Complete_Event:
    return hci.HCI_LE_Enhanced_Connection_Complete_Event(
        status=event.status,
        connection_handle=event.connection_handle,
        role=event.role,
        peer_address_type=event.peer_address_type,
        peer_address=event.peer_address,
        local_resolvable_private_address=Address.ANY,
        peer_resolvable_private_address=Address.ANY,
        connection_interval=event.connection_interval,
        peripheral_latency=event.peripheral_latency,
        supervision_timeout=event.supervision_timeout,
        central_clock_accuracy=event.central_clock_accuracy,
    )


class LegacyController(AirController):
    """Without extended advertising (Bluetooth Core, Vol 6, Part B, 4.6)."""

    le_features = AirController.le_features & ~hci.LeFeatureMask.LE_EXTENDED_ADVERTISING


class _Port(StreamPacketSource):
    """One TCP connection with its controller."""

    def __init__(self, air: Air, number: int, make: type[AirController]) -> None:
        super().__init__()
        self._air = air
        self._number = number
        self._make = make
        self._transport: asyncio.WriteTransport | None = None
        self._controller: Controller | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        tcp = transport.get_extra_info("socket")
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if len(self._air.controllers) >= CONTROLLERS_MAX:
            transport.close()
            return
        high, low = divmod(self._number % 65536, 256)
        self._controller = self._make(
            f"port{self._number}",
            self,
            self,
            self._air,
            public_address=f"C0:00:00:00:{high:02X}:{low:02X}",
        )

    def on_packet(self, packet: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(packet)
        if transport.get_write_buffer_size() > BACKLOG_BYTES_MAX:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        controller = self._controller
        self._controller = None
        if controller is None:
            return
        self._air.remove_controller(controller)
        controller.le_legacy_advertiser.stop()
        for advertising in controller.advertising_sets.values():
            advertising.stop()
        for connection in list(controller.le_connections.values()):
            with contextlib.suppress(InvalidArgumentError):  # the peer has gone as well
                connection.send_ll_control_pdu(ll.TerminateInd(HCI_CONNECTION_TIMEOUT_ERROR))


async def serve_radio(
    host: str,
    port: int,
    ready: Callable[[str, int], None],
    make: type[AirController] = AirController,
) -> None:
    """Serve controllers on a TCP address until cancelled; port 0 picks one.

    Call `ready` with the address. Raise ConfigError when nothing can listen there.
    """
    air = Air()
    numbers = itertools.count(1)
    try:
        server = await asyncio.get_running_loop().create_server(
            lambda: _Port(air, next(numbers), make), host, port
        )
    except (OSError, ValueError) as error:
        remedy = "name a free port of this machine with --listen; does a radio run there already?"
        raise ConfigError(f"radio: cannot listen on {host}:{port}: {error}; {remedy}") from error
    async with server:
        true_host, true_port = server.sockets[0].getsockname()[:2]
        ready(true_host, true_port)
        await server.serve_forever()
