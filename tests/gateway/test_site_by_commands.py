"""A site with a bridge and a gateway, made and run by the commands of docs/bridge.md alone."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from hubcore.bridge.from_bridge import CarriedReceipt
from hubtls.identity import IdentityFiles
from tests.fakes.bridgedhub import BridgedHub, make_log
from tests.gateway.bench import ROOT, WAIT_SECONDS, Server, free_port

pytestmark = pytest.mark.once


@pytest_asyncio.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Server]:
    server = Server(tmp_path / "engine")
    await server.start()
    yield server
    await server.kill()


async def hubsim(*words: str) -> str:
    """Give a command; it must be done. Return what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hubsim.main", *words, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, words
    return said.decode()


async def started(program: str, config: Path, line: str) -> asyncio.subprocess.Process:
    """Start a program; return once it has said a line that begins so."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", program, "--config", str(config), cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(3 * WAIT_SECONDS):
        while not (said := await process.stdout.readline()).startswith(line.encode()):
            assert said, program
    return process


async def test_a_site_runs_by_its_commands(engine: Server, tmp_path: Path) -> None:
    acme = tmp_path / "acme"
    at = ("site", "--at", str(acme))
    for_bridges = free_port()
    for_hubs = free_port()
    uplinks = free_port()
    await hubsim(*at, "init")
    await hubsim(
        *at, "bridge", "bridge-1", "--port", str(for_hubs),
        "--gateway", f"gateway-1=127.0.0.1:{for_bridges}",
    )  # fmt: skip
    await hubsim(
        *at, "gateway", "gateway-1", "--server", engine.url,
        "--hubs", f"tcp://127.0.0.1:{uplinks}", "--port", str(for_bridges),
    )  # fmt: skip
    assert "in the engine" in await hubsim(*at, "engine", "--server", engine.url)
    config = acme / "bridges" / "bridge-1" / "hubbridge.toml"
    short = tempfile.mkdtemp(prefix="hub")  # a socket's path has 107 bytes at most
    text = config.read_text()
    assert '"hubbridge.sock"' in text
    config.write_text(text.replace('"hubbridge.sock"', f'"{short}/s"'))
    gateway = await started(
        "hubgateway", acme / "gateways" / "gateway-1" / "hubgateway.toml", "hubgateway: hubs at"
    )
    bridge = await started("hubbridge", config, "hubbridge: hubs at")
    try:
        shown = IdentityFiles(
            acme / "hub" / "tls.key", acme / "hub" / "tls.pem", acme / "hub" / "authority.pem"
        )
        log = make_log(3)
        with closing(await BridgedHub.connect("hub-1", shown, for_hubs)) as hub:
            await hub.greet(log)
            hub.send(log)
            async with asyncio.timeout(WAIT_SECONDS):
                assert isinstance(await hub.until(CarriedReceipt), CarriedReceipt)
    finally:
        for process in (bridge, gateway):
            process.terminate()
            await process.wait()
        shutil.rmtree(short)


async def test_a_gateway_that_nobody_can_read_is_refused(tmp_path: Path) -> None:
    acme = tmp_path / "acme"
    await hubsim("site", "--at", str(acme), "init")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hubsim.main", "site", "--at", str(acme), "bridge", "bridge-1",
        "--gateway", "gateway-1", cwd=ROOT, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await process.communicate()
    assert process.returncode == 2
    assert b"is no NAME=HOST[:PORT]" in said
