"""A hub as its bridge sees it: a real TLS connection, and messages said by hand."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from hubbridge.config import Config
from hubcore.access.words import HubName
from hubcore.backend.uplink.from_backend import Held
from hubcore.backend.uplink.from_hub import Evidence
from hubcore.bridge import codec
from hubcore.bridge.frames import Frames, frame
from hubcore.bridge.from_bridge import BridgeWelcome, FromBridge
from hubcore.bridge.from_hub import FromHub, HubHello, OwnHead
from hubcore.bridge.signedhead import HeadKind, SignedHead, sign_head
from hubcore.bridge.stretch import reach
from hubcore.bridge.words import FROM_BRIDGE_BYTES
from hubcore.codec import cbor
from hubcore.codec.cose import SigningKey
from hubcore.codec.tls import NO_CHECK_TIME, TlsName, TlsRole, pem_of
from hubcore.codec.tlsauthority import Authority, begin_authority, certify
from hubcore.evidence.records import GENESIS, Head, StoredRecord, chain_hash
from hubsim.site.authority import public_of
from hubsim.site.documents import make_key, pem, read_ec_key
from hubtls.identity import IdentityFiles
from hubtls.keys import read_signing_key

SITE = "site-1"
BRIDGE = "bridge-1"
BEGINS = 1_700_000_000
ENDS = 2_000_000_000
ISSUER = make_key()
AUTHORITY = begin_authority(SITE, make_key(), BEGINS - 1000)
PATIENCE_SECONDS = 20.0


def tls_files(folder: Path, name: TlsName, authority: Authority = AUTHORITY) -> IdentityFiles:
    """Make what somebody of a site has, in PEM."""
    folder.mkdir(parents=True)
    own = make_key()
    found = IdentityFiles(folder / "tls.key", folder / "tls.pem", folder / "authority.pem")
    found.key.write_bytes(pem(own))
    found.key.chmod(0o600)
    document = certify(authority, name, public_of(own), BEGINS, ENDS)
    found.certificate.write_bytes(pem_of(document))
    found.authority.write_bytes(pem_of(authority.document))
    return found


def certify_again(folder: Path, name: TlsName, expires: int) -> None:
    """Give who has its files there another certificate for the same key."""
    key = read_ec_key(folder / "tls.key")
    document = certify(AUTHORITY, name, public_of(key), BEGINS, expires)
    (folder / "tls.pem").write_bytes(pem_of(document))


def hub_files(folder: Path, hub: str) -> IdentityFiles:
    """Make a hub's identity."""
    return tls_files(folder, TlsName(SITE, TlsRole.HUB, hub))


def bridge_config(
    folder: Path,
    mandates: tuple[bytes, ...] = (),
    orders: SigningKey | None = None,
    testimony: SigningKey | None = None,
    name: str = BRIDGE,
) -> Config:
    """Make a bridge's files in a folder, and its configuration at any port of loopback."""
    shown = tls_files(folder / "identity", TlsName(SITE, TlsRole.BRIDGE, name))
    (folder / "issuer.cbor").write_bytes(cbor.encode(ISSUER.cose_key))
    names = []
    for number, document in enumerate(mandates):
        names.append(f"mandate-{number}")
        (folder / names[-1]).write_bytes(document)
    for file, key in (("orders.key", orders), ("testimony.key", testimony)):
        if key is not None:
            (folder / file).write_bytes(pem(key))
            (folder / file).chmod(0o600)
    return Config(
        site=SITE,
        name=name,
        listen="127.0.0.1",
        port=0,
        tls_key=str(shown.key),
        tls_certificate=str(shown.certificate),
        tls_authority=str(shown.authority),
        issuer="issuer.cbor",
        orders_key="orders.key" if orders else "",
        testimony_key="testimony.key" if testimony else "",
        mandates=tuple(names),
        records="bridge.db",
    )


def make_log(count: int, name: bytes = b"hub") -> list[StoredRecord]:
    """Return the first records of a hub."""
    log: list[StoredRecord] = []
    before = GENESIS
    for number in range(1, count + 1):
        body = name + number.to_bytes(4, "big")
        before = chain_hash(before, number, body)
        log.append(StoredRecord(number, body, before))
    return log


