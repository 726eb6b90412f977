"""The problems that hubctl shows a technician."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

from lab.hub import LabHub

PATIENCE_SECONDS = 30.0
HUBCTL = ("/opt/hubd/bin/python", "-c", "from hubctl.main import main; main()")

Problem = dict[str, str]


async def shows(hub: LabHub, name: str, wanted: Callable[[Problem | None], bool]) -> None:
    """Wait until hubctl shows of a part what is wanted; None is a part without a problem."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not wanted(problem := await _problem(hub, name)):
        assert time.monotonic() < end, f"hubctl says {problem}\n{await hub.story()}"
        await asyncio.sleep(0.2)


async def _problem(hub: LabHub, name: str) -> Problem | None:
    """Return what hubctl says of a part, once the radio is on air."""
    done = await hub.guest.run(*HUBCTL, "status", "--json", check=False)
    if not done.out.startswith("{") or not json.loads(done.out)["radio"]["on_air"]:
        return {"what": f"not on air: {done.out} {done.err}"}
    return next(
        (problem for problem in json.loads(done.out)["problems"] if problem["id"] == name), None
    )
