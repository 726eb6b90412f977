"""What goes wrong in a Z-Wave network, as hubctl shows it: a real hub before a service without air.

Node 2 is the lock that moves the back door, node 3 the lock of a vault. A test that breaks
something mends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from hubctl.things.acting import SAYS
from hubsim.site import DeskDoor
from hubsim.stage import Stage
from tests.fakes.zwave import FakeService, lock_values
from tests.fakes.zwave_asking import NEW, Asked
from tests.scenario.conftest import FRONT
from tests.terminal import at_terminal

pytestmark = pytest.mark.asyncio(loop_scope="module")

BACK = DeskDoor("back", "Back door", access_point=2, lock=2)
LOCK = 2
VAULT = 3
CONFIG = """
[zwave]
socket = "{socket}"

[[devices]]
kind = "zwave"
id = "vault"
name = "Vault"
node = 3
capability = "lock"
"""
SECONDS = 30.0
PIN = ("--pin", "04711")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FakeService]:
    async with FakeService(tmp_path_factory.mktemp("z") / "z.sock") as made:
        yield made


@pytest.fixture(scope="module")
def asked(service: FakeService) -> Asked:
    return Asked(service)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(
    tmp_path_factory: pytest.TempPathFactory, service: FakeService, asked: Asked
) -> AsyncIterator[Stage]:
    assert asked.number == NEW
    path = tmp_path_factory.mktemp("desk") / "site"
    config = CONFIG.format(socket=service.socket)
    async with Stage(path, [FRONT, BACK], person=False, extra_config=config) as running:
        await there(running)
        yield running


async def there(stage: Stage) -> None:
    """Return when all nodes of the network are known and well."""

    async def well() -> bool:
        return (await hubctl(stage, "zwave", "--json"))[0] == 0

    await stage.until(well, "the network is there, and no node is dead or missing")


def words_of(stage: Stage, *typed: str) -> tuple[str, ...]:
    socket = str((stage.site.hub / "hubd.sock").absolute())
    return (sys.executable, "-m", "hubctl.main", "--socket", socket, *typed)


async def hubctl(stage: Stage, *typed: str) -> tuple[int | None, str, str]:
    """Run a command; return its status, and what it said on both ways."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *words_of(stage, *typed), stdout=pipe, stderr=pipe
    )
    async with asyncio.timeout(SECONDS):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def state_of(stage: Stage, number: int) -> str:
    nodes = json.loads((await hubctl(stage, "zwave", "--json"))[1])["zwave"]["nodes"]
    return next(str(one["state"]) for one in nodes or [] if one["node"] == number)


async def becomes(stage: Stage, number: int, state: str) -> None:
    async def is_so() -> bool:
        return await state_of(stage, number) == state

    await stage.until(is_so, f"node {number} is {state}")


async def says(service: FakeService, number: int, event: str) -> None:
    await service.say(source="node", event=event, nodeId=number)


async def test_a_dead_node_is_named_with_what_to_do(stage: Stage, service: FakeService) -> None:
    await says(service, LOCK, "dead")
    await becomes(stage, LOCK, "dead")
    try:
        status, out, err = await hubctl(stage, "zwave")
        assert (status, err) == (1, "")
        assert re.search(r"^(error|warning): dead: .*back-lock", out, re.MULTILINE)
        assert "what to do: " in out
        assert re.search(r"^ *2 +back-lock, lock of door back +dead ", out, re.MULTILINE)
        assert re.search(r"^ *3 +vault, lock +alive ", out, re.MULTILINE)
        assert (await hubctl(stage, "zwave", "back-lock"))[0] == 1
        assert (await hubctl(stage, "zwave", "vault"))[0] == 0
    finally:
        await says(service, LOCK, "alive")
    await there(stage)


async def test_a_node_that_sleeps_is_shown_so_and_is_no_fault(
    stage: Stage, service: FakeService
) -> None:
    await says(service, VAULT, "sleep")
    await becomes(stage, VAULT, "asleep")
    try:
        status, out, err = await hubctl(stage, "zwave")
        assert (status, err) == (0, "")
        assert re.search(r"^ *3 +vault, lock +asleep ", out, re.MULTILINE)
        assert "what to do" not in out
    finally:
        await says(service, VAULT, "wake up")
    await becomes(stage, VAULT, "awake")


@contextlib.asynccontextmanager
async def answering(service: FakeService, command: str, answer: Any) -> AsyncIterator[None]:
    """Have the service answer a command otherwise; None: not at all."""
    before = service.handlers[command]
    service.handlers[command] = lambda _: answer
    try:
        yield
    finally:
        service.handlers[command] = before


async def test_a_node_that_does_not_answer_a_ping_is_told_by_status_1(
    stage: Stage, service: FakeService
) -> None:
    async with answering(service, "node.ping", {"responded": False}):
        status, out, err = await hubctl(stage, "zwave", "back-lock", "ping")
        assert (status, out, err) == (1, "Node 2 does not answer.\n", "")


