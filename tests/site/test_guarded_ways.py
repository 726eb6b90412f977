"""An engine that does not prove its name gets nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hubcore.errors import LinkError
from hubsite.config import Engine
from hubsite.hubs.engine import HubsEngine
from tests.gateway.bench import Server as Nats
from tests.site.server import Server

pytestmark = pytest.mark.once


async def test_an_engine_proves_its_name_to_who_is_named(server: Server, tmp_path: Path) -> None:
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
        for one in (Engine((url,)), Engine((other_name,), authority=authority)):
            stranger = HubsEngine(one)
            with pytest.raises(LinkError, match="certificate verify failed"):
                await stranger.connect()
            await stranger.close()
    finally:
        await nats.kill()
