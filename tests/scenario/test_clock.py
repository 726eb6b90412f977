"""The time that a whole hub has proven outlives its restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hubsim.stage import Stage
from tests.scenario.conftest import FRONT, start_again

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with Stage(tmp_path_factory.mktemp("desk") / "site", [FRONT], person=False) as running:
        yield running


@pytest.mark.long
async def test_a_start_tells_that_an_order_of_the_backend_proved_no_time(stage: Stage) -> None:
    answer = await stage.backend("release", hub="hub-1", access_point=1, by="operator-7")
    assert answer["outcome"] == "released"
    await stage.kill("hub")
    await start_again(stage)

    async def both() -> bool:
        return len([record for record in await stage.records() if record["kind"] == "started"]) == 2

    await stage.until(both, "the backend holds both starts")
    held = await stage.records()
    first, second = (record for record in held if record["kind"] == "started")
    assert any(record["kind"] == "remote" for record in held)
    signed = [record["detail"]["issued"] for record in held if record["kind"] == "policy"]
    assert first["detail"]["floor"] == 0
    assert second["detail"]["floor"] == 1000 * max(signed, default=0), "the issuer's word alone"


async def test_a_backend_whose_time_agrees_confirms_the_clock(stage: Stage) -> None:
    async def confirmed() -> bool:
        return any(
            record["detail"].get("confirmed_by") == "backend" for record in await stage.records()
        )

    await stage.until(confirmed, "the backend has confirmed the clock")
    assert not any(problem["id"] == "clock" for problem in (await stage.hub("status"))["problems"])
