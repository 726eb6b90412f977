"""Which hubs run what: a real hubd says it, real gateways keep it, `hubissuer updates` shows it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hubcore.backend.uplink import codec
from hubcore.update.image import Image
from hubcore.update.running.board import BOARD_VARIABLE
from hubcore.update.slots import Slot, Slots
from hubcore.version import __version__
from hubgateway.issuer import keys
from hubgateway.rules import names
from hubupdate.running.board import Board, Shown
from tests.gateway.bench import ROOT, Bench, running
from tests.gateway.desk import HUB, GatewayStage
from tests.unit.test_uplink_messages import NO_UPDATES, ON_TRIAL

pytestmark = pytest.mark.once

OLD = Image("hubd-1.squashfs", "1.0", b"\x01" * 32, 1000)
NEW = Image("hubd-2.squashfs", "2.0", b"\x02" * 32, 2000)
SAID_LATELY_SECONDS = 3600
FAR = 4_000_000_000.0
SHOWN = Shown(at=0.0, next_at=FAR, said="it watches", lists_end=FAR)


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as one:
        yield one


async def issuer(bench: Bench, *words: str) -> tuple[int, str]:
    """Give a command of hubissuer, at a folder without a key; return its status and its words."""
    folder = bench.folder / "issuer"
    if not folder.exists():
        keys.begin(folder, "site-1", bench.server.url, 1)
        for key in folder.glob("*.key"):
            key.unlink()
    made = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hubgateway.issuer", "--config", str(folder / keys.CONFIG), *words),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    said, _ = await made.communicate()
    assert made.returncode is not None
    return made.returncode, said.decode()


async def shown(bench: Bench) -> dict[str, dict[str, Any]]:
    _, said = await issuer(bench, "updates", "--json")
    return {one["hub"]: one for one in json.loads(said)}


async def test_a_hub_says_what_it_runs_and_says_it_to_the_next_gateway(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = tmp_path / "status.json"
    monkeypatch.setenv(BOARD_VARIABLE, str(board))
    for _ in range(2):
        await bench.gate()
    async with GatewayStage(tmp_path / "site", bench) as stage:

        async def is_known() -> bool:
            return HUB in await shown(bench)

        await stage.until(is_known, "a gateway knows its version")
        assert await issuer(bench, "updates") == (
            0,
            f"{HUB}  {__version__}, takes no updates\nversion {__version__}: 1 of 1 hubs\n",
        )
        back = Slots(Slot.A, OLD, NEW, quarantine=(NEW.digest,))
        Board(board).show(back, replace(SHOWN, held=True))
        await bench.gates[0].kill()

        async def came_back() -> bool:
            return (await shown(bench))[HUB].get("quarantine") == [NEW.digest.hex()]

        await stage.until(came_back, "the other gateway knows that it came back")
        status, said = await issuer(bench, "updates")
    assert status == 1
    assert said.startswith(f"{HUB}  1.0 in A, idle: held by a person there; came back from 0202")


async def test_what_is_said_again_costs_the_engine_no_write_and_has_a_pace(bench: Bench) -> None:
    gate = await bench.gate()
    hub = await bench.hub(HUB)
    await hub.greet(gate.endpoint)
    table = await bench.js.key_value(names.UPDATES_BUCKET)
    for _ in range(3):
        await hub.say(ON_TRIAL)
    await hub.say(NO_UPDATES)
    first = (await shown(bench))[HUB]
    assert first["unchanged_seconds"] < SAID_LATELY_SECONDS, "the engine's moment is read"
    for number in range(200):
        await hub.say(replace(ON_TRIAL, lists_end=number))
    await hub.greet(gate.endpoint)  # all before it was looked at
    kept = await table.get(HUB)
    assert kept.value == codec.encode(NO_UPDATES)
    info = await bench.js.stream_info(f"KV_{names.UPDATES_BUCKET}")
    assert info.state.last_seq == 2, "one write for what was new, one for what was other"


async def test_a_hub_cannot_speak_for_another_one(bench: Bench) -> None:
    gate = await bench.gate()
    one = await bench.hub("hub-1")
    other = await bench.hub("hub-2")
    await one.greet(gate.endpoint)
    await other.greet(gate.endpoint)
    await one.say(ON_TRIAL)
    await one.greet(gate.endpoint)
    assert list(await shown(bench)) == ["hub-1"]
