"""A hub that changes hands in its sandboxed unit, on the real BlueZ: a phone in mid-visit notices
nothing, and systemd has another main process.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import time
from typing import Any

from hubcore.update.gap import GapStep, spans
from hubsim.phone.attempt import Session
from hubsim.phone.radio import BumbleLink, connect, on_air
from hubsim.site import Site
from lab.guest import PYTHON, Guest
from lab.hub import LabHub
from lab.visitors import visitor
from tests.lab.conftest import AirAddress, allowed
from tests.lab.unitfile import tells

CHANGE_SECONDS = 90.0
VISIT_SECONDS = 20.0
PROGRAM = "/opt/hubd/bin/python"
EVENTS = ("handed_over", "taken_over")
"""What each process of hubd says of the steps."""
_ASK = """
import json, socket, sys
with socket.socket(socket.AF_UNIX) as api:
    api.settimeout(20)
    api.connect("/run/hubd/hubd.sock")
    request = {"id": 1, "call": sys.argv[1], "args": json.loads(sys.argv[2])}
    api.sendall(json.dumps(request).encode() + b"\\n")
    print(api.makefile().readline())
"""


async def ask(guest: Guest, call: str, **arguments: object) -> Any:
    """Ask the hub that drives; None when nobody answers now."""
    command = (PYTHON, "-IS", "-c", _ASK, call, json.dumps(arguments))
    done = await guest.run(*command, check=False)
    if done.status or not done.out.strip():
        return None
    answer = json.loads(done.out)
    assert "result" in answer, answer
    return answer["result"]


async def stands(hub: LabHub, standing: str) -> None:
    """Wait until the hub that drives stands so to the change of hands."""
    ends = time.monotonic() + CHANGE_SECONDS
    while True:
        status = await ask(hub.guest, "takeover-status")
        if status is not None and status["standing"] == standing:
            return
        assert time.monotonic() < ends, (status, await hub.journal(60))
        await asyncio.sleep(0.2)


async def standing(guest: Guest) -> str:
    """Return how the hub that drives stands to a change of hands, "" when nobody answers now."""
    status = await ask(guest, "takeover-status")
    return "" if status is None else str(status["standing"])


async def pulling(link: BumbleLink, spans: list[float], stop: asyncio.Event) -> None:
    """Read TXR all the time, and note how long each answer took."""
    while not stop.is_set():
        began = time.monotonic()
        await link.pull()
        spans.append(time.monotonic() - began)


async def visit_through(guest: Guest, link: BumbleLink, spans: list[float]) -> bool:
    """Stay connected and ask all the time; tell whether the hub changed hands meanwhile.

    A hub lets no phone rest on its link for longer than some 30 s.
    """
    stop = asyncio.Event()
    ends = time.monotonic() + VISIT_SECONDS
    now = ""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pulling(link, spans, stop))
        while now != "on-trial" and time.monotonic() < ends:
            now = await standing(guest)
        stop.set()
    return now == "on-trial"


async def steps(hub: LabHub) -> dict[GapStep, float]:
    """Return how long each step of the last change of hands took, by both processes' lines."""
    journal = await hub.journal(400)
    shown = [re.findall(rf'"{event}".*?"steps": ?"([^"]+)"', journal) for event in EVENTS]
    assert all(shown), journal
    return spans(" ".join(found[-1] for found in shown))


async def change_in_mid_visit(hub: LabHub, air: AirAddress, site: Site) -> list[float]:
    """Let the hub change hands while a phone is connected that opens before and after.

    Return how long each of its requests in between took.
    """
    assert await ask(hub.guest, "takeover", program=PROGRAM) is not None
    while True:
        assert await standing(hub.guest) != "alone", await hub.journal(60)
        wallet = visitor(site)
        spans: list[float] = []
        async with on_air(air.transport) as device, connect(device) as link:
            assert allowed(await Session(link, wallet).run(1))
            was = await standing(hub.guest)
            if was == "changing" and await visit_through(hub.guest, link, spans):
                second = await Session(link, wallet).run(1)
                assert allowed(second)
                assert second.short, "the ticket has changed hands"
                return spans
        if was == "on-trial":  # it changed hands between two visits
            await ask(hub.guest, "takeover-end", well=False, why="once more")
            await stands(hub, "alone")
            assert await ask(hub.guest, "takeover", program=PROGRAM) is not None


async def test_a_phone_in_mid_visit_notices_nothing_of_a_new_version(
    hub: LabHub, guest: Guest, air: AirAddress, site: Site
) -> None:
    old = await hub.pid()
    restarts = await tells(guest, "NRestarts")
    spans = await change_in_mid_visit(hub, air, site)
    longest = max(spans)
    usual = statistics.median(spans)
    print(f"{len(spans)} requests, longest {longest * 1000:.0f} ms, usual {usual * 1000:.1f} ms")
    assert await hub.pid() == old
    await ask(guest, "takeover-end", well=True)
    await stands(hub, "alone")
    for step, seconds in (await steps(hub)).items():
        print(f"{step:12} {seconds * 1000:7.1f} ms")
    new = await hub.pid()
    assert new not in (0, old)
    assert await tells(guest, "NRestarts") == restarts
    assert await tells(guest, "ActiveState") == "active"
    async with on_air(air.transport) as device, connect(device) as link:
        assert allowed(await Session(link, visitor(site)).run(1))
    # systemd did not start the main process of now, and notices its end all the same
    await guest.run("kill", "-9", str(new))
    ends = time.monotonic() + CHANGE_SECONDS
    while await tells(guest, "NRestarts") == restarts:
        assert time.monotonic() < ends, await hub.journal(60)
        await asyncio.sleep(0.2)
    assert not await hub.strike()
    await hub.start()
