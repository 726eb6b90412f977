"""What a technician does to a door at the desk: a daemon, a backend that orders too, a phone, and a
real guard.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from hubcore.phone.messages import Reason
from hubsim.stage import Stage
from tests.scenario.conftest import FRONT, policy_in_force, start_again
from tests.scenario.test_desk import allowed, new_phone, visit

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.once]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A stage with one door and its policy in force."""
    place = tmp_path_factory.mktemp("hand") / "site"
    async with Stage(place, [FRONT], person=False) as running:
        await policy_in_force(running)
        yield running


async def hubctl(stage: Stage, *words: str) -> tuple[int | None, str, str]:
    socket = str((stage.site.hub / "hubd.sock").absolute())
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hubctl.main",
        "--socket",
        socket,
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30.0):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def told(stage: Stage, *words: str) -> dict[str, Any]:
    status, out, err = await hubctl(stage, *words, "--json")
    assert status == 0, err
    answer: dict[str, Any] = json.loads(out)
    return answer


async def orders_at_the_backend(stage: Stage) -> list[tuple[str, bool, int]]:
    return [
        (one["order"], one["on"], one["uid"])
        for record in await stage.records()
        if record["kind"] == "order" and (one := record["detail"]).get("given_by") == "technician"
    ]


async def test_a_release_drives_the_strike_and_its_record_names_the_user(stage: Stage) -> None:
    answer = await told(stage, "door", "Front door", "release", "--for", "2s")
    assert (answer["released"], answer["seconds"]) == (True, 2.0)
    assert stage.strike().active, "it ended when the door was driven"
    await stage.until(lambda: not stage.strike().active, "the guard ends the pulse")

    async def recorded() -> bool:
        details = [one["detail"] for one in await stage.records() if one["kind"] == "remote"]
        return ("technician", os.geteuid()) in [(one["asker"], one.get("uid")) for one in details]

    await stage.until(recorded, "the backend has the record")
    seen = await told(stage, "door", "front")
    newest = seen["decisions"][0]
    assert (newest["by"], newest["decided"], newest["uid"]) == (
        "technician",
        "granted",
        os.geteuid(),
    )


async def test_a_dry_run_drives_nothing_and_a_pulse_drives_once(stage: Stage) -> None:
    before = len((await told(stage, "door", "front"))["decisions"])
    dry = await told(stage, "door", "front", "test")
    assert (dry["would"], dry["pulsed"], dry["driven"]) == ("granted", False, False)
    assert [mover["up"] for mover in dry["movers"]] == [True]
    assert dry["inputs"]["dps"] == "closed"
    assert len((await told(stage, "door", "front"))["decisions"]) == before
    pulse = await told(stage, "door", "front", "test", "--pulse")
    assert pulse["pulsed"] is True
    assert len((await told(stage, "door", "front"))["decisions"]) == before + 1
    await stage.until(lambda: not stage.strike().active, "the guard ends the pulse")


async def test_a_technicians_lockdown_outlasts_a_restart_and_the_backends_word(
    stage: Stage,
) -> None:
    phone = new_phone(stage)
    assert allowed(await visit(stage, phone))
    assert (await told(stage, "door", "front", "lockdown"))["changed"] is True
    assert not stage.strike().active, "it ended when the strike was at rest"
    assert (await told(stage, "door", "front", "lockdown"))["changed"] is False
    await stage.kill("hub")
    await start_again(stage)
    answer = await stage.backend("order", hub="hub-1", order="lockdown", on=False)
    assert answer["outcome"] == "taken"
    (held,) = (await told(stage, "door", "front"))["orders"]
    assert (held["order"], held["source"], held["uid"]) == (
        "lockdown",
        "technician",
        os.geteuid(),
    )
    report = await visit(stage, phone)
    assert report.verdict is not None
    assert report.verdict.reason is Reason.LOCKED
    for words in (("release",), ("test", "--pulse")):
        status, out, err = await hubctl(stage, "door", "front", *words)
        assert (status, out) == (1, "")
        assert "front was not released: the door is locked down (lockdown)." in err
    status, out, _ = await hubctl(stage, "door", "front", "test")
    assert status == 1
    assert "would be refused: the door is locked down" in out
    assert not stage.strike().active
    await told(stage, "door", "front", "normal")


async def test_policy_why_says_who_can_change_it_and_leaves_no_record(stage: Stage) -> None:
    await told(stage, "door", "front", "lockdown")
    assert not allowed(await visit(stage, new_phone(stage)))
    denials = (await stage.hub("denials"))["denials"]
    whole: list[str] = []

    async def recorded() -> bool:
        details = [one["detail"] for one in await stage.records() if one["kind"] == "access"]
        whole[:] = [one["asker"] for one in details if one["why"] == "lockdown"]
        return bool(whole)

    await stage.until(recorded, "the backend has the record of the denial")
    asker = whole[-1]
    before = len((await told(stage, "door", "front"))["decisions"])
    status, out, _ = await hubctl(stage, "policy", "why", asker, "front")
    assert status == 1
    assert "it would be refused: the door is locked down (lockdown)." in out
    assert "Whoever ordered the lockdown can end it" in out
    assert len((await told(stage, "door", "front"))["decisions"]) == before
    assert (await stage.hub("denials"))["denials"][0]["count"] == denials[0]["count"]
    await told(stage, "door", "front", "normal")


async def test_normal_ends_it_and_says_who_still_holds_the_door(stage: Stage) -> None:
    await told(stage, "door", "front", "lockdown")
    answer = await stage.backend("order", hub="hub-1", order="lockdown", on=True)
    assert answer["outcome"] == "taken"
    status, out, _ = await hubctl(stage, "door", "front", "normal")
    assert status == 0
    assert "has ended" in out
    assert "It is LockedDown, still held by: lockdown by backend" in out
    status, out, _ = await hubctl(stage, "door", "front", "normal")
    assert (status, "nothing was changed" in out) == (0, True)
    await stage.backend("order", hub="hub-1", order="lockdown", on=False)
    assert (await told(stage, "door", "front"))["mode"] == "Locked"

    async def recorded() -> bool:
        uid = os.geteuid()
        at_backend = await orders_at_the_backend(stage)
        return at_backend[-2:] == [("lockdown", True, uid), ("lockdown", False, uid)]

    await stage.until(recorded, "the backend has one record of each change")
    assert allowed(await visit(stage, new_phone(stage)))
