"""What a door is in, at the desk: a daemon, a backend that orders, a schedule, and a real guard
that lets the door fall shut whatever becomes of the daemon.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from hubcore.access.passback import PassbackKind, PassbackRule
from hubcore.calendar.schedule import ALWAYS, Rule, Schedule
from hubcore.phone.messages import Reason
from hubcore.policy import document as policies
from hubcore.policy.policy import ALL_RIGHTS, HoldOpen, Operator, PointRules, Policy
from hubd.orders.keeper import HOLD_SECONDS
from hubsim.door.person import Act, do
from hubsim.site import FIRST_OPERATOR, DeskDoor
from hubsim.stage import Stage
from tests.scenario.conftest import PULSE_SECONDS, start_again
from tests.scenario.test_desk import allowed, new_phone, visit

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.once]

DOOR = DeskDoor(
    strike_seconds=PULSE_SECONDS,
    strikes=("strike",),
    continuous=True,
    held_open_seconds=2.0,
)
ALL = "backend-all-doors"
ZONE = ZoneInfo("Europe/Berlin")
"""Of a desk."""
OPERATORS = {FIRST_OPERATOR: Operator(ALL_RIGHTS)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A stage with one door that may be held open, and a policy that names an operator."""
    async with Stage(tmp_path_factory.mktemp("modes") / "site", [DOOR], person=False) as running:
        await policy(running)
        yield running


async def policy(stage: Stage, **rules: Any) -> None:
    """Let a new policy come into force."""
    version = int((await stage.hub("status"))["policy_version"]) + 1
    new = Policy(stage.site.name, version, int(time.time()), operators=OPERATORS, **rules)
    file = stage.path / f"policy-{version}"
    file.write_bytes(policies.issue(new, stage.site.issuer))
    await stage.backend("policy", path=str(file))

    async def in_force() -> bool:
        return bool((await stage.hub("status"))["policy_version"] == version)

    await stage.until(in_force, f"policy {version} is in force")


async def door(stage: Stage) -> Mapping[str, Any]:
    (only,) = await stage.hub("doors")
    assert isinstance(only, dict)
    return only


async def until_mode(stage: Stage, mode: str) -> None:
    async def is_so() -> bool:
        return bool((await door(stage))["mode"] == mode)

    await stage.until(is_so, f"the door is {mode}")


async def order(stage: Stage, word: str, on: bool = True, **more: object) -> str:
    answer = await stage.backend("order", hub="hub-1", order=word, on=on, **more)
    return str(answer["outcome"])


async def happened(stage: Stage) -> list[str]:
    return [
        record["detail"]["what"] for record in await stage.records() if record["kind"] == "door"
    ]


def act(stage: Stage, what: Act) -> None:
    do(stage.site.hub / "state", what, "front")


async def until_driven(stage: Stage, driven: bool, seconds: float = 10.0) -> None:
    await stage.until(
        lambda: stage.strike("strike").active is driven, f"the strike is driven: {driven}", seconds
    )


async def test_a_forced_door_is_an_alarm_until_it_is_shut(stage: Stage) -> None:
    act(stage, Act.FORCE)

    async def alarm(word: str) -> bool:
        return bool((await door(stage))["alarm"] == word)

    await stage.until(lambda: alarm("forced"), "the forced door is an alarm")
    forced = await door(stage)
    assert forced["position"] == "open"
    assert forced["in_cycle"] is False
    act(stage, Act.LET_GO)
    await stage.until(lambda: alarm("normal"), "the alarm has ended")

    async def told() -> bool:
        return await happened(stage) == ["forced", "closed", "forced_ended"]

    await stage.until(told, "the backend has the alarm's beginning and its end, once each")


async def test_an_alarm_of_before_a_restart_has_its_end_once_the_door_is_shut(
    stage: Stage,
) -> None:
    """The simulated door is shut by whoever starts the hub again."""
    before = len(await happened(stage))
    act(stage, Act.FORCE)

    async def alarm(word: str, position: str) -> bool:
        seen = await door(stage)
        return bool(seen["alarm"] == word and seen["position"] == position)

    await stage.until(lambda: alarm("forced", "open"), "the forced door is an alarm")

    async def told(*words: str) -> bool:
        return await happened(stage) == [*(await happened(stage))[:before], *words]

    await stage.until(lambda: told("forced"), "the backend has the alarm's beginning")
    await stage.kill("hub")
    await start_again(stage)
    await stage.until(lambda: alarm("normal", "closed"), "the alarm has ended")
    words = ("forced", "closed", "forced_ended")
    await stage.until(lambda: told(*words), "the backend has one beginning and one end")


