"""hubctl top at a terminal, before a real daemon: a door that opens, its trace, a hub that goes."""

from __future__ import annotations

import re
import sys

import pytest

from hubsim.stage import Stage
from hubterm.exits import OK
from tests.scenario.conftest import start_again
from tests.scenario.test_desk import new_phone, visit
from tests.terminal import at_terminal

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.once]


async def test_a_technician_sees_a_door_open_and_what_the_hub_does_meanwhile(stage: Stage) -> None:
    socket = str((stage.site.hub / "hubd.sock").absolute())
    words = (sys.executable, "-m", "hubctl", "--socket", socket, "top")
    async with at_terminal(*words, size=(100, 30)) as terminal:
        before = terminal.modes()
        await terminal.until("Front door")
        await terminal.until("radio: on air")
        assert (await visit(stage, new_phone(stage))).verdict is not None
        await terminal.until(re.compile("granted +1").search)
        await terminal.until(re.compile("(up to|over) .*█").search)
        terminal.type("\r")
        await terminal.until("last unlocks at front")
        await terminal.until(re.compile("phone +access point 1 +granted").search)
        for step in ("unsealed", "decided", "recorded", "strike-asked"):
            await terminal.until(re.compile(f"{step} +[0-9.]+ ms").search)
        terminal.type("\x1b")
        await terminal.until("decisions since")
        terminal.type("/nothing-has-this-name\r")
        await terminal.until("doors, 0 of 1")
        terminal.type("\x1b")
        await terminal.until("Front door")
        await stage.stop("hub")
        await terminal.until("hubd does not answer")
        await start_again(stage)
        await terminal.until("Front door")
        await terminal.until("radio: on air")
        terminal.type("q")
        assert await terminal.ended() == (OK, "")
        assert terminal.modes() == before
