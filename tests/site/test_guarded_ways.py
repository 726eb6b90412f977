"""An engine that does not prove its name gets nothing."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from hubcore.errors import LinkError
from hubgateway.engine.engine import Engine as GatewayEngine
from hubsite.config import Engine
from hubsite.hubs.engine import HubsEngine
from tests.gateway.bench import WAIT_SECONDS, until
from tests.gateway.bench import Server as Nats
from tests.site.server import Server

pytestmark = pytest.mark.once


async def _is_not_believed(engine: GatewayEngine, capsys: pytest.CaptureFixture[str]) -> None:
    """A gateway tries for ever, and says why."""
    said = ""

    def has_said() -> bool:
        nonlocal said
        said += capsys.readouterr().err
        return "certificate verify failed" in said

    trying = asyncio.create_task(engine.connect())
    try:
        await until(has_said)
        assert not engine.is_up
    finally:
        trying.cancel()
        await asyncio.wait((trying,), timeout=WAIT_SECONDS)


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
        await gateway.connect(retries=0)
        assert gateway.is_up
        await gateway.close()
        for url_of, named in ((url, ""), (other_name, authority)):
            await _is_not_believed(GatewayEngine((url_of,), "", 1, named), capsys)
        for one in (Engine((url,)), Engine((other_name,), authority=authority)):
            stranger = HubsEngine(one)
            with pytest.raises(LinkError, match="certificate verify failed"):
                await stranger.connect()
            await stranger.close()
    finally:
        await nats.kill()