def head_of(log: list[StoredRecord]) -> Head:
    """Return the newest head of a log."""
    return Head(log[-1].number, log[-1].hash) if log else Head()


def own_head(hub: str, head: Head, key: SigningKey) -> bytes:
    """Return a head as a hub signs it of itself."""
    return sign_head(SignedHead(HeadKind.OWN, hub, HubName(SITE, hub), head, BEGINS), key)


def stretches(log: list[StoredRecord]) -> list[list[StoredRecord]]:
    """Return a log in stretches."""
    found = []
    while log:
        count = reach(len(one.body) for one in log)
        found.append(log[:count])
        log = log[count:]
    return found


@dataclass
class BridgedHub:
    """One connection of a hub. It signs heads of what it hears to be held, as a hub does."""

    name: str
    key: SigningKey
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    signs: bool = True
    unsigned: dict[int, StoredRecord] = field(default_factory=dict)
    frames: Frames = field(default_factory=lambda: Frames(FROM_BRIDGE_BYTES))
    heard: list[FromBridge] = field(default_factory=list)

    @classmethod
    async def connect(cls, name: str, shown: IdentityFiles, port: int) -> BridgedHub:
        """Come to a bridge on loopback."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(shown.authority)
        context.verify_flags |= NO_CHECK_TIME  # a hub judges no date of a bridge
        context.load_cert_chain(shown.certificate, shown.key)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname=f"{BRIDGE}.bridge.{SITE}"
        )
        return cls(name, read_signing_key(shown.key), reader, writer)

    def say(self, *messages: FromHub) -> None:
        """Say messages."""
        self.writer.write(b"".join(frame(codec.encode(one)) for one in messages))

    def hello(self, log: list[StoredRecord], site: str = SITE) -> HubHello:
        """Return a Hello that tells this log."""
        head = head_of(log)
        return HubHello(
            protocol=1,
            hub=self.name,
            site=site,
            boot_id=bytes(16),
            software="0",
            policy_version=0,
            policy_digest=bytes(32),
            durable=0,
            durable_hash=GENESIS,
            last_record=head.number,
            head_hash=head.hash,
            time_ms=0,
        )

    def send(self, records: list[StoredRecord]) -> None:
        """Send records."""
        self.unsigned.update((one.number, one) for one in records)
        self.say(*(Evidence(one.number, one.body, one.hash) for one in records))

    async def next(self) -> FromBridge | None:
        """Return the next message, None when the bridge has closed the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (message := self.frames.next()) is None:
                try:
                    data = await self.reader.read(65_536)
                except (ConnectionError, ssl.SSLError):
                    return None
                if not data:
                    return None
                self.frames.feed(data)
        heard = codec.decode_from_bridge(message)
        self.heard.append(heard)
        if isinstance(heard, Held) and self.signs:
            self.sign(max(heard.numbers))
        return heard

    def sign(self, last: int) -> None:
        """Sign what was sent up to this number and has no head yet, a stretch at a time."""
        numbers = sorted(number for number in self.unsigned if number <= last)
        for stretch in stretches([self.unsigned.pop(number) for number in numbers]):
            self.say(OwnHead(own_head(self.name, head_of(stretch), self.key)))

    async def until(self, kind: type[FromBridge]) -> FromBridge:
        """Return the next message of a kind."""
        while (message := await self.next()) is not None:
            if isinstance(message, kind):
                return message
        raise AssertionError(f"the connection ended before a {kind.__name__}")

    async def greet(self, log: list[StoredRecord]) -> BridgeWelcome:
        """Say Hello and wait for the Welcome."""
        self.say(self.hello(log))
        welcome = await self.until(BridgeWelcome)
        assert isinstance(welcome, BridgeWelcome)
        if self.signs:
            self.unsigned.update((one.number, one) for one in log[welcome.signed : welcome.held])
            self.sign(welcome.held)
        return welcome

    async def held(self, count: int) -> set[int]:
        """Wait until so many records are held."""
        found: set[int] = set()
        while len(found) < count:
            message = await self.until(Held)
            assert isinstance(message, Held)
            found.update(message.numbers)
        return found

    def close(self) -> None:
        """Break the connection."""
        self.writer.transport.abort()
