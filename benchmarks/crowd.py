"""Many hubs of a site at one bridge: each a real TLS 1.3 connection with a certificate of its own.

They say what a hub says, and prove what it proves. What it does on its disk and at its doors is
left out.

`at` has them in this process. `python -m benchmarks.crowd` has them in one of its own:

`hubs FOLDER PORT COUNT` comes as so many hubs. Each takes the mandate for orders, proves each order
of the site by it, and answers TAKEN. It prints `ready` once all were welcomed. Then it prints a
line for each order that all have taken: the CLOCK_MONOTONIC of each hub in ns, with blanks between.

`echo FOLDER` answers each message on TLS 1.3 with itself: the bare round trip. It prints its port.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.disk import RECORD_BYTES
from hubcore.access.words import HubName
from hubcore.backend.uplink.documents import CarriedMandate
from hubcore.backend.uplink.from_backend import Held, NewPolicy
from hubcore.backend.uplink.from_hub import Evidence, OrderResult
from hubcore.backend.uplink.words import OrderOutcome
from hubcore.bridge import codec
from hubcore.bridge.frames import Frames, frame
from hubcore.bridge.from_bridge import BridgeWelcome, CarriedOrder, FromBridge
from hubcore.bridge.from_hub import FromHub, HubHello
from hubcore.bridge.mandate import Mandate, Use, prove_mandate
from hubcore.bridge.site.order import prove_site_order
from hubcore.bridge.words import FROM_BRIDGE_BYTES, PROTOCOL
from hubcore.codec.cose import VerifyKey
from hubcore.codec.tls import NO_CHECK_TIME, TlsName, TlsRole, pem_of
from hubcore.codec.tlsauthority import Authority
from hubcore.errors import LinkError
from hubcore.evidence.records import GENESIS, Head, chain_hash
from hubsim.phone.wallet import write_private
from hubsim.site import Site
from hubsim.site.authority import certify_tls, open_authority, public_of
from hubsim.site.documents import HUB_DAYS, Validity, make_key, pem
from hubtls.keys import read_issuer

HOST = "127.0.0.1"
SITE = "site-1"
BRIDGE = "bridge-1"
READ_BYTES = 65_536
ANSWER_SECONDS = 60.0
COMING_AT_ONCE = 8
"""Far below what a bridge lets in of those that have proven nothing."""
MESSAGE_BYTES = 256
"""As long as an order of the site, with its signature."""


@dataclass
class OneHub:
    """A hub of the crowd, on its connection."""

    name: str
    site: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: Head = field(default_factory=Head)
    has_policy: bool = False
    frames: Frames = field(default_factory=lambda: Frames(FROM_BRIDGE_BYTES))

    @classmethod
    async def connect(
        cls, name: str, site: str, bridge: str, port: int, context: ssl.SSLContext
    ) -> OneHub:
        """Come to a bridge with the certificate of this hub."""
        server = TlsName(site, TlsRole.BRIDGE, bridge)
        reader, writer = await asyncio.open_connection(
            HOST, port, ssl=context, server_hostname=server.dns
        )
        return cls(name, site, reader, writer)

    def say(self, *messages: FromHub) -> None:
        """Say messages in one write."""
        self.writer.write(b"".join(frame(codec.encode(one)) for one in messages))

    async def hear(self) -> FromBridge:
        """Return the next message. Raise LinkError when the bridge has closed the connection."""
        while (message := self.frames.next()) is None:
            data = await self.reader.read(READ_BYTES)
            if not data:
                raise LinkError(f"the bridge has ended the connection of {self.name}")
            self.frames.feed(data)
        read = codec.decode_from_bridge(message)
        self.has_policy = self.has_policy or isinstance(read, NewPolicy)
        return read

    async def greet(self) -> None:
        """Say Hello with an empty log, and wait for the Welcome."""
        self.say(
            HubHello(
                protocol=PROTOCOL,
                hub=self.name,
                site=self.site,
                boot_id=bytes(16),
                software="bench",
                policy_version=0,
                policy_digest=bytes(32),
                durable=0,
                durable_hash=GENESIS,
                last_record=0,
                head_hash=GENESIS,
                time_ms=int(1000 * time.time()),
            )
        )
        async with asyncio.timeout(ANSWER_SECONDS):
            while not isinstance(await self.hear(), BridgeWelcome):
                pass

    async def offered(self) -> None:
        """Wait until the bridge has offered its policy."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while not self.has_policy:
                await self.hear()

    async def give(self, count: int) -> None:
        """Send so many records; return when the bridge holds them."""
        sent = []
        for number in range(self.head.number + 1, self.head.number + count + 1):
            body = bytes(RECORD_BYTES)
            self.head = Head(number, chain_hash(self.head.hash, number, body))
            sent.append(Evidence(number, body, self.head.hash))
        self.say(*sent)
        missing = {one.number for one in sent}
        async with asyncio.timeout(ANSWER_SECONDS):
            while missing:
                message = await self.hear()
                if isinstance(message, Held):
                    missing.difference_update(message.numbers)

    async def obey(self, issuer: VerifyKey, taken: Taken) -> None:
        """Take the site's orders that prove themselves, until the bridge goes. Raise LinkError."""
        mandate: Mandate | None = None
        while True:
            match await self.hear():
                case CarriedMandate(document):
                    proven = prove_mandate(document, self.site, issuer)
                    mandate = proven if proven.use is Use.ORDERS else mandate
                case CarriedOrder(document) if mandate is not None:
                    order = prove_site_order(document, HubName(self.site, self.name), mandate)
                    taken.take(order.id)
                    self.say(OrderResult(order.id, OrderOutcome.TAKEN, ""))


