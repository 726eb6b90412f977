"""A hub in the guest that changes hands while a phone is connected that opens before and after."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hubcore.update.gap import GapStep, spans
from hubsim.phone.attempt import Session
from hubsim.phone.radio import BumbleLink, connect, on_air
from hubsim.site import Site
from lab.air import AirAddress
from lab.errors import LabError
from lab.guest import PYTHON, Guest
from lab.hub import LabHub
from lab.visitors import visitor

CHANGE_SECONDS = 90.0
VISIT_SECONDS = 20.0
LOOK_SECONDS = 0.2
REST_SECONDS = 1.5
"""Between two looks while a phone is timed: each starts a program in a guest of one core."""
PROGRAM = "/opt/hubd/bin/python"
EVENTS = ("handed_over", "taken_over")
"""What each process of hubd says of the steps."""
JOURNAL_LINES = 400
_ASK = """
import json, socket, sys
with socket.socket(socket.AF_UNIX) as api:
    api.settimeout(20)
    api.connect("/run/hubd/hubd.sock")
    request = {"id": 1, "call": sys.argv[1], "args": json.loads(sys.argv[2])}
    api.sendall(json.dumps(request).encode() + b"\\n")
    print(api.makefile().readline())
"""


@dataclass(frozen=True, slots=True)
class HandOver:
    """What a phone saw: how long each of its requests took, and how each of its visits ended."""

    requests: Sequence[float]
    is_allowed: bool
    is_short: bool
    """The ticket has changed hands."""


async def ask(guest: Guest, call: str, **arguments: object) -> Any:
    """Ask the hub that drives; None when nobody answers now. Raise LabError for a refusal."""
    command = (PYTHON, "-IS", "-c", _ASK, call, json.dumps(arguments))
    done = await guest.run(*command, check=False)
    if done.status or not done.out.strip():
        return None
    answer = json.loads(done.out)
    if "result" not in answer:
        raise LabError(f"{call}: {answer}")
    return answer["result"]


async def standing(guest: Guest) -> str:
    """Return how the hub that drives stands to a change of hands, "" when nobody answers now."""
    status = await ask(guest, "takeover-status")
    return "" if status is None else str(status["standing"])


async def stands(hub: LabHub, wanted: str) -> None:
    """Wait until the hub that drives stands so to the change of hands. Raise LabError."""
    ends = time.monotonic() + CHANGE_SECONDS
    while (now := await standing(hub.guest)) != wanted:
        if time.monotonic() > ends:
            raise LabError(f"the hub is {now!r}, not {wanted!r}: {await hub.journal()}")
        await asyncio.sleep(LOOK_SECONDS)


async def change_in_mid_visit(hub: LabHub, air: AirAddress, site: Site) -> HandOver:
    """Have the hub change hands while a phone is connected; it is on trial then."""
    await _order(hub)
    while True:
        wallet = visitor(site)
        requests: list[float] = []
        async with on_air(air.transport) as device, connect(device) as link:
            first = await Session(link, wallet).run(1)
            was = await standing(hub.guest)
            if was == "changing" and await _visit_through(hub.guest, link, requests):
                second = await Session(link, wallet).run(1)
                verdicts = [report.verdict for report in (first, second)]
                is_allowed = all(verdict is not None and verdict.allowed for verdict in verdicts)
                return HandOver(requests, is_allowed, second.short)
        if was == "alone":
            raise LabError(f"the hub has not changed hands: {await hub.journal()}")
        if was == "on-trial":  # it changed hands between two visits
            await ask(hub.guest, "takeover-end", well=False, why="once more")
            await stands(hub, "alone")
            await _order(hub)


async def steps(hub: LabHub) -> Mapping[GapStep, float]:
    """Return how long each step of the last change of hands took, by both processes' lines."""
    journal = await hub.journal(JOURNAL_LINES)
    shown = [re.findall(rf'"{event}".*?"steps": ?"([^"]+)"', journal) for event in EVENTS]
    if not all(shown):
        raise LabError(f"a process has not told its steps: {journal}")
    return spans(" ".join(found[-1] for found in shown))


async def _order(hub: LabHub) -> None:
    if await ask(hub.guest, "takeover", program=PROGRAM) is None:
        raise LabError(f"nobody takes an order: {await hub.journal()}")


async def _visit_through(guest: Guest, link: BumbleLink, requests: list[float]) -> bool:
    """Stay connected and ask all the time; tell whether the hub changed hands meanwhile.

    A hub lets no phone rest on its link for longer than some 30 s.
    """
    stop = asyncio.Event()
    ends = time.monotonic() + VISIT_SECONDS
    now = ""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_pulling(link, requests, stop))
        while now != "on-trial" and time.monotonic() < ends:
            await asyncio.sleep(REST_SECONDS)
            now = await standing(guest)
        stop.set()
    return now == "on-trial"


async def _pulling(link: BumbleLink, requests: list[float], stop: asyncio.Event) -> None:
    """Read TXR all the time, and note how long each answer took."""
    while not stop.is_set():
        began = time.monotonic()
        await link.pull()
        requests.append(time.monotonic() - began)
