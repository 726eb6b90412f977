"""A site's bridge that runs, before gateways that are processes of their own."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from hubbridge.app import Bridge, open_bridge, read_files
from hubbridge.backend.calling import CallTimes
from hubbridge.config import Backend, Config
from hubcore.access.cards import Card
from hubcore.access.grant import Access
from hubcore.access.words import HubName
from hubcore.bridge.from_bridge import CarriedReceipt
from hubcore.bridge.mandate import Mandate, Use, issue_mandate
from hubcore.bridge.signedhead import HeadKind, prove_head
from hubcore.codec import cbor
from hubcore.codec.cose import SigningKey
from hubcore.codec.tls import TlsName, TlsRole, der_of, public_der
from hubcore.evidence.records import Head, StoredRecord
from hubcore.policy.document import Issued, issue_tree
from hubcore.policy.policy import Policy
from hubgateway.bridges.directory import BridgeEntry, write_bridge
from hubgateway.rules import names
from hubgateway.rules.names import Standing
from hubsim.site.documents import make_key, pem
from hubtls.identity import IdentityFiles
from hubtls.keys import read_private_key
from tests.fakes.bridgedhub import (
    BEGINS,
    BRIDGE,
    ENDS,
    ISSUER,
    SITE,
    BridgedHub,
    bridge_config,
    hub_files,
    tls_files,
)
from tests.gateway.bench import WAIT_SECONDS, Bench, Gate, free_port

GATEWAY = "gateway-1"
QUICK = CallTimes(pause_seconds=0.05, pause_seconds_max=0.2)


@dataclass
class BridgedSite:
    """The keys of a site, and where its bridges come."""

    bench: Bench
    folder: Path
    receipts: SigningKey = field(default_factory=make_key)
    testimony: SigningKey = field(default_factory=make_key)
    ports: list[int] = field(default_factory=list)
    configs: dict[Path, Config] = field(default_factory=dict)
    server: str = ""
    """The NATS server of its gateways; none: the engine itself."""

    def mandate(self, use: Use, version: int = 1, key: SigningKey | None = None) -> Mandate:
        """Make a mandate of this site."""
        of_use = self.testimony if use is Use.TESTIMONY else self.receipts
        return Mandate(
            site=SITE,
            holder=BRIDGE if use is Use.TESTIMONY else "backend",
            use=use,
            version=version,
            key=(key or of_use).verify_key,
            not_before=BEGINS,
            expires=ENDS,
        )

    async def gate(self) -> Gate:
        """Start a gateway with a port for bridges."""
        number = len(self.ports)
        shown = tls_files(self.folder / f"tls-{number}", TlsName(SITE, TlsRole.BACKEND, GATEWAY))
        issuer = self.folder / "issuer.cbor"
        issuer.write_bytes(cbor.encode(ISSUER.cose_key))
        key = self.folder / "receipts.key"
        key.write_bytes(pem(self.receipts))
        key.chmod(0o600)
        self.ports.append(free_port())
        return await self.bench.gate(
            f'\n[bridges]\nsite = "{SITE}"\nname = "{GATEWAY}"\nlisten = "127.0.0.1"\n'
            f'port = {self.ports[-1]}\ntls_key = "{shown.key}"\n'
            f'tls_certificate = "{shown.certificate}"\ntls_authority = "{shown.authority}"\n'
            f'issuer = "{issuer}"\nreceipts_key = "{key}"\n',
            self.server,
        )

    async def give_mandates(self) -> None:
        """Put the issuer's mandates into the engine."""
        for use in (Use.RECEIPTS, Use.TESTIMONY):
            document = issue_mandate(self.mandate(use), ISSUER)
            await self.bench.put(names.MANDATES_BUCKET, use.name.lower(), document)

    async def enroll(self, folder: Path, standing: Standing = Standing.ENROLLED) -> None:
        """Put the key of the bridge whose files are there into the directory."""
        key = read_private_key(folder / "identity" / "tls.key")
        digest = hashlib.sha256(public_der(key.public_key())).hexdigest()
        await self.bench.put(
            names.BRIDGES_BUCKET, BRIDGE, write_bridge(BridgeEntry(standing, digest))
        )

    async def know(self, hub: str) -> None:
        """Let the engine know a hub of this name, and its key in TLS."""
        key = hashlib.sha256(hub.encode()).hexdigest()
        await self.bench.put(names.KEYS_BUCKET, key, f"enrolled {hub}")
        await self.certify(hub)

    async def certify(self, hub: str) -> None:
        """Put a hub's TLS certificate into the engine."""
        document = der_of(self.files_of(hub).certificate.read_bytes())
        await self.bench.put(names.TLS_BUCKET, hub, document)

    def files_of(self, hub: str) -> IdentityFiles:
        """Return a hub's identity, a new one for a new hub."""
        folder = self.folder / f"of-{hub}"
        if not folder.exists():
            return hub_files(folder, hub)
        return IdentityFiles(folder / "tls.key", folder / "tls.pem", folder / "authority.pem")

    @asynccontextmanager
    async def bridge(self, folder: Path) -> AsyncIterator[tuple[Bridge, int]]:
        """Run the site's bridge; yield it and its port for hubs."""
        if not folder.exists():  # noqa: ASYNC240
            folder.mkdir()  # noqa: ASYNC240
            config = bridge_config(folder, testimony=self.testimony)
            ends = [Backend(GATEWAY, "127.0.0.1", port) for port in self.ports]
            config = msgspec.structs.replace(config, backend=tuple(ends))
            self.configs[folder] = msgspec.structs.replace(config, port=free_port())
            await self.enroll(folder)
        files = read_files(self.configs[folder], folder / "hubbridge.toml")
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        async with (
            open_bridge(files, call_times=QUICK) as bridge,
            asyncio.TaskGroup() as group,
        ):
            serving = group.create_task(bridge.run(ready.set_result))
            yield bridge, await ready
            serving.cancel()

    async def come(self, port: int, name: str = "hub-1") -> BridgedHub:
        """Come to the bridge as a hub."""
        return await BridgedHub.connect(name, self.files_of(name), port)

    def proven(self, document: bytes, hub: str) -> Head:
        """Prove a receipt as a hub does."""
        mandate = self.mandate(Use.RECEIPTS)
        return prove_head(HeadKind.RECEIPT, document, HubName(SITE, hub), mandate).head


async def hear_receipt(site: BridgedSite, hub: BridgedHub, number: int) -> Head:
    """Wait for a receipt up to this record, as the hub would prove it."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            said = await hub.until(CarriedReceipt)
            assert isinstance(said, CarriedReceipt)
            head = site.proven(said.document, hub.name)
            if head.number >= number:
                return head


async def stored(bench: Bench, hub: str, count: int) -> list[StoredRecord]:
    """Wait until so many records of a hub are in the engine; return all."""
    async with asyncio.timeout(2 * WAIT_SECONDS):
        while len(found := await bench.stored(hub)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return found


def issued_policy(version: int, cards: int) -> Issued:
    """Sign a policy of this site with so many cards."""
    made = {}
    for number in range(cards):
        digest = number.to_bytes(16, "big")
        made[digest] = Card(digest, f"card-{number}", 0, 1 << 40, (Access(1, 1, ()),))
    policy = Policy(
        site=SITE,
        version=version,
        issued_at=BEGINS,
        revoked_credentials=frozenset(),
        revoked_grants=frozenset(),
        schedules={},
        modes={},
        cards=made,
    )
    return issue_tree(policy, ISSUER)
