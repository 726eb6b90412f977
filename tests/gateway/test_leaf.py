"""A site with a NATS server of its own: a leaf of the engine, over TLS, with the gateway beside it.

What the leaf is given, it passes on and keeps nowhere. So with the internet gone the gateway at
the site acknowledges nothing, and hub and bridge keep what they have.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from hubcore.evidence.records import StoredRecord
from hubgateway.engine.engine import Engine
from hubgateway.engine.mirror import Mirror
from hubgateway.rules import names
from tests.fakes.bridgedhub import head_of, make_log
from tests.fakes.serverauthority import ServerAuthority
from tests.gateway.bench import ROOT, WAIT_SECONDS, Bench, Server, free_port, running, until
from tests.gateway.bridged import BridgedSite, hear_receipt, stored

pytestmark = pytest.mark.once


@dataclass
class Leaf(Server):
    """The NATS server of the site, as `config/nats-leaf.conf` has it."""

    engine_port: int = 0
    authority: Path = Path()

    async def connected(self) -> None:
        """Wait until it is a leaf of the engine."""
        await until(lambda: "Leafnode connection created" in (self.folder / "log").read_text())

    def text(self) -> str:
        """Return its configuration."""
        shipped = (ROOT / "config" / "nats-leaf.conf").read_text()
        for old, new in (
            ("engine.example:7422", f"127.0.0.1:{self.engine_port}"),
            ("127.0.0.1:4222", f"127.0.0.1:{self.port}"),
            ("/etc/nats", str(self.authority)),
        ):
            assert old in shipped
            shipped = shipped.replace(old, new)
        return f"{shipped}\nhttp: 127.0.0.1:{self.health_port}\n"


@dataclass
class Split:
    """A site behind its leaf, and the engine far away."""

    bench: Bench
    leaf: Leaf
    site: BridgedSite

    async def stored(self, count: int) -> list[StoredRecord]:
        return await stored(self.bench, "hub-1", count)


def takes_leaves(port: int, authority: Path) -> str:
    """Return what the engine's configuration has beside the usual."""
    return f"""
default_js_domain: {{ $G: "" }}
leafnodes {{
    listen: "127.0.0.1:{port}"
    no_advertise: true
    tls {{
        ca_file: "{authority}/authority.pem"
        cert_file: "{authority}/engine.pem"
        key_file: "{authority}/engine.key"
        verify: true
    }}
}}
"""


@pytest_asyncio.fixture
async def split(tmp_path: Path) -> AsyncIterator[Split]:
    folder = tmp_path / "tls"
    folder.mkdir()
    authority = ServerAuthority.make(folder, "authority")
    authority.issue("engine")
    authority.issue("leaf")
    port = free_port()
    engine = Server(tmp_path / "engine", extra=takes_leaves(port, folder))
    leaf = Leaf(tmp_path / "leaf", engine_port=port, authority=folder)
    async with running(tmp_path, engine) as bench:
        await leaf.start()
        await leaf.connected()
        site = BridgedSite(bench, tmp_path, server=leaf.url)
        try:
            await site.gate()
            await site.give_mandates()
            await site.know("hub-1")
            yield Split(bench, leaf, site)
        finally:
            await leaf.kill()


async def test_with_the_internet_gone_nothing_is_acknowledged_and_nothing_is_lost(
    split: Split, tmp_path: Path
) -> None:
    log = make_log(300)
    async with split.site.bridge(tmp_path / "bridge") as (bridge, port):
        with closing(await split.site.come(port)) as hub:
            await hub.greet(log)
            hub.send(log[:100])
            assert await hear_receipt(split.site, hub, 100) == head_of(log[:100])
            await split.bench.server.kill()
            hub.send(log[100:])
            await until(lambda: bridge.store.hubs["hub-1"].newest.number == 300)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(hear_receipt(split.site, hub, 101), 1.0)
                pytest.fail("a receipt for what no disk of the engine has")
            assert bridge.store.hubs["hub-1"].waiting == 200
            await split.bench.server.start()
            assert await hear_receipt(split.site, hub, 300) == head_of(log)
            await until(lambda: bridge.store.hubs["hub-1"].waiting == 0)
    found = await split.stored(300)
    assert [one.number for one in found] == list(range(1, 301))
    assert [one.hash for one in found] == [one.hash for one in log]


async def test_a_leaf_that_is_killed_loses_nothing(split: Split, tmp_path: Path) -> None:
    log = make_log(200)
    async with split.site.bridge(tmp_path / "bridge") as (bridge, port):
        with closing(await split.site.come(port)) as hub:
            await hub.greet(log)
            hub.send(log[:100])
            await hear_receipt(split.site, hub, 1)
            await split.leaf.kill()
            hub.send(log[100:])
            await until(lambda: bridge.store.hubs["hub-1"].newest.number == 200)
            await split.leaf.start()
            async with asyncio.timeout(2 * WAIT_SECONDS):
                assert await hear_receipt(split.site, hub, 200) == head_of(log)
    assert [one.number for one in await split.stored(200)] == list(range(1, 201))


async def test_who_is_no_leaf_of_the_authority_is_not_let_in(split: Split, tmp_path: Path) -> None:
    strange = tmp_path / "strange"
    strange.mkdir()
    ServerAuthority.make(strange, "authority").issue("leaf")
    stranger = Leaf(tmp_path / "stranger", engine_port=split.leaf.engine_port, authority=strange)
    # It believes the engine, and shows a certificate of its own authority.
    (strange / "authority.pem").write_bytes((split.leaf.authority / "authority.pem").read_bytes())
    await stranger.start()
    try:
        log = split.bench.server.folder / "log"
        await until(lambda: "TLS leafnode handshake error" in log.read_text())
        assert "leafnode connection created" in log.read_text().lower()
    finally:
        await stranger.kill()


async def test_behind_a_leaf_that_is_cut_off_nothing_old_is_believed(split: Split) -> None:
    """engine, law 3: the server is connected all the time, and is told nothing."""
    engine = Engine([split.leaf.url], "", 1)
    await engine.connect()
    mirror = Mirror(engine, names.KEYS_BUCKET)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(engine.watch(0.1))]
            await split.bench.put(names.KEYS_BUCKET, "ab", "enrolled hub-1")
            await mirror.start()
            tasks.append(group.create_task(mirror.run()))
            assert mirror.fresh
            assert mirror.values["ab"] == b"enrolled hub-1"
            await split.bench.server.kill()
            await until(lambda: not mirror.fresh)
            await split.bench.server.start()
            await split.bench.reconnect()
            await split.bench.put(names.KEYS_BUCKET, "ab", "revoked hub-1")
            await until(lambda: mirror.fresh)
            assert mirror.values["ab"] == b"revoked hub-1"
            for task in tasks:
                task.cancel()
    finally:
        await engine.close()
