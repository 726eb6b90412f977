"""What an update asks of a hub, asked of the real daemon, also while parts of it are away."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hubcore.ports.clock import ClockState
from hubcore.update.health import Look, Peer, Required
from hubsim.bridge.running import running_bridge, section
from hubsim.stage import Stage, free_port
from hubupdate.running.clock import HubClock
from hubupdate.running.daemon import ask_status, look_of, rests
from tests.scenario.conftest import FRONT, policy_in_force, start_radio_again

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.long]

PORT = free_port()
"""Of the site's bridge."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A running stage with one door, whose hub has a bridge that does not run yet."""
    folder = tmp_path_factory.mktemp("desk") / "site"
    async with Stage(folder, [FRONT], extra_config=section(PORT), person=False) as running:
        yield running


def socket_of(stage: Stage) -> Path:
    return stage.site.hub / "hubd.sock"


async def look(stage: Stage) -> Look:
    return look_of(await asyncio.to_thread(ask_status, socket_of(stage)))


async def until(stage: Stage, missing: set[Required], seen: set[Peer]) -> None:
    """Wait until a look finds just this missing, and these peers."""

    async def is_so() -> bool:
        found = await look(stage)
        peers = {one for one in found.seen if isinstance(one, Peer)}
        return frozenset(Required) - found.right == missing and peers == seen

    await stage.until(is_so, f"{missing} are missing, {seen} are there")


async def test_a_hub_that_is_well_is_well_for_an_update(stage: Stage) -> None:
    await policy_in_force(stage)
    await until(stage, set(), {Peer.BACKEND})
    status = await asyncio.to_thread(ask_status, socket_of(stage))
    assert rests(status)
    clock = HubClock(lambda: status)
    assert clock.state() is ClockState.TRUSTED


async def test_a_version_tests_itself_beside_the_hub_that_runs(stage: Stage) -> None:
    config = stage.site.hub / "hub.toml"
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "hubd", "--selftest", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    await until(stage, set(), {Peer.BACKEND})


async def test_a_backend_that_is_away_is_not_seen_and_blames_no_version(stage: Stage) -> None:
    await stage.kill("backend")
    await until(stage, set(), set())
    await stage.start_backend()
    await until(stage, set(), {Peer.BACKEND})


async def test_a_bridge_is_there_once_it_has_answered(stage: Stage) -> None:
    async with running_bridge(stage.site, PORT):
        await until(stage, set(), {Peer.BACKEND, Peer.BRIDGE})
    await until(stage, set(), {Peer.BACKEND})


async def test_a_hub_without_its_radio_is_not_on_air(stage: Stage) -> None:
    await stage.kill("radio")
    await until(stage, {Required.ON_AIR}, {Peer.BACKEND})
    await start_radio_again(stage)
    await until(stage, set(), {Peer.BACKEND})


async def test_a_hub_that_is_stopped_tells_nothing(stage: Stage) -> None:
    await stage.stop("hub")
    assert (await look(stage)) == Look(frozenset(), frozenset())
