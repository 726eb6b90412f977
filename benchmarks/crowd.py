"""Many hubs of a site at one bridge: each a real TLS connection with a certificate of its own.

They say what a hub says, and nothing else of a hub runs.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.disk import RECORD_BYTES
from hubcore.backend.uplink.from_backend import Held, NewPolicy
from hubcore.backend.uplink.from_hub import Evidence
from hubcore.bridge import codec
from hubcore.bridge.frames import Frames, frame
from hubcore.bridge.from_bridge import BridgeWelcome, FromBridge
from hubcore.bridge.from_hub import FromHub, HubHello
from hubcore.bridge.words import FROM_BRIDGE_BYTES, PROTOCOL
from hubcore.codec.tls import NO_CHECK_TIME, TlsName, TlsRole, pem_of
from hubcore.codec.tlsauthority import Authority
from hubcore.errors import LinkError
from hubcore.evidence.records import GENESIS, Head, chain_hash
from hubsim.phone.wallet import write_private
from hubsim.site import Site
from hubsim.site.authority import certify_tls, open_authority, public_of
from hubsim.site.documents import HUB_DAYS, Validity, make_key, pem

HOST = "127.0.0.1"
READ_BYTES = 65_536
ANSWER_SECONDS = 60.0


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
                time_ms=0,
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


@asynccontextmanager
async def at(site: Site, bridge: str, port: int, count: int) -> AsyncIterator[list[OneHub]]:
    """Connect so many hubs, each of which has been welcomed."""
    authority = open_authority(site.path)
    server = TlsName(site.name, TlsRole.BRIDGE, bridge)
    async with AsyncExitStack() as stack:
        hubs = []
        for number in range(count):
            name = f"crowd-{number}"
            context = _context(site, authority, name)
            reader, writer = await asyncio.open_connection(
                HOST, port, ssl=context, server_hostname=server.dns
            )
            stack.callback(writer.transport.abort)
            hubs.append(OneHub(name, site.name, reader, writer))
            await hubs[-1].greet()
        yield hubs


def _context(site: Site, authority: Authority, hub: str) -> ssl.SSLContext:
    """Return what shows a new certificate of a hub."""
    folder = Path(site.path) / "crowd" / hub
    folder.mkdir(parents=True)
    key = make_key()
    name = TlsName(site.name, TlsRole.HUB, hub)
    document = certify_tls(authority, name, public_of(key), Validity.days(HUB_DAYS))
    write_private(folder / "tls.key", pem(key))
    (folder / "tls.pem").write_bytes(pem_of(document))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT | NO_CHECK_TIME
    context.load_verify_locations(cadata=pem_of(authority.document).decode("ascii"))
    context.load_cert_chain(folder / "tls.pem", folder / "tls.key")
    return context
