"""A lockdown from the page, at a real hub's door: by the engine, and by the bridge alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from django.conf import settings

from hubcore.access.grant import Access
from hubcore.phone.messages import Reason
from hubsim.bridge.running import running_bridge, section
from hubsim.phone import wallet as wallets
from hubsim.phone.wallet import Wallet
from hubsim.site import OPEN_AND_QUERY
from hubsim.stage import Stage, free_port
from hubsite.config import Engine
from hubsite.hubs.signer import FileSigner
from hubsite.orders.giving.bybridge import BridgeWay
from hubsite.orders.giving.byengine import EngineWay
from hubsite.orders.giving.desk import OrderDesk
from hubsite.orders.giving.ways import OrderWay
from hubsite.orders.models import Order
from hubsite.orders.words import OrderKind
from hubsite.register.models import AccessPoint, Door
from tests.gateway.desk import HUB
from tests.scenario.conftest import FRONT, policy_in_force
from tests.scenario.test_bridge_site import is_held
from tests.scenario.test_desk import visit
from tests.site.browser import Browser, at_work
from tests.site.hubs.test_hubs import WAIT_SECONDS, at_site, in_thread, opens_point_1

pytestmark = [pytest.mark.once, pytest.mark.long]


@asynccontextmanager
async def ordering(way: OrderWay) -> AsyncIterator[OrderDesk]:
    desk = OrderDesk([way])
    settings.HUBSITE_RUNNING.orders = desk
    desk.start()
    try:
        await shows(lambda: desk.why_away() == "")
        yield desk
    finally:
        await asyncio.to_thread(desk.stop)


async def shows(true):  # type: ignore[no-untyped-def]
    async with asyncio.timeout(WAIT_SECONDS):
        while not await in_thread(true):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def reason(stage: Stage, wallet: Wallet) -> Reason:
    """Return what a phone is told at the door, once its strike has fallen back."""
    report = await visit(stage, wallet)
    assert report.verdict is not None, report.why
    is_at_rest = "the strike has fallen back"
    await stage.until(lambda: not stage.strike().active, is_at_rest, WAIT_SECONDS)
    return report.verdict.reason


async def confirmed(browser: Browser) -> None:
    """Press the button of the confirmation, and wait until the hub has done it."""
    where = (await in_thread(lambda: browser.submit("/orders/give"))).where
    await shows(lambda: f"{HUB} done" in browser.get(where).text)


async def lock_down(browser: Browser) -> None:
    await in_thread(lambda: browser.get("/orders"))
    asked = await in_thread(lambda: browser.submit("/orders/ask/lockdown", place="all"))
    assert "Nobody gets in" in asked.text
    await confirmed(browser)


async def end_it(browser: Browser) -> None:
    order = await in_thread(lambda: Order.objects.get(on=True, kind=OrderKind.LOCKDOWN))
    await in_thread(lambda: browser.get("/orders"))
    await in_thread(lambda: browser.submit(f"/orders/{order.key}/end"))
    await confirmed(browser)


async def test_a_lockdown_by_the_engine_refuses_at_the_door_until_its_end(tmp_path: Path) -> None:
    async with at_site(tmp_path) as place:
        stage = place.stage
        site = stage.site
        wallet = await in_thread(
            lambda: opens_point_1(place.browser, site.name, site.verifier, site.beacon_key)
        )
        await place.has_all()
        issuer = FileSigner.at(site.path / "issuer.key").issuer
        way = EngineWay(site.name, Engine((place.bench.server.url,)), issuer)
        async with ordering(way):
            assert await reason(stage, wallet) is Reason.OK
            rises = stage.strike().rises
            await lock_down(place.browser)
            assert await reason(stage, wallet) is Reason.LOCKED
            assert stage.strike().rises == rises
            await end_it(place.browser)
            assert await reason(stage, wallet) is Reason.OK
            assert stage.strike().rises == rises + 1


async def test_a_lockdown_by_the_bridge_refuses_at_the_door_without_engine_and_backend(
    tmp_path: Path,
) -> None:
    port = free_port()
    socket = tmp_path / "b.sock"
    async with Stage(
        tmp_path / "site", [FRONT], person=False, extra_config=section(port), enrols=True
    ) as stage:
        anna = wallets.load(stage.site.grant("anna", [Access(1, OPEN_AND_QUERY, ())]))
        await policy_in_force(stage)
        browser = await in_thread(at_work)
        await in_thread(_front_door)
        async with running_bridge(stage.site, port, socket=socket):
            await stage.until(lambda: is_held(stage), "the bridge is there")
            await stage.stop("backend")
            async with ordering(BridgeWay(socket)):
                await lock_down(browser)
                assert await reason(stage, anna) is Reason.LOCKED
                await end_it(browser)
                assert await reason(stage, anna) is Reason.OK


def _front_door() -> None:
    AccessPoint.objects.create(number=1, name="inward", door=Door.objects.create(name="Front"))