@pytest.mark.long
async def test_a_lockdown_outlasts_a_restart_and_its_end_gives_back_what_stood_before(
    stage: Stage,
) -> None:
    assert await order(stage, "hold_open") == "taken"
    await until_driven(stage, True)
    assert (await door(stage))["in_cycle"] is False, "no update waits for days"
    assert await order(stage, "lockdown") == "taken"
    await until_driven(stage, False)
    assert (await door(stage))["mode"] == "LockedDown"
    await stage.kill("hub")
    await start_again(stage)
    await until_mode(stage, "LockedDown")
    report = await visit(stage, new_phone(stage))
    assert report.verdict is not None
    assert report.verdict.reason is Reason.LOCKED
    assert not stage.strike("strike").active
    orders = [(one["order"], one["source"]) for one in (await door(stage))["orders"]]
    assert orders == [("lockdown", ALL), ("hold_open", ALL)]
    assert await order(stage, "lockdown", on=False) == "taken"
    await until_mode(stage, "Unlocked")
    await until_driven(stage, True)
    assert await order(stage, "hold_open", on=False) == "taken"
    await until_mode(stage, "Locked")
    await until_driven(stage, False)
    assert allowed(await visit(stage, new_phone(stage)))
    await until_driven(stage, False)


async def test_who_is_inside_by_the_hubs_word_is_let_in_again_after_a_passback_reset(
    stage: Stage,
) -> None:
    inside = PassbackRule(PassbackKind.HARD, from_area=0, to_area=1)
    await policy(stage, points={1: PointRules(passback=inside)})
    phone = new_phone(stage)
    assert allowed(await visit(stage, phone))
    await until_driven(stage, False)
    assert allowed(await visit(stage, phone)), "whoever does not go through is not inside"
    act(stage, Act.PULL)

    async def is_open() -> bool:
        return bool((await door(stage))["position"] == "open")

    await stage.until(is_open, "somebody went through")
    act(stage, Act.LET_GO)
    await until_driven(stage, False)
    denied = await visit(stage, phone)
    assert denied.verdict is not None
    assert denied.verdict.reason is Reason.NO_RIGHT
    askers: list[str] = []

    async def denied_on_record() -> bool:
        details = [record["detail"] for record in await stage.records()]
        askers[:] = [one["asker"] for one in details if one.get("why") == "anti-passback"]
        return bool(askers)

    await stage.until(denied_on_record, "the backend has the record of the denial")
    asker = askers[0]
    said = await hubctl(stage, "passback-reset", "somebody-else")
    assert said == "The hub does not know where somebody-else is: nothing was changed.\n"
    assert not allowed(await visit(stage, phone))
    said = await hubctl(stage, "passback-reset", asker)
    assert said == f"Recorded, and forgotten where {asker} was (places: 1).\n"
    assert allowed(await visit(stage, phone))
    await until_driven(stage, False)

    async def told() -> bool:
        records = await stage.records()
        resets = [record["detail"] for record in records if record["kind"] == "passback"]
        said = [(one["vouched_by"], one["credential"], one["count"]) for one in resets]
        return said == [("technician", asker, 1)]

    await stage.until(told, "the backend has the one record of the reset")
    await policy(stage)


async def hubctl(stage: Stage, *words: str) -> str:
    """Return what hubctl says to whoever runs this, who started the hub as well."""
    socket = str((stage.site.hub / "hubd.sock").absolute())
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hubctl.main",
        "--socket",
        socket,
        *words,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(20.0):
        out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


async def test_a_stranger_at_the_backend_orders_nothing(stage: Stage) -> None:
    assert await order(stage, "hold_open", by="stranger") == "refused"
    assert (await door(stage))["mode"] == "Locked"


async def test_a_schedule_holds_the_door_and_a_dead_hub_lets_it_fall_shut(stage: Stage) -> None:
    opened = {1: PointRules(hold_open=HoldOpen(9))}
    await policy(stage, schedules={9: Schedule(ALWAYS)}, points=opened)
    await until_mode(stage, "Unlocked")
    await until_driven(stage, True)
    act(stage, Act.PULL)

    async def held() -> bool:
        return bool((await door(stage))["position"] == "open")

    await stage.until(held, "the door stands open")
    began = time.monotonic()
    await stage.until(
        lambda: time.monotonic() - began > 2 * DOOR.held_open_seconds, "it would be too long else"
    )
    assert (await door(stage))["alarm"] == "normal"
    assert stage.strike("strike").active
    act(stage, Act.LET_GO)
    await stage.kill("hub")
    await until_driven(stage, False, HOLD_SECONDS + 2.0)
    await start_again(stage)
    await until_driven(stage, True)
    await policy(stage)
    await until_mode(stage, "Locked")
    await until_driven(stage, False, HOLD_SECONDS + 2.0)


@pytest.mark.long
async def test_a_schedule_lets_the_door_fall_shut_at_its_end(stage: Stage) -> None:
    now = datetime.now(ZONE)
    minute = now.hour * 60 + now.minute
    spans = (Rule(127, minute, min(1440, minute + 1)),)
    opened = {1: PointRules(hold_open=HoldOpen(9))}
    await policy(stage, schedules={9: Schedule(spans)}, points=opened)
    if datetime.now(ZONE).minute != now.minute:
        pytest.skip("the minute was over before the policy was in force")
    await until_driven(stage, True)
    await stage.until(lambda: datetime.now(ZONE).minute != now.minute, "the minute is over", 61.0)
    await until_driven(stage, False, HOLD_SECONDS + 3.0)
    assert (await door(stage))["mode"] == "Locked"
    records = [record["detail"] for record in await stage.records() if record["kind"] == "order"]
    by_schedule = [said["on"] for said in records if said.get("given_by") == "schedule"]
    assert by_schedule[-2:] == [True, False]
