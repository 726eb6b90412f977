"""A hub that changes hands in its sandboxed unit, on the real BlueZ: a phone in mid-visit notices
nothing, and systemd has another main process.
"""

from __future__ import annotations

import asyncio
import statistics
import time

from hubcore.update.gap import GapStep
from hubsim.phone.attempt import Session
from hubsim.phone.radio import connect, on_air
from hubsim.site import Site
from lab.guest import Guest
from lab.handover import CHANGE_SECONDS, ask, change_in_mid_visit, stands, steps
from lab.hub import CONTACTS_BEGIN, LINES, LabHub
from lab.visitors import visitor
from tests.lab.conftest import AirAddress, allowed
from tests.lab.unitfile import tells


async def door_is(guest: Guest) -> str:
    """Return where the hub that drives sees the door."""
    status = await ask(guest, "status")
    return str(status["doors"][0]["position"])


async def test_a_phone_in_mid_visit_notices_nothing_of_a_new_version(
    hub: LabHub, guest: Guest, air: AirAddress, site: Site
) -> None:
    old = await hub.pid()
    restarts = await tells(guest, "NRestarts")
    seen = await change_in_mid_visit(hub, air, site)
    assert seen.is_allowed
    assert seen.is_short, "the ticket has changed hands"
    longest = max(seen.requests) * 1000
    usual = statistics.median(seen.requests) * 1000
    print(f"{len(seen.requests)} requests, longest {longest:.0f} ms, usual {usual:.1f} ms")
    assert await hub.pid() == old
    await ask(guest, "takeover-end", well=True)
    await stands(hub, "alone")
    took = await steps(hub)
    print(" ".join(f"{step} {seconds * 1000:.1f}" for step, seconds in took.items()))
    assert list(took) == list(GapStep)[1:]
    new = await hub.pid()
    assert new not in (0, old)
    assert await tells(guest, "NRestarts") == restarts
    assert await tells(guest, "ActiveState") == "active"
    async with on_air(air.transport) as device, connect(device) as link:
        assert allowed(await Session(link, visitor(site)).run(1))
    # whoever requests the contact's line pulls it up: nobody has since the hub started
    level = await guest.run("cat", f"{LINES}/sim_gpio{CONTACTS_BEGIN}/value")
    assert level.out.strip() == "0"
    assert await door_is(guest) == "closed"
    await hub.contact(0, door_open=True)
    ends = time.monotonic() + CHANGE_SECONDS
    while await door_is(guest) != "open":
        assert time.monotonic() < ends, await hub.journal(60)
        await asyncio.sleep(0.2)
    await hub.contact(0, door_open=False)
    # systemd did not start the main process of now, and notices its end all the same
    await guest.run("kill", "-9", str(new))
    ends = time.monotonic() + CHANGE_SECONDS
    while await tells(guest, "NRestarts") == restarts:
        assert time.monotonic() < ends, await hub.journal(60)
        await asyncio.sleep(0.2)
    assert not await hub.strike()
    await hub.start()
