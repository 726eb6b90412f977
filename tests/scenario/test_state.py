"""A real daemon whose policy was lost: no door for a phone, until the backend's policy or root's
word comes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hubcore.phone.messages import Reason
from hubcore.policy import document as policies
from hubcore.policy.policy import Policy
from hubsim.stage import Stage
from tests.scenario.conftest import FRONT, start_again
from tests.scenario.test_desk import allowed, at_rest, new_phone, visit

pytestmark = pytest.mark.asyncio(loop_scope="module")


def hubctl(stage: Stage, *command: str) -> subprocess.CompletedProcess[str]:
    argv = [
        sys.executable,
        "-m",
        "hubctl.main",
        "--socket",
        str(stage.site.hub / "hubd.sock"),
        *command,
    ]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


async def lose_policy(stage: Stage) -> None:
    """Let policy 1 come into force, and lose its file while the hub and its backend are down."""
    document = stage.path / "policy-1"
    document.write_bytes(
        policies.issue(Policy(stage.site.name, 1, int(time.time())), stage.site.issuer)
    )
    await stage.backend("policy", path=str(document))

    async def in_force() -> bool:
        return bool((await stage.hub("status"))["policy_version"] == 1)

    await stage.until(in_force, "policy 1 is in force")
    await stage.stop("hub")
    for file in (stage.site.hub / "state").glob("policy.db*"):
        file.unlink()


async def problems(stage: Stage) -> list[str]:
    return [problem["id"] for problem in (await stage.hub("status"))["problems"]]


async def test_a_hub_that_lost_its_policy_opens_for_no_phone_until_root_accepts_that(
    tmp_path: Path,
) -> None:
    async with Stage(tmp_path / "site", [FRONT], person=False) as stage:
        await lose_policy(stage)
        await stage.stop("backend")
        await start_again(stage)
        assert "state" in await problems(stage)
        report = await visit(stage, new_phone(stage))
        assert report.verdict is not None
        assert report.verdict.reason is Reason.LOCKED
        assert hubctl(stage, "status").returncode == 1
        accepted = hubctl(stage, "accept-state", "--json")
        assert json.loads(accepted.stdout) == {
            "schema": 1,
            "was": "policy-missing",
            "policy_version": 0,
        }
        assert accepted.returncode == 0
        assert hubctl(stage, "accept-state").stdout == "Nothing was in doubt.\n"
        assert "state" not in await problems(stage)
        assert allowed(await visit(stage, new_phone(stage)))
        await at_rest(stage)


async def test_a_backend_sends_its_policy_again_to_a_hub_that_lost_it(tmp_path: Path) -> None:
    async with Stage(tmp_path / "site", [FRONT], person=False) as stage:
        await lose_policy(stage)
        await start_again(stage)

        async def believed() -> bool:
            return "state" not in await problems(stage)

        await stage.until(believed, "the backend's policy has ended the doubt")
        assert (await stage.hub("status"))["policy_version"] == 1
        assert allowed(await visit(stage, new_phone(stage)))
        await at_rest(stage)
