"""Many hubs of a bridge in a process of its own: `python -m benchmarks.bridgedhubs`.

`hubs FOLDER PORT COUNT` comes as so many hubs over TLS 1.3, each with its own key and certificate.
Each takes the mandate for orders, proves each order of the site by it, and answers TAKEN. It prints
`ready` once all were welcomed. Then it prints a line for each order that all have taken: the
CLOCK_MONOTONIC of each hub in ns, with blanks between.

`echo FOLDER` answers each message on TLS 1.3 with itself: the bare round trip. It prints its port.

Law: what a hub would do on its disk and at its doors is left out; all that crosses the connection
is real.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from hubcore.access.words import HubName
from hubcore.backend.uplink.from_hub import OrderResult
from hubcore.backend.uplink.words import OrderOutcome
from hubcore.bridge import codec
from hubcore.bridge.frames import Frames, frame
from hubcore.bridge.from_bridge import BridgeWelcome, CarriedMandate, CarriedOrder, FromBridge
from hubcore.bridge.from_hub import HubHello
from hubcore.bridge.mandate import Mandate, Use, prove_mandate
from hubcore.bridge.site.order import prove_site_order
from hubcore.bridge.words import FROM_BRIDGE_BYTES
from hubcore.codec.cose import VerifyKey
from hubcore.evidence.records import GENESIS
from hubtls.keys import read_issuer

SITE = "site-1"
BRIDGE = "bridge-1"
READ_BYTES = 65_536
COMING_AT_ONCE = 8
"""Far below what a bridge lets in of those that have proven nothing."""
MESSAGE_BYTES = 256
"""As long as an order of the site, with its signature."""


@dataclass
class Taken:
    """Which hubs have taken which order, and when."""

    count: int
    at_ns: dict[bytes, list[int]] = field(default_factory=dict)
    welcomed: int = 0

    def welcome(self) -> None:
        """A hub was welcomed."""
        self.welcomed += 1
        if self.welcomed == self.count:
            print("ready", flush=True)

    def take(self, order: bytes) -> None:
        """A hub has taken an order."""
        times = self.at_ns.setdefault(order, [])
        times.append(time.monotonic_ns())
        if len(times) == self.count:
            print(*times, flush=True)
            del self.at_ns[order]


class LightHub:
    """One hub, from its Hello on."""

    def __init__(self, name: str, issuer: VerifyKey, taken: Taken) -> None:
        self._name = name
        self._issuer = issuer
        self._taken = taken
        self._mandate: Mandate | None = None
        self._frames = Frames(FROM_BRIDGE_BYTES)

    async def serve(self, folder: Path, port: int, coming: asyncio.Semaphore) -> None:
        """Come, and answer until the bridge goes."""
        async with coming:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1",
                port,
                ssl=context_of(folder / self._name, ssl.PROTOCOL_TLS_CLIENT),
                server_hostname=f"{BRIDGE}.bridge.{SITE}",
            )
        writer.write(frame(codec.encode(self._hello())))
        while data := await reader.read(READ_BYTES):
            self._frames.feed(data)
            while (message := self._frames.next()) is not None:
                answer = self._take(codec.decode_from_bridge(message))
                if answer is not None:
                    writer.write(frame(codec.encode(answer)))

    def _take(self, message: FromBridge) -> OrderResult | None:
        match message:
            case BridgeWelcome():
                self._taken.welcome()
            case CarriedMandate(document):
                mandate = prove_mandate(document, SITE, self._issuer)
                if mandate.use is Use.ORDERS:
                    self._mandate = mandate
            case CarriedOrder(document) if self._mandate is not None:
                order = prove_site_order(document, HubName(SITE, self._name), self._mandate)
                self._taken.take(order.id)
                return OrderResult(order.id, OrderOutcome.TAKEN, "")
        return None

    def _hello(self) -> HubHello:
        return HubHello(
            protocol=1,
            hub=self._name,
            site=SITE,
            boot_id=bytes(16),
            software="bench",
            policy_version=1,
            policy_digest=bytes(32),
            durable=0,
            durable_hash=GENESIS,
            last_record=0,
            head_hash=GENESIS,
            time_ms=int(1000 * time.time()),
        )


def context_of(folder: Path, protocol: int) -> ssl.SSLContext:
    """Return TLS 1.3 by the files of a folder, with a certificate on each side."""
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(folder / "authority.pem")
    context.load_cert_chain(folder / "tls.pem", folder / "tls.key")
    return context


async def hubs(folder: Path, port: int, count: int) -> None:
    """Be so many hubs until the bridge goes."""
    issuer = read_issuer(folder / BRIDGE / "issuer.cbor")
    taken = Taken(count)
    coming = asyncio.Semaphore(COMING_AT_ONCE)
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            hub = LightHub(name_of(number), issuer, taken)
            group.create_task(hub.serve(folder, port, coming))


def name_of(number: int) -> str:
    """Return the name of a hub of the bench."""
    return f"hub-{number}"


async def echo(folder: Path) -> None:
    """Answer each message with itself, until ended."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(await reader.readexactly(MESSAGE_BYTES))

    context = context_of(folder / BRIDGE, ssl.PROTOCOL_TLS_SERVER)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Run what is asked for."""
    what, folder, *rest = sys.argv[1:]
    if what == "echo":
        asyncio.run(echo(Path(folder)))
        return
    port, count = map(int, rest)
    asyncio.run(hubs(Path(folder), port, count))


if __name__ == "__main__":
    main()
