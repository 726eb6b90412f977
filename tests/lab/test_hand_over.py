"""A hub that changes hands in its sandboxed unit, on the real BlueZ: a phone in mid-visit notices
nothing, and systemd has another main process.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from hubsim.phone.attempt import Session
from hubsim.phone.radio import BumbleLink, connect, on_air
from hubsim.site import Site
from lab.guest import PYTHON, Guest
from lab.hub import LabHub
from lab.visitors import visitor
from tests.lab.conftest import AirAddress, allowed
from tests.lab.unitfile import tells

CHANGE_SECONDS = 90.0
PROGRAM = "/opt/hubd/bin/python"
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


async def pulling(link: BumbleLink, spans: list[float], stop: asyncio.Event) -> None:
    """Read TXR all the time, and note how long each answer took."""
    while not stop.is_set():
        began = time.monotonic()
        await link.pull()
        spans.append(time.monotonic() - began)


async def test_a_phone_in_mid_visit_notices_nothing_of_a_new_version(
    hub: LabHub, guest: Guest, air: AirAddress, site: Site
) -> None:
    wallet = visitor(site)
    old = await hub.pid()
    restarts = await tells(guest, "NRestarts")
    spans: list[float] = []
    stop = asyncio.Event()
    async with on_air(air.transport) as device, connect(device) as link:
        assert allowed(await Session(link, wallet).run(1))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pulling(link, spans, stop))
            assert await ask(guest, "takeover", program=PROGRAM) is not None
            await stands(hub, "on-trial")
            stop.set()
        second = await Session(link, wallet).run(1)
        assert allowed(second)
        assert second.short, "the ticket has changed hands"
    print(f"{len(spans)} requests, longest {max(spans) * 1000:.0f} ms")
    assert await hub.pid() == old
    await ask(guest, "takeover-end", well=True)
    await stands(hub, "alone")
    new = await hub.pid()
    assert new not in (0, old)
    assert await tells(guest, "NRestarts") == restarts
    assert await tells(guest, "ActiveState") == "active"
    async with on_air(air.transport) as device, connect(device) as link:
        assert (await Session(link, wallet).run(1)).short
    # systemd did not start the main process of now, and notices its end all the same
    await guest.run("kill", "-9", str(new))
    ends = time.monotonic() + CHANGE_SECONDS
    while await tells(guest, "NRestarts") == restarts:
        assert time.monotonic() < ends, await hub.journal(60)
        await asyncio.sleep(0.2)
    assert not await hub.strike()
    await hub.start()
