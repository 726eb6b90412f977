"""An engine that does not prove its name gets nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from hubcore.errors import LinkError
from hubgateway.engine.engine import Engine as GatewayEngine
from hubsite.config import Engine
from hubsite.hubs.engine import HubsEngine
from hubsite.pins.comparing import pin_of
from tests.gateway.bench import WAIT_SECONDS, until
from tests.gateway.bench import Server as Nats
from tests.site.server import Server

pytestmark = pytest.mark.once

OTHER = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
NO_TLS = b'INFO {"version":"2.12.0","max_payload":1048576,"tls_available":true}\r\n'


async def _is_not_believed(
    engine: GatewayEngine,
    capsys: pytest.CaptureFixture[str],
    why: str = "certificate verify failed",
) -> None:
    """A gateway tries for ever, and says why."""
    said = ""

    def has_said() -> bool:
        nonlocal said
        said += capsys.readouterr().err
        return why in said

    trying = asyncio.create_task(engine.connect())
    try:
        await until(has_said)
        assert not engine.is_up
    finally:
        trying.cancel()
        await asyncio.wait((trying,), timeout=WAIT_SECONDS)


def _pin(certificate: str) -> str:
    shown = load_pem_x509_certificate(Path(certificate).read_bytes())
    return pin_of(shown.public_bytes(Encoding.DER))


async def _has_one_of_the_keys(url: str, authority: str) -> None:
    """hubs, law 3"""
    pins = (OTHER, _pin(authority))
    engine = HubsEngine(Engine((url,), authority=authority, pins=pins))
    await engine.connect()
    assert engine.is_up
    await engine.close()


async def _is_refused(section: Engine, why: str) -> None:
    stranger = HubsEngine(section)
    with pytest.raises(LinkError, match=re.escape(why)):
        await stranger.connect()
    await stranger.close()


async def test_an_engine_proves_its_name_to_who_is_named(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """hubs, law 3"""
    for name in ("tls.pem", "tls.key"):
        shutil.copy(server.site.file.parent / name, tmp_path / name)
    authority = str(tmp_path / "tls.pem")
    guard = f'\ntls {{ cert_file: "{authority}", key_file: "{tmp_path}/tls.key" }}\n'
    nats = Nats(tmp_path / "engine", extra=guard)
    await nats.start()
    url = f"tls://localhost:{nats.port}"
    other_name = url.replace("localhost", "127.0.0.1")
    try:
        engine = HubsEngine(Engine((url,), authority=authority))
        await engine.connect()
        assert engine.is_up
        await engine.close()
        gateway = GatewayEngine((url,), "", 1, authority)
        await gateway.connect(retries=1)
        assert gateway.is_up
        await gateway.close()
        await _has_one_of_the_keys(url, authority)
        for url_of, named in ((url, ""), (other_name, authority)):
            await _is_not_believed(GatewayEngine((url_of,), "", 1, named), capsys)
        unproven = "certificate verify failed"
        seen = f"engine: pins: the key {_pin(authority)} of localhost is none of them"
        await asyncio.gather(
            _is_refused(Engine((url,)), unproven),
            _is_refused(Engine((other_name,), authority=authority), unproven),
            _is_refused(Engine((url,), authority=authority, pins=(OTHER,)), seen),
        )
    finally:
        await nats.kill()


async def _pass_on(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Stand before an engine, and name another one in its first line."""
    from_engine, to_engine = await asyncio.open_connection("127.0.0.1", port)
    line = json.loads((await from_engine.readline()).removeprefix(b"INFO "))
    line["connect_urls"] = ["elsewhere.example:4222"]
    writer.write(b"INFO " + json.dumps(line).encode() + b"\r\n")
    await asyncio.gather(_copy(from_engine, writer), _copy(reader, to_engine))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
    writer.close()


async def test_an_engine_that_is_named_in_clear_is_never_called(
    server: Server, tmp_path: Path
) -> None:
    """guard, law 3: whoever sits on the way would choose whose name has to be proven."""
    folder = server.site.file.parent
    guard = f'\ntls {{ cert_file: "{folder}/tls.pem", key_file: "{folder}/tls.key" }}\n'
    nats = Nats(tmp_path / "engine", extra=guard)
    await nats.start()
    try:
        stand = partial(_pass_on, nats.port)
        async with await asyncio.start_server(stand, "127.0.0.1", 0) as listener:
            url = f"tls://localhost:{listener.sockets[0].getsockname()[1]}"
            engine = GatewayEngine((url,), "", 1, f"{folder}/tls.pem")
            await engine.connect(retries=1)
            assert engine.is_up
            assert engine._client.discovered_servers == []
            await engine.close()
    finally:
        await nats.kill()


async def test_to_an_address_by_tls_nothing_is_said_in_clear(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """vouching, law 2: the first line of an engine is whatever somebody on the way makes of it."""
    heard = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(NO_TLS)
        heard.append(await reader.read(4096))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listener:
        url = f"tls://localhost:{listener.sockets[0].getsockname()[1]}"
        engine = HubsEngine(Engine((url,)))
        with pytest.raises(LinkError, match="it asks for no TLS, so it shows none"):
            await engine.connect()
        await engine.close()
        await _is_not_believed(GatewayEngine((url,), "", 1), capsys, "it asks for no TLS")
        await until(lambda: len(heard) > 1)
    assert set(heard) == {b""}
