"""A whole installation for the tests that need one: radio, backend and hub as processes, shared
within a module.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hubsim.site import DeskDoor
from hubsim.stage import Stage

PULSE_SECONDS = 1.0
FRONT = DeskDoor("front", "Front door", access_point=1, strike_seconds=PULSE_SECONDS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A running stage with one door; a test that ends a part starts it again."""
    async with Stage(tmp_path_factory.mktemp("desk") / "site", [FRONT], person=False) as running:
        yield running


async def policy_in_force(stage: Stage) -> None:
    """Wait until the hub has taken the site's policy: before, it obeys no operator."""

    async def in_force() -> bool:
        return bool((await stage.hub("status"))["policy_version"])

    await stage.until(in_force, "the policy is in force")


async def start_radio_again(stage: Stage) -> None:
    """Start the radio that was killed, where it was."""
    port = stage.transport.rpartition(":")[2]
    assert (
        await stage.start("radio", "radio", "--listen", f"127.0.0.1:{port}")
        == f"radio on {stage.transport}"
    )


async def start_again(stage: Stage) -> None:
    """Start the hub that has ended, on a fresh air: a virtual controller may advertise on after its
    host has gone.
    """
    await stage.kill("radio")
    await start_radio_again(stage)
    await stage.start_hub()
