"""A whole hub whose strike guard dies in mid pulse while no process can be started: the strike
falls back all the same.

The lines of a desk keep their level when their holder dies, as some kernels' pins do.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from drivers.strike.guard_client import UNGUARDED_SECONDS
from hubd.__main__ import EX_UNAVAILABLE
from hubd.session.running import END_SECONDS
from hubsim.site import DeskDoor
from hubsim.stage import Stage
from tests.scenario.conftest import policy_in_force, start_again

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOOR = DeskDoor("front", "Front door", access_point=1, strike_seconds=10.0)
SOON_SECONDS = 2.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with Stage(tmp_path_factory.mktemp("desk") / "site", [DOOR], person=False) as running:
        yield running


def guards(stage: Stage) -> tuple[int, int]:
    """Return the guard that holds the lines, and the one that waits."""
    hub = stage.process_id("hub")
    children = {int(pid) for pid in Path(f"/proc/{hub}/task/{hub}/children").read_text().split()}
    holder = stage.strike().holder
    (spare,) = children - {holder}
    assert "drivers.strike.guard" in Path(f"/proc/{spare}/cmdline").read_text()
    return holder, spare


def two_guards(stage: Stage) -> bool:
    hub = stage.process_id("hub")
    return len(Path(f"/proc/{hub}/task/{hub}/children").read_text().split()) == 2


def no_more_descriptors(stage: Stage) -> None:
    """From now on the hub cannot open anything."""
    hub = stage.process_id("hub")
    _, most = resource.prlimit(hub, resource.RLIMIT_NOFILE)
    resource.prlimit(hub, resource.RLIMIT_NOFILE, (3, most))


async def drive(stage: Stage) -> None:
    await policy_in_force(stage)
    answer = await stage.backend("release", hub="hub-1", access_point=1, by="operator-7")
    assert answer["outcome"] == "released"
    assert stage.strike().active


async def test_a_guard_that_dies_in_a_pulse_is_replaced_by_the_one_that_waits(stage: Stage) -> None:
    await stage.until(lambda: two_guards(stage), "a second guard waits")
    holder, spare = guards(stage)
    await drive(stage)
    no_more_descriptors(stage)
    os.kill(holder, signal.SIGKILL)
    took = await stage.until(
        lambda: not stage.strike().active, "the strike falls back", SOON_SECONDS
    )
    assert took < SOON_SECONDS
    assert stage.strike().holder == spare


async def test_a_hub_without_any_guard_ends_so_that_others_secure_the_strike(stage: Stage) -> None:
    await stage.kill("hub")
    await start_again(stage)
    await stage.until(lambda: two_guards(stage), "a second guard waits")
    holder, spare = guards(stage)
    await drive(stage)
    no_more_descriptors(stage)
    os.kill(spare, signal.SIGKILL)
    os.kill(holder, signal.SIGKILL)
    hub = stage._processes["hub"]
    await stage.until(
        lambda: hub.returncode is not None, "the hub ends", UNGUARDED_SECONDS + END_SECONDS + 1.0
    )
    assert hub.returncode == EX_UNAVAILABLE
    assert stage.strike().active
    assert "A strike may be driven, and no guard could be had within 4 s" in stage.tail("hub")
    await start_again(stage)
    assert not stage.strike().active
    held = await stage.records()
    told = [record["detail"].get("fault", "") for record in held if record["kind"] == "fault"]
    assert len([sentence for sentence in told if "no guard could be had" in sentence]) == 1
