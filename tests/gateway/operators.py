"""A site that an operator makes by the commands of `hubissuer` alone."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hubbridge.app import Bridge, open_bridge, read_files
from hubbridge.config import load
from hubcore.codec.tls import TlsName, TlsRole, pem_of
from hubcore.codec.tlsauthority import Authority, certify
from hubgateway.authority import tls_authority
from hubgateway.rules import names
from hubsim.site.authority import public_of
from hubsim.site.documents import make_key, pem, read_ec_key
from hubtls.identity import IdentityFiles
from hubtls.keys import read_signing_key
from tests.fakes.bridgedhub import BEGINS, ENDS, BridgedHub
from tests.gateway.bench import ROOT, Bench, free_port
from tests.gateway.bridged import QUICK

SITE = "site-1"


class OperatorsDesk:
    """The operator's folder, and what is carried from it to gateway and bridge."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self._bench = bench
        self._folder = folder / "issuer"
        self._port = free_port()

    async def command(self, *words: str) -> None:
        """Give a command of hubissuer; it must be done."""
        config = self._folder / "hubissuer.toml"
        given = ["--config", str(config), *words] if config.exists() else list(words)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hubgateway.issuer", *given, cwd=ROOT
        )
        assert await process.wait() == 0, words

    def _key(self, name: str) -> str:
        """Make a key as a machine does; return its file."""
        path = self._folder / f"{name}.key"
        path.write_bytes(pem(make_key()))
        path.chmod(0o600)
        return str(path)

    async def begin(self) -> None:
        """Make the site, its gateway and its bridge."""
        await self.command(
            "init", str(self._folder), "--site", SITE, "--server", self._bench.server.url
        )
        gateway = self._key("gateway-1")
        out = str(self._folder / "gateway-1.pem")
        await self.command("gateway", "gateway-1", gateway, "--out", out)
        receipts = self._key("receipts")
        await self.command("mandate", "receipts", "backend", receipts)
        await self.command("mandate", "testimony", "bridge-1", self._key("testimony"))
        devices = ("--device-verb", "close", "--device-verb", "set-level", "--device", "shutter-2")
        await self.command("mandate", "orders", "office", self._key("orders"), *devices)
        bridge = self._key("bridge-1")
        out = str(self._folder / "bridge-1.pem")
        await self.command("bridge", "bridge-1", bridge, "--out", out)
        await self._bench.gate(
            f'\n[bridges]\nsite = "{SITE}"\nname = "gateway-1"\nlisten = "127.0.0.1"\n'
            f'port = {self._port}\ntls_key = "{gateway}"\n'
            f'tls_certificate = "{self._folder}/gateway-1.pem"\n'
            f'tls_authority = "{self._folder}/authority.pem"\n'
            f'issuer = "{self._folder}/issuer.cbor"\nreceipts_key = "{receipts}"\n'
        )
        (self._folder / "hubbridge.toml").write_text(
            f'site = "{SITE}"\nname = "bridge-1"\nlisten = "127.0.0.1"\nport = {free_port()}\n'
            'tls_key = "bridge-1.key"\ntls_certificate = "bridge-1.pem"\n'
            'tls_authority = "authority.pem"\nissuer = "issuer.cbor"\n'
            'testimony_key = "testimony.key"\norders_key = "orders.key"\nrecords = "bridge.db"\n'
            f'[[backend]]\nname = "gateway-1"\nhost = "127.0.0.1"\nport = {self._port}\n'
        )

    @asynccontextmanager
    async def bridge(self) -> AsyncIterator[tuple[Bridge, int]]:
        """Run the bridge by its file; yield it and its port for hubs."""
        file = self._folder / "hubbridge.toml"
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        async with (
            open_bridge(read_files(load(file), file), call_times=QUICK) as bridge,
            asyncio.TaskGroup() as group,
        ):
            serving = group.create_task(bridge.run(ready.set_result))
            yield bridge, await ready
            serving.cancel()

    async def hub(self, port: int, name: str) -> BridgedHub:
        """Come to the bridge as a hub with a certificate of the site, which the engine knows."""
        shown = IdentityFiles(
            self._folder / f"{name}.key",
            self._folder / f"{name}.pem",
            self._folder / "authority.pem",
        )
        if not shown.key.exists():
            self._key(name)
            document = self._certified(TlsName(SITE, TlsRole.HUB, name), shown.key)
            shown.certificate.write_bytes(pem_of(document))
            await self._bench.put(names.TLS_BUCKET, name, document)
        return await BridgedHub.connect(name, shown, port)

    def _certified(self, who: TlsName, key: Path) -> bytes:
        authority = Authority(
            read_ec_key(self._folder / "authority.key"),
            tls_authority("authority.pem", self._folder / "hubissuer.toml"),
        )
        return certify(authority, who, public_of(read_signing_key(key)), BEGINS, ENDS)