@asynccontextmanager
async def at(site: Site, bridge: str, port: int, count: int) -> AsyncIterator[list[OneHub]]:
    """Connect so many hubs, each of which has been welcomed."""
    authority = open_authority(site.path)
    async with AsyncExitStack() as stack:
        hubs = []
        for number in range(count):
            name = f"crowd-{number}"
            context = context_of(_certified(site, authority, name), ssl.PROTOCOL_TLS_CLIENT)
            hubs.append(await OneHub.connect(name, site.name, bridge, port, context))
            stack.callback(hubs[-1].writer.transport.abort)
            await hubs[-1].greet()
        yield hubs


def _certified(site: Site, authority: Authority, hub: str) -> Path:
    """Make a hub's key and certificate; return their folder."""
    folder = Path(site.path) / "crowd" / hub
    folder.mkdir(parents=True)
    key = make_key()
    name = TlsName(site.name, TlsRole.HUB, hub)
    document = certify_tls(authority, name, public_of(key), Validity.days(HUB_DAYS))
    write_private(folder / "tls.key", pem(key))
    (folder / "tls.pem").write_bytes(pem_of(document))
    (folder / "authority.pem").write_bytes(pem_of(authority.document))
    return folder


def context_of(folder: Path, protocol: int) -> ssl.SSLContext:
    """Return TLS 1.3 by the files of a folder, with a certificate on each side."""
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT | NO_CHECK_TIME
    context.load_verify_locations(folder / "authority.pem")
    context.load_cert_chain(folder / "tls.pem", folder / "tls.key")
    return context


# In a process of its own.


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


def name_of(number: int) -> str:
    """Return the name of a hub whose files a bench has made."""
    return f"hub-{number}"


async def hubs(folder: Path, port: int, count: int) -> None:
    """Be so many hubs until the bridge goes."""
    issuer = read_issuer(folder / BRIDGE / "issuer.cbor")
    taken = Taken(count)
    coming = asyncio.Semaphore(COMING_AT_ONCE)

    async def one(name: str) -> None:
        context = context_of(folder / name, ssl.PROTOCOL_TLS_CLIENT)
        async with coming:
            hub = await OneHub.connect(name, SITE, BRIDGE, port, context)
        await hub.greet()
        taken.welcome()
        await hub.obey(issuer, taken)

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(one(name_of(number)))


async def echo(folder: Path) -> None:
    """Answer each message with itself, until ended."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(await reader.readexactly(MESSAGE_BYTES))

    context = context_of(folder / BRIDGE, ssl.PROTOCOL_TLS_SERVER)
    server = await asyncio.start_server(answer, HOST, 0, ssl=context)
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
