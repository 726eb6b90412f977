"""Hub and bridge of a site know each other: real TLS 1.3 over real sockets, by the files of each.

The hub's files are those that `hubctl enroll` wrote, the bridge's those of `hubsim site bridge`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from hubd.adapters.keys.renewed import RENEWED_TLS
from hubsim import site as sites
from hubsim.enrolling import DISK
from hubsim.main import main
from hubsim.stage import Stage
from tests.scenario.conftest import FRONT

pytestmark = pytest.mark.once

HUB = "hub-1"
SPOKEN = b"one line\n"
PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Party:
    """Who has these three files, in PEM."""

    key: Path
    certificate: Path
    authority: Path

    @classmethod
    def in_folder(cls, folder: Path) -> Party:
        """Whoever has a folder of the site."""
        return cls(folder / "tls.key", folder / "tls.pem", folder / "authority.pem")

    def server(self) -> ssl.SSLContext:
        """Ask each client for a certificate of the site."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.authority))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.certificate, self.key)
        return context

    def client(self, shows: bool = True) -> ssl.SSLContext:
        """Believe servers of the site, and show the own certificate."""
        context = ssl.create_default_context(cafile=str(self.authority))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if shows:
            context.load_cert_chain(self.certificate, self.key)
        return context


@dataclass
class Server:
    """Says back one line to whoever has proven itself, and notes who that was."""

    port: int = 0
    clients: list[set[tuple[str, str]]] = field(default_factory=list)

    async def visitor(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        with closing(writer):
            certificate = writer.get_extra_info("peercert")
            self.clients.append(set(certificate["subjectAltName"]))
            writer.write(await reader.readline())
            await writer.drain()


@asynccontextmanager
async def serving(party: Party) -> AsyncIterator[Server]:
    """Serve TLS as this party, on any port."""
    server = Server()
    listening = await asyncio.start_server(
        server.visitor, "127.0.0.1", 0, ssl=party.server(), ssl_handshake_timeout=PATIENCE_SECONDS
    )
    async with listening:
        server.port = listening.sockets[0].getsockname()[1]
        yield server


async def speak(server: Server, context: ssl.SSLContext, name: str) -> bytes:
    """Say one line to whoever has that name; return what comes back.

    Raise ssl.SSLError or ConnectionError.
    """
    async with asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", server.port, ssl=context, server_hostname=name
        )
        with closing(writer):
            writer.write(SPOKEN)
            said = await reader.readline()
    if not said:  # in TLS 1.3 a client hears of its refusal after its own handshake
        raise ConnectionResetError("the server ended it")
    return said


def bridge(path: Path, name: str) -> Party:
    """Type `hubsim site bridge`."""
    result = CliRunner().invoke(main, ("site", "--at", str(path), "bridge", name))
    assert result.exit_code == 0, result.output
    assert f"{name}.bridge." in result.output
    return Party.in_folder(path / "bridges" / name)


async def test_hub_and_bridge_of_a_site_prove_themselves_and_nobody_else_does(
    tmp_path: Path,
) -> None:
    """tls, laws 1 and 2"""
    async with Stage(tmp_path / "site", [FRONT], person=False, enrols=True) as stage:
        renewed = stage.site.hub / "state" / RENEWED_TLS
        words = ("backend", "--at", str(stage.path), "renew", HUB)
        result = await asyncio.to_thread(CliRunner().invoke, main, words)
        assert result.exit_code == 0, result.output
        await stage.until(renewed.exists, "the hub has its newer certificate")
    store = stage.path / DISK / "etc/credstore"
    hub = Party(
        store / "hubd.tls_key", store / "hubd.tls_certificate", store / "hubd.tls_authority"
    )
    own = bridge(stage.path, "bridge-1")
    site = stage.site.name
    name = f"bridge-1.bridge.{site}"
    other_site = sites.init(tmp_path / "other", site=site, hub=HUB)
    foreign = bridge(other_site.path, "bridge-1")
    false_hub = Party.in_folder(other_site.hub)

    async with serving(own) as server:
        assert await speak(server, hub.client(), name) == SPOKEN
        newer = Party(hub.key, renewed, hub.authority)
        assert await speak(server, newer.client(), name) == SPOKEN
        assert server.clients[0] == server.clients.pop()
        uri = ("URI", f"spiffe://{site}/hub/{HUB}")
        assert server.clients == [{uri, ("DNS", f"{HUB}.hub.{site}")}]
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            await speak(server, hub.client(), f"bridge-2.bridge.{site}")
        with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
            await speak(server, hub.client(), "127.0.0.1")
        mixed = false_hub.client()
        mixed.load_verify_locations(own.authority)  # it believes the bridge; the bridge not it
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await speak(server, mixed, name)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await speak(server, hub.client(shows=False), name)
        assert len(server.clients) == 1

    async with serving(foreign) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            await speak(server, hub.client(), name)

    sites.add_hub(stage.site, "bridge-1", [9])
    named_so = Party.in_folder(stage.path / "hubs" / "bridge-1")
    async with serving(named_so) as server:
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            await speak(server, hub.client(), name)
