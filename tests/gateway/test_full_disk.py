"""The engine's disk is really full: a small file system of its own, a real nats-server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import zmq

from tests.gateway.bench import ENGINE, ROOT, Bench, Server, free_port, make_chain, running, until

pytestmark = pytest.mark.once

MIB = 1 << 20
BALLAST = 12 * MIB
WORD = "x" * 2_000
"""Begins each record: some bytes."""


@dataclass
class Disk:
    """A bench whose engine has 24 MiB, in a mount namespace of its own."""

    bench: Bench
    inside: Path
    """The engine's folder, as that namespace has it."""

    def fill(self) -> None:
        (self.inside / "store" / "ballast").write_bytes(bytes(BALLAST))

    def make_room(self) -> None:
        (self.inside / "store" / "ballast").unlink()

    @property
    def log(self) -> str:
        return (self.bench.server.folder / "log").read_text()


def _namespace() -> tuple[str, ...]:
    prefix: tuple[str, ...] = ("unshare", "--mount")
    if os.geteuid() != 0:
        prefix = ("unshare", "--user", "--map-root-user", "--mount")
    if not shutil.which("unshare") or subprocess.run((*prefix, "true"), check=False).returncode:
        pytest.skip("no mount namespaces here")
    return prefix


@pytest_asyncio.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Disk]:
    folder = tmp_path / "engine"
    store = folder / "store"
    store.mkdir(parents=True)
    server = Server(folder)
    script = f'mount -t tmpfs -o size=24M,mode=700 none "{store}" && exec "$@"'
    server.prefix = (
        *(*_namespace(), "sh", "-c", script, "sh"),
        *(sys.executable, "-m", "hubgateway.enginewatch"),
        *("--monitor", f"http://127.0.0.1:{server.health_port}"),
        *("--store", str(store), "--room", "4", "--"),
    )
    async with running(tmp_path, server) as bench:
        assert server.process is not None
        yield Disk(bench, Path(f"/proc/{server.process.pid}/root") / folder.relative_to("/"))
        with contextlib.suppress(ProcessLookupError):
            server.process.terminate()
        await server.process.wait()


async def test_a_full_disk_is_told_of_and_heals_once_there_is_room(disk: Disk) -> None:
    bench = disk.bench
    gate = await bench.gate()
    hub = await bench.hub()
    await hub.greet(gate.endpoint)
    disk.fill()
    hub.records = make_chain(12_000, word=WORD)
    sent = 0
    while "THE ENGINE'S DISK IS FULL" not in disk.log:
        waiting = hub.records[sent : sent + 64]
        with contextlib.suppress(zmq.Again):
            await hub.send(waiting)
        with contextlib.suppress(TimeoutError):
            while waiting[-1].number not in hub.acknowledged:
                await hub.hear(2.0)
            sent += 64
    await until(lambda: "nothing is acknowledged, the hub keeps its records" in gate.log)
    assert hub.acknowledged
    assert len(hub.acknowledged) < len(hub.records)
    before = set(hub.acknowledged)
    hub.records = hub.records[: sent + 200]
    disk.make_room()
    await hub.send_until_durable(gate.endpoint)
    await bench.reconnect()
    assert "it is started again" in disk.log
    assert await bench.stored("hub-1") == hub.records  # lost 0, twice 0
    assert before < hub.acknowledged
    assert "it has lost" not in gate.log


def _child_of(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


async def test_an_engine_that_ends_by_itself_ends_its_watch(disk: Disk) -> None:
    """enginewatch, law 3"""
    watch = disk.bench.server.process
    assert watch is not None
    os.kill(_child_of(watch.pid), signal.SIGKILL)
    assert await watch.wait() == os.EX_UNAVAILABLE


async def test_an_engine_that_acknowledges_too_early_is_refused(tmp_path: Path) -> None:
    """enginewatch, law 4"""
    port = free_port()
    config = tmp_path / "nats.conf"
    text = (ROOT / "config" / "nats.conf").read_text().replace("/var/lib/nats", str(tmp_path))
    text = text.replace("127.0.0.1:4222", f"127.0.0.1:{free_port()}")
    text = text.replace("127.0.0.1:8222", f"127.0.0.1:{port}")
    config.write_text(text.replace("sync_interval: always", "sync_interval: 2m"))
    watch = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hubgateway.enginewatch"),
        *("--monitor", f"http://127.0.0.1:{port}", "--store", str(tmp_path)),
        *("--", ENGINE, "-c", str(config)),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await watch.communicate()
    assert watch.returncode == os.EX_CONFIG
    assert b"sync_interval: always" in said
