"""What signs for a site's server on another machine: TLS 1.3, both names proven."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from hubcore.codec.cose import SigningKey
from hubcore.codec.tls import TlsName, TlsRole, pem_of, public_der
from hubcore.codec.tlsauthority import Authority, begin_authority, certify
from hubcore.errors import LinkError, TrustError
from hubgateway.issuer.signing.client import SigningClient, by_tls
from hubgateway.issuer.signing.ports import TlsTalks
from hubgateway.issuer.signing.serve import SystemClock
from hubgateway.issuer.signing.signer import Signer
from hubgateway.issuer.signing.talk import Talks
from hubsim.site.documents import make_key, pem
from hubtls.identity import Identity, IdentityFiles, load_identity
from tests.unit.issuer.issuingdesk import ISSUER, SITE, grant
from tests.unit.issuer.signingplace import WAIT_SECONDS, Heard, make_signer
from tests.unit.issuer.test_signing_service import KEY, lines

pytestmark = pytest.mark.once

NOW = int(time.time())
AUTHORITY = begin_authority(SITE, make_key(), NOW - 1000)
OTHER_AUTHORITY = begin_authority(SITE, make_key(), NOW - 1000)


def files_of(folder: Path, role: TlsRole, name: str) -> IdentityFiles:
    return IdentityFiles(*(folder / f"{role}-{name}.{end}" for end in ("key", "pem", "ca")))


def identity(
    folder: Path,
    role: TlsRole,
    name: str,
    authority: Authority = AUTHORITY,
    ends: int = NOW + 86_400,
) -> Identity:
    key: SigningKey = make_key()
    files = files_of(folder, role, name)
    files.key.write_bytes(pem(key))
    files.key.chmod(0o600)
    public = public_der(key.private.public_key())
    made = certify(authority, TlsName(SITE, role, name), public, NOW - 500, ends)
    files.certificate.write_bytes(pem_of(made))
    files.authority.write_bytes(pem_of(authority.document))
    return load_identity(SITE, role, name, files)


@asynccontextmanager
async def served(
    folder: Path,
    role: TlsRole = TlsRole.ISSUER,
    ends: int = NOW + 86_400,
    signer: Signer | None = None,
) -> AsyncIterator[tuple[int, Heard]]:
    """Serve a signer at a port; yield it and what people are told."""
    heard = Heard()
    signer = signer or make_signer(folder)
    with closing(signer), ThreadPoolExecutor(1) as thread:
        talks = Talks(signer, thread, heard, time.monotonic)
        mine = identity(folder, role, "issuer-1", ends=ends)
        by_name = TlsTalks(mine, frozenset({"site-1"}), talks, heard, SystemClock())
        port = by_name.port("127.0.0.1", 0)
        ready = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(port.serve(ready))
            async with asyncio.timeout(WAIT_SECONDS):
                await ready.wait()
            yield port.port, heard
            serving.cancel()


def client(port: int, mine: Identity, signer: str = "issuer-1") -> SigningClient:
    connect = by_tls("127.0.0.1", port, signer, mine)
    return SigningClient(connect, SITE, ISSUER.verify_key, WAIT_SECONDS)


async def test_the_server_of_the_site_has_it_sign(tmp_path: Path) -> None:
    async with served(tmp_path) as (port, heard):
        mine = identity(tmp_path, TlsRole.SITE, "site-1")
        for _ in range(2):
            assert await asyncio.to_thread(client(port, mine).grant, grant(), KEY)
        assert heard.lines == []
    assert lines(tmp_path) == [("grant", f"spiffe://{SITE}/site/site-1")] * 2


@pytest.mark.parametrize(
    ("role", "name", "authority", "ends", "why"),
    [
        (TlsRole.SITE, "site-2", AUTHORITY, NOW + 86_400, "not in servers"),
        (TlsRole.HUB, "site-1", AUTHORITY, NOW + 86_400, "is no site"),
        (TlsRole.BRIDGE, "site-1", AUTHORITY, NOW + 86_400, "is no site"),
        (TlsRole.SITE, "site-1", AUTHORITY, NOW - 100, "has ended"),
        (TlsRole.SITE, "site-1", OTHER_AUTHORITY, NOW + 86_400, "no handshake"),
    ],
    ids=["name", "hub", "bridge", "ended", "authority"],
)
async def test_anybody_else_is_refused_and_told_of(
    tmp_path: Path, role: TlsRole, name: str, authority: Authority, ends: int, why: str
) -> None:
    """ports, law 2"""
    async with served(tmp_path) as (port, heard):
        mine = identity(tmp_path, role, name, authority, ends)
        with pytest.raises((LinkError, TrustError)):
            await asyncio.to_thread(client(port, mine).check)
        await heard.of(why)
    assert lines(tmp_path) == []


@pytest.mark.parametrize(
    ("role", "ends", "asked"),
    [
        (TlsRole.SITE, NOW + 86_400, "issuer-1"),
        (TlsRole.ISSUER, NOW - 100, "issuer-1"),
        (TlsRole.ISSUER, NOW + 86_400, "issuer-2"),
    ],
    ids=["role", "ended", "name"],
)
async def test_the_server_asks_no_other_signer(
    tmp_path: Path, role: TlsRole, ends: int, asked: str
) -> None:
    async with served(tmp_path, role, ends) as (port, _):
        mine = identity(tmp_path, TlsRole.SITE, "site-1")
        with pytest.raises(TrustError):
            await asyncio.to_thread(client(port, mine, asked).grant, grant(), KEY)
    assert lines(tmp_path) == []
