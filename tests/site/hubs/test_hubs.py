"""From a page to a door: a real engine, a real gateway, a real hubd, and a phone on virtual air."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from django.conf import settings
from django.db import connection

from hubcore.codec import cbor
from hubcore.phone.messages import Reason
from hubsim.phone.wallet import Wallet
from hubsim.site.documents import make_key
from hubsite.acts import log
from hubsite.config import Engine
from hubsite.hubs.office import Office
from hubsite.hubs.publisher import Publisher
from hubsite.hubs.signer import FileSigner
from hubsite.orders.giving.making import keep_orders
from hubsite.register import models
from tests.gateway.bench import Bench, running
from tests.gateway.desk import HUB, GatewayStage
from tests.scenario.test_desk import allowed, visit
from tests.site.browser import Browser, at_work

pytestmark = pytest.mark.once

WAIT_SECONDS = 90.0
T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Do what reads rows in a thread of its own, and leave no connection open there."""

    def whole() -> T:
        try:
            return work()
        finally:
            connection.close()

    return await asyncio.to_thread(whole)


@dataclass
class Place:
    """A site's server, its hub, and an operator before the pages."""

    bench: Bench
    stage: GatewayStage
    browser: Browser

    async def shows(self, *words: str) -> str:
        """Wait until the page of hubs says all of this."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                text = (await in_thread(lambda: self.browser.get("/hubs"))).text
                if all(word in text for word in words):
                    return text
                await asyncio.sleep(0.05)

    async def has_all(self) -> None:
        """Wait until the hub says that it has a policy with every change."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                text = (await in_thread(lambda: self.browser.get("/hubs"))).text
                if "It has every change." in text and "has it" in text:
                    return
                await asyncio.sleep(0.05)


@asynccontextmanager
async def at_site(folder: Path, extra_config: str = "") -> AsyncIterator[Place]:
    async with running(folder) as bench:
        await bench.gate()
        async with GatewayStage(folder / "site", bench, extra_config) as stage:
            await stage.welcomed()
            office = Office(stage.site.name, FileSigner.at(stage.site.path / "issuer.key"))
            publisher = Publisher(office, Engine((bench.server.url,)), keep_orders)
            settings.HUBSITE_RUNNING.begin(office, publisher)
            browser = await in_thread(at_work)
            publisher.start()
            try:
                yield Place(bench, stage, browser)
            finally:
                await asyncio.to_thread(publisher.stop)


def opens_point_1(browser: Browser, site: str, issuer, beacon_key: bytes | None) -> Wallet:  # type: ignore[no-untyped-def]
    """Give somebody a phone that may pass access point 1, on the pages alone."""
    browser.get("/door/add")
    browser.submit(name="Front door")
    browser.get("/point/add")
    browser.submit(number="1", name="inward", door=str(models.Door.objects.get().pk))
    browser.get("/person/add")
    browser.submit(name="Anna")
    anna = models.Person.objects.get()
    browser.get(f"/grant/add?person={anna.pk}")
    browser.submit(points=[str(models.AccessPoint.objects.get().pk)])
    key = make_key()
    text = base64.urlsafe_b64encode(cbor.encode(key.cose_key)).decode()
    browser.get(f"/person/{anna.pk}/phone")
    answer = browser.submit(label="Anna's phone", kind="phone", key=text)
    assert answer.where.startswith("/phone/"), answer.text
    browser.submit(button="grant")
    (signed,) = models.SignedGrant.objects.all()
    document = bytes(signed.document)
    return Wallet(site=site, issuer=issuer, key=key, grant=document, beacon_key=beacon_key)


async def test_what_is_done_on_a_page_holds_at_a_door(tmp_path: Path) -> None:
    async with at_site(tmp_path) as place:
        stage = place.stage
        site = stage.site
        wallet = await in_thread(
            lambda: opens_point_1(place.browser, site.name, site.verifier, site.beacon_key)
        )
        await place.has_all()
        assert HUB in await place.shows("has it")
        assert allowed(await visit(stage, wallet))
        is_at_rest = "the strike has fallen back"
        await stage.until(lambda: not stage.strike().active, is_at_rest, WAIT_SECONDS)
        rises = stage.strike().rises
        phone = await in_thread(models.Credential.objects.get)

        await in_thread(lambda: place.browser.get(f"/phone/{phone.pk}"))
        answer = await in_thread(lambda: place.browser.submit(button="revoke"))
        assert "for ever" in answer.text
        await place.has_all()
        report = await visit(stage, wallet)
        assert report.verdict is not None
        assert report.verdict.reason is Reason.REVOKED
        assert stage.strike().rises == rises
        await in_thread(log.verify)

        await place.bench.server.kill()
        await place.shows("the engine at ")
        await in_thread(lambda: place.browser.get("/schedule/add"))
        await in_thread(lambda: place.browser.submit(name="Office", day_0="08:00-18:00"))
        await place.bench.server.start()
        await place.has_all()
        newest = await in_thread(models.SignedPolicy.objects.order_by("-version").first)
        assert (await stage.hub("status"))["policy_version"] == newest.version
