"""With the engine gone the pages work on: a real hub at its bridge, its door, and the engine again.

What is real: engine, gateway, bridge, hubd on virtual air and metal, and what follows both ways.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from django.conf import settings

from hubcore.phone.messages import Reason
from hubsim.bridge.running import running_bridge, section
from hubsim.door.person import Act, do
from hubsim.site import FIRST_OPERATOR
from hubsim.stage import Stage, free_port
from hubsite.bridge.models import BridgeAlarm
from hubsite.bridge.watching.watch import BridgeWatch
from hubsite.config import Engine, Records
from hubsite.orders.giving.bybridge import BridgeWay
from hubsite.records.follower import Follower
from hubsite.records.models import HubDoor, Record
from hubsite.register.models import Door
from hubsite.running import Part
from tests.gateway.desk import HUB
from tests.scenario.test_bridge_site import is_held
from tests.site.browser import Browser, at_work
from tests.site.hubs.test_hubs import WAIT_SECONDS, Place, at_site, in_thread, opens_point_1
from tests.site.orders.test_orders_at_doors import end_it, lock_down, ordering, reason, shows

pytestmark = [pytest.mark.once, pytest.mark.long]


@asynccontextmanager
async def followed(*parts: Part) -> AsyncIterator[None]:
    for part in parts:
        part.start()
    settings.HUBSITE_RUNNING.parts = parts
    try:
        yield
    finally:
        for part in parts:
            await asyncio.to_thread(part.stop)


async def says(browser: Browser, path: str, *words: str) -> str:
    """Wait until a page says all of this. Raise TimeoutError."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            text = (await in_thread(lambda: browser.get(path))).text
            if all(word in text for word in words):
                return str(text)
            await asyncio.sleep(0.1)


async def _phone_opens_the_door(place: Place) -> object:
    await in_thread(lambda: at_work(FIRST_OPERATOR))  # hubs know the bridge's operator by it
    site = place.stage.site
    wallet = await in_thread(
        lambda: opens_point_1(place.browser, site.name, site.verifier, site.beacon_key)
    )
    await place.has_all()
    return wallet


def _name_the_door() -> None:
    HubDoor.objects.filter(hub=HUB, door="front").update(site_door=Door.objects.get())


async def _is_shut(stage: Stage) -> bool:
    (front,) = await stage.hub("doors")
    return bool(front["state"] == "secured")


async def _by_the_bridge(browser: Browser, stage: Stage, wallet, socket: Path) -> None:  # type: ignore[no-untyped-def]
    """The engine is gone: a door is forced and shut, and all doors are locked down."""
    state = stage.site.hub / "state"
    page = await says(browser, "/now/doors", "not read now", "it is heard now")
    assert "the hubs' engine is not read; it said last: closed" in page
    do(state, Act.FORCE, "front")
    await says(
        browser, "/now/doors", "the bridge says: forced open", "alarm, by the bridge: forced"
    )
    await says(browser, "/now/alarms", "door 'front': forced", "record not here yet")
    await says(browser, "/", "Alarms that the bridge alone has told: 1.")
    await says(browser, "/hubs", "engine is not read now", f"{HUB}: it hears this hub")
    do(state, Act.LET_GO, "front")
    await stage.until(lambda: _is_shut(stage), "the door is shut")
    await says(browser, "/now/doors", "the bridge says: closed")
    async with ordering(BridgeWay(socket)):
        await lock_down(browser)
        assert await reason(stage, wallet) is Reason.LOCKED
        await says(browser, "/now/doors", "lockdown by site")
        await says(browser, "/orders", "Lock down: all doors")
        await end_it(browser)
        assert await reason(stage, wallet) is Reason.OK
    await in_thread(lambda: browser.get("/now/alarms"))
    seen = await in_thread(browser.submit)
    assert "Seen by you: 1." in seen.text


async def test_with_the_engine_gone_doors_alarms_and_lockdown_work_by_the_bridge(
    tmp_path: Path,
) -> None:
    port = free_port()
    socket = tmp_path / "b.sock"
    async with at_site(tmp_path, section(port)) as place:
        stage = place.stage
        browser = place.browser
        wallet = await _phone_opens_the_door(place)
        engine = Engine((place.bench.server.url,))
        follower = Follower(engine, Records(), lambda: None)
        async with (
            running_bridge(stage.site, port, socket=socket),
            followed(follower, BridgeWatch(socket)),
        ):
            await stage.until(lambda: is_held(stage), "the bridge is there")
            assert await reason(stage, wallet) is Reason.OK
            await stage.until(lambda: _is_shut(stage), "the door is shut")
            await says(browser, "/now/doors", f"{HUB} front", "it is read now", "it is heard now")
            await in_thread(_name_the_door)
            await says(browser, "/now/doors", "closed since")
            await place.bench.server.kill()
            await _by_the_bridge(browser, stage, wallet, socket)
            await place.bench.server.start()
            await place.bench.reconnect()
            await shows(lambda: not BridgeAlarm.objects.exists())
            (row,) = await in_thread(lambda: list(Record.objects.filter(is_alarm=True)))
            assert row.seen_by == "olga"
            page = await says(browser, "/now/alarms", f"{HUB} {row.number}", "There is none.")
            assert page.count(f"{HUB} {row.number}") == 1
            assert "record not here yet" not in page
            await says(browser, f"/records/{HUB}/{row.number}", bytes(row.chain_hash).hex())
            await says(browser, "/now/doors", "it is read now")
