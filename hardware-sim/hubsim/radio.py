"""The air: virtual Bluetooth LE controllers on one link, each served over TCP as HCI (H4) to whoever attaches.

Any host stack can attach: a hub, a phone in another process, an attacker. A controller lives as long as its TCP
connection; when that ends, its peers see the link time out, as when a phone's battery is pulled.

Law: at most CONTROLLERS_MAX of them; whoever attaches reaches the others by radio alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable

from bumble import ll
from bumble.controller import Controller
from bumble.core import InvalidArgumentError, PhysicalTransport
from bumble.hci import HCI_CONNECTION_TIMEOUT_ERROR, Address
from bumble.link import LocalLink
from bumble.transport.common import StreamPacketSource

from hubd.errors import ConfigError

CONTROLLERS_MAX = 64


class Air(LocalLink):
    """Labels data with the address its connection was made with, as hosts on a public address expect."""

    def send_acl_data(
        self, sender_controller: Controller, destination_address: Address, transport: PhysicalTransport, data: bytes
    ) -> None:
        """Hand data to the controller at the other end; data for nobody is lost, as on air."""
        receiver = self.find_le_controller(destination_address)
        connection = sender_controller.le_connections.get(destination_address)
        source = connection.self_address if connection else sender_controller.random_address
        if receiver is not None:
            asyncio.get_running_loop().call_soon(receiver.on_link_acl_data, source, transport, data)


class _Port(StreamPacketSource):
    """One TCP connection with its controller."""

    def __init__(self, air: Air, number: int) -> None:
        super().__init__()
        self._air, self._number = air, number
        self._transport: asyncio.WriteTransport | None = None
        self._controller: Controller | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        if len(self._air.controllers) >= CONTROLLERS_MAX:
            transport.close()
            return
        address = "C0:00:00:00:{:02X}:{:02X}".format(*divmod(self._number % 65536, 256))
        self._controller = Controller(f"port{self._number}", self, self, self._air, public_address=address)

    def on_packet(self, packet: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(packet)

    def connection_lost(self, exc: Exception | None) -> None:
        controller, self._controller = self._controller, None
        if controller is None:
            return
        self._air.remove_controller(controller)
        controller.le_legacy_advertiser.stop()
        for advertising in controller.advertising_sets.values():
            advertising.stop()
        for connection in list(controller.le_connections.values()):
            with contextlib.suppress(InvalidArgumentError):  # the peer has gone as well
                connection.send_ll_control_pdu(ll.TerminateInd(HCI_CONNECTION_TIMEOUT_ERROR))


async def serve_radio(host: str, port: int, ready: Callable[[str, int], None]) -> None:
    """Serve controllers on a TCP address until cancelled; `ready` is told the address (port 0 picks one).

    Raise ConfigError when nothing can listen there.
    """
    air, numbers = Air(), itertools.count(1)  # type: ignore[no-untyped-call]
    try:
        server = await asyncio.get_running_loop().create_server(lambda: _Port(air, next(numbers)), host, port)
    except (OSError, ValueError) as error:
        remedy = "name a free port of this machine with --listen; does a radio run there already?"
        raise ConfigError(f"radio: cannot listen on {host}:{port}: {error}; {remedy}") from error
    async with server:
        ready(*server.sockets[0].getsockname()[:2])
        await server.serve_forever()
