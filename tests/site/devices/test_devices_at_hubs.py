"""A lamp is switched from its page: a real engine, gateway and hubd, and a relay on a line."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings

from hubsim.relays.boards import SimModbus
from hubsite.config import Engine
from hubsite.fleet.judging import Judge
from hubsite.fleet.watch import FleetWatch
from hubsite.hubs.signer import FileSigner
from hubsite.orders.giving.byengine import EngineWay
from tests.gateway.desk import HUB
from tests.scenario.test_devices import config
from tests.site.browser import Answer, Browser
from tests.site.fleetbench import AUTHORITY, shows
from tests.site.hubs.test_hubs import at_site, in_thread
from tests.site.orders.test_orders_at_doors import ordering

pytestmark = [pytest.mark.once, pytest.mark.long]

LAMP = f"/devices/of/{HUB}/light"


def press(browser: Browser, verb: str) -> Answer:
    page = browser.get(LAMP).page
    (form,) = [form for form in page.forms if form.values.get("verb") == verb]
    return browser.post(f"{LAMP}/tell", dict(form.values))


def a_change(browser: Browser) -> None:
    """Something that is signed for hubs: with it comes who may command devices."""
    browser.get("/door/add")
    browser.submit(name="Hall")


async def test_a_lamp_is_switched_by_the_page_at_a_real_hub(tmp_path: Path) -> None:
    board = SimModbus(4)
    try:
        async with at_site(tmp_path, config(board)) as place:
            issuer = FileSigner.at(place.stage.site.path / "issuer.key").issuer
            engine = Engine((place.bench.server.url,))
            site = place.stage.site.name
            watch = FleetWatch(Judge(site, issuer, AUTHORITY.document), engine)
            settings.HUBSITE_RUNNING.begin_parts([watch])
            try:
                await in_thread(lambda: a_change(place.browser))
                await place.has_all()
                async with ordering(EngineWay(site, engine, issuer)):
                    await is_switched(place.browser, board)
            finally:
                await in_thread(settings.HUBSITE_RUNNING.end_parts)
    finally:
        board.end()


async def is_switched(browser: Browser, board: SimModbus) -> None:
    """The page tells, the relay follows, the hub answers, and telemetry shows it."""
    await shows(browser, LAMP, "Stands off")
    for verb, stands in (("on", True), ("off", False)):
        told = await in_thread(lambda verb=verb: press(browser, verb))
        await shows(browser, told.where, f"{HUB} done")
        assert board.on[2] is stands
        await shows(browser, LAMP, f"Stands {verb}")
