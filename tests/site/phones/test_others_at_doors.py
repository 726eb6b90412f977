"""From a key on a page to a door: a real engine, gateway and hubd, and a phone of others on air."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from django.conf import settings

from hubcore.access.grant import Access
from hubcore.pkoc.certificate import uncompressed
from hubsim.pkoc.place import PkocSite
from hubsim.site import OPEN_AND_QUERY
from hubsim.site.cards import card_key
from hubsite.config import Engine
from hubsite.hubs.office import Office
from hubsite.hubs.publisher import Publisher
from hubsite.hubs.signer import FileSigner
from hubsite.orders.giving.making import keep_orders
from hubsite.register import models
from tests.gateway.bench import running
from tests.gateway.desk import GatewayStage
from tests.site.browser import Browser, at_work
from tests.site.hubs.test_hubs import WAIT_SECONDS, Place, in_thread

pytestmark = [pytest.mark.once, pytest.mark.long]

TRIES = 5


@asynccontextmanager
async def at_reader(folder: Path) -> AsyncIterator[tuple[Place, PkocSite]]:
    """A site's server, and its hub with a reader for phones of others at access point 1."""
    async with running(folder) as bench:
        await bench.gate()
        stage = GatewayStage(folder / "site", bench)
        others = PkocSite(stage.site)
        others.add_reader(stage.site.first_hub, 1)
        others.add_phone("anna", (Access(1, OPEN_AND_QUERY, ()),))  # a policy that no gateway has
        async with stage:
            await stage.welcomed()
            signer = FileSigner.at(stage.site.path / "issuer.key", card_key(stage.site))
            publisher = Publisher(
                Office(stage.site.name, signer), Engine((bench.server.url,)), keep_orders
            )
            settings.HUBSITE_RUNNING.begin(publisher._office, publisher)
            browser = await in_thread(at_work)
            publisher.start()
            try:
                yield Place(bench, stage, browser), others
            finally:
                await asyncio.to_thread(publisher.stop)


async def said(place: Place) -> str:
    """Hold the phone to the reader, and return what it says."""
    stage = place.stage
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "hubsim.main", "pkoc", "unlock", "anna"),
        *("--at", str(stage.path), "--radio", stage.transport),
        stdout=asyncio.subprocess.PIPE,
    )
    text, _ = await process.communicate()
    return text.decode()


async def let_in(place: Place) -> bool:
    """Tell whether the phone is let in; a machine that stood still lets nobody in at first."""
    for _ in range(TRIES):
        text = await said(place)
        if text.startswith("allowed"):
            return True
    return False


def add(browser: Browser, digits: str) -> None:
    """Anna may pass access point 2, and has a phone of others."""
    browser.get("/door/add")
    browser.submit(name="Front door")
    door = str(models.Door.objects.get().pk)
    for number in ("1", "2"):
        browser.get("/point/add")
        browser.submit(number=number, name="inward", door=door)
    browser.get("/person/add")
    browser.submit(name="Anna")
    grant(browser, 2)
    browser.get(f"/person/{models.Person.objects.get().pk}/pkoc")
    assert "In use." in browser.submit(label="Anna's phone", typed=digits).text


def grant(browser: Browser, number: int) -> None:
    """Let Anna pass an access point."""
    browser.get(f"/grant/add?person={models.Person.objects.get().pk}")
    browser.submit(points=[str(models.AccessPoint.objects.get(number=number).pk)])


async def test_a_key_that_is_typed_opens_its_holders_doors_until_it_is_revoked(
    tmp_path: Path,
) -> None:
    async with at_reader(tmp_path) as (place, others):
        digits = uncompressed(others.phone_key("anna").public_key()).hex()
        stage = place.stage
        await in_thread(lambda: add(place.browser, digits))
        await place.has_all()
        assert (await said(place)).startswith("denied"), "the grant is for another access point"
        assert stage.strike().rises == 0

        await in_thread(lambda: grant(place.browser, 1))
        await place.has_all()
        assert await let_in(place)
        await stage.until(lambda: not stage.strike().active, "it rests", WAIT_SECONDS)
        rises = stage.strike().rises
        assert rises == 1

        phone = await in_thread(models.Credential.objects.get)
        await in_thread(lambda: place.browser.get(f"/phone/{phone.pk}"))
        await in_thread(lambda: place.browser.submit(button="revoke"))
        await place.has_all()
        assert (await said(place)).startswith("denied")
        assert stage.strike().rises == rises
