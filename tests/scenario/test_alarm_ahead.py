"""A hub that was offline for long comes back, and its newest record is an alarm."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hubcore.evidence.facts import RecordKind
from hubcore.evidence.records import Record
from hubd.adapters.sqlite.audit import AuditStore
from hubsim.site import DeskDoor
from hubsim.stage import Stage
from tests.scenario.conftest import PULSE_SECONDS, start_again

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.once]

WAIT = 3_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    door = DeskDoor(strike_seconds=PULSE_SECONDS)
    path = tmp_path_factory.mktemp("ahead") / "site"
    async with Stage(path, [door], person=False) as running:
        yield running


async def test_people_hear_of_the_alarm_before_its_record_is_there(stage: Stage) -> None:
    await stage.stop("hub")
    async with await AuditStore.open(stage.site.hub / "state" / "audit.db") as store:
        for number in range(WAIT):
            await store.append(Record.at(RecordKind.DOOR, 1.0, number, {"door": "front"}))
        alarm = Record.at(RecordKind.DOOR, 2.0, WAIT, {"door": "front", "what": "forced"})
        number = await store.append(alarm)
    await start_again(stage)

    def told() -> bool:
        return "ALARM of hub hub-1" in stage.tail("backend")

    await stage.until(told, "the backend told of the alarm")
    (line,) = [line for line in stage.tail("backend").splitlines() if "ALARM" in line]
    assert f"ahead of its record {number} and not proven yet: door 'front': forced" in line

    async def drained() -> bool:
        return bool((await stage.hub("status"))["records"]["waiting"] == 0)

    await stage.until(drained, "all records are durable at the backend")
    held = {record["number"]: record["detail"] for record in await stage.records()}
    assert held[number]["what"] == "forced"
    assert set(held) >= set(range(1, number + 1))
    assert stage.tail("backend").count("ALARM") == 1