async def test_a_lock_of_a_door_that_was_taken_out_is_a_warning_and_done(
    stage: Stage, service: FakeService, asked: Asked
) -> None:
    """It is done: whoever typed it again would take out another device."""
    asked.number = LOCK
    try:
        status, out, err = await hubctl(stage, "zwave", "exclude")
        assert (status, out) == (0, "Node 2 was taken out of the network.\n")
        assert "hubd.toml still has it: back-lock, lock of door back." in err
        assert "hubd cannot open the door back by it!" in err
        status, out, _ = await hubctl(stage, "zwave")
        assert status == 1
        assert "missing: Node 2 (back-lock, lock of door back) is not in the network." in out
        await service.hang_up()  # the service has it again
        await there(stage)
        status, out, err = await hubctl(stage, "zwave", "exclude", "--json")
        document = json.loads(out)
        assert (status, err, document["phase"]) == (0, "", "done")
        assert document["warning"]["code"] == "door-without-lock"
        assert document["warning"]["doors"] == ["back"]
        asked.number = VAULT
        status, out, err = await hubctl(stage, "zwave", "exclude", "--json")
        assert (status, json.loads(out)["warning"]["code"]) == (0, "still-configured")
        asked.number = NEW
        status, out, err = await hubctl(stage, "zwave", "exclude", "--json")
        assert (status, json.loads(out)["warning"]) == (0, None)
    finally:
        asked.number = NEW
        await service.hang_up()
    await there(stage)


@pytest.mark.parametrize("is_lock", [True, False])
async def test_the_lines_for_a_new_node_are_accepted(
    stage: Stage, service: FakeService, asked: Asked, is_lock: bool
) -> None:
    asked.values = lock_values(255) if is_lock else []
    try:
        status, out, err = await hubctl(stage, "zwave", "include", *PIN)
    finally:
        asked.values = []
        await service.hang_up()  # the service has forgotten it
        await there(stage)
    assert (status, err) == (0, "")
    lines = out.partition("sudo systemctl restart hubd\n")[2]
    assert f'capability = "{"lock" if is_lock else "switch"}"' in lines
    own = (stage.site.hub / "hub.toml").read_text(encoding="utf-8")
    assert await accepts(stage, f"{own}\n{lines}")
    assert not await accepts(stage, f"{own}\n{lines.replace('node =', 'nodes =')}")
    mover = "".join(re.findall(r"^#   (.*\n)", lines, re.MULTILINE))
    assert bool(mover) is is_lock
    if is_lock:
        with_mover, count = re.subn(r"\[\[doors.movers\]\]\n(?:\w.*\n)+", mover, own)
        assert count == 1
        assert f"node = {NEW}" in with_mover
        assert await accepts(stage, with_mover)
        assert not await accepts(stage, f"{with_mover}\n{lines}"), "it is the one or the other"


async def accepts(stage: Stage, text: str) -> bool:
    """Tell whether `hubctl config check` takes a configuration, whatever else it finds."""
    path = stage.site.hub / "tried.toml"
    path.write_text(text, encoding="utf-8")
    _, out, err = await hubctl(stage, "config", "check", "--file", str(path), "--json")
    assert out, err
    findings = json.loads(out)["findings"]
    assert findings
    return "configuration" not in {one["about"] for one in findings}


async def test_an_act_shows_its_steps_on_a_terminal_and_ends(
    stage: Stage, service: FakeService, asked: Asked
) -> None:
    command = ("sh", "-c", 'exec "$@" 2>&1', "sh", *words_of(stage, "zwave", "include", *PIN))
    async with (
        answering(service, "controller.begin_inclusion", {"success": True}),
        at_terminal(*command, size=(120, 40)) as terminal,
    ):
        await terminal.until(SAYS["waiting"])
        await asked.ask()
        status, _ = await terminal.ended()
    steps = [SAYS["waiting"], "The device shows the key *****-", "Node 12 is in the network"]
    places = [terminal.text.find(step) for step in steps]
    assert status == 0
    assert -1 not in places, terminal.text
    assert places == sorted(places)


async def test_an_act_that_is_ended_at_a_terminal_is_over(
    stage: Stage, service: FakeService
) -> None:
    command = ("sh", "-c", 'exec "$@" 2>&1', "sh", *words_of(stage, "zwave", "exclude"))
    async with answering(service, "controller.begin_exclusion", {"success": True}):
        async with at_terminal(*command, size=(120, 40)) as terminal:
            await terminal.until(SAYS["waiting"])
            terminal.type("\x03")
            status, _ = await terminal.ended()
        assert status == 130
        shown = json.loads((await hubctl(stage, "zwave", "--json"))[1])
        assert shown["under_way"] is None


async def test_for_machines_an_act_shows_no_steps(stage: Stage) -> None:
    typed = words_of(stage, "zwave", "include", *PIN, "--json")
    async with at_terminal("sh", "-c", 'exec "$@" 2>&1', "sh", *typed, size=(400, 40)) as terminal:
        status, _ = await terminal.ended()
    assert (status, json.loads(terminal.text.strip())["node"]) == (0, NEW)


async def test_a_service_that_has_gone_is_said_and_found_again(
    stage: Stage, service: FakeService
) -> None:
    right = dict(service.version)
    service.version |= {"minSchemaVersion": 0, "maxSchemaVersion": 0}
    await service.hang_up()

    async def away() -> bool:
        return (await hubctl(stage, "zwave", "--json"))[0] == 1

    await stage.until(away, "the network is away")
    status, _, err = await hubctl(stage, "zwave", "2", "ping")
    assert status == 1
    assert err
    service.version |= right
    await there(stage)
