"""What goes wrong around a page: a silent hub, two tabs, a database that is gone, no Bluetooth."""

from __future__ import annotations

import pytest

from hubsim.chromium.browser import MISSING, PROGRAM, Browser
from hubsim.stage import Stage
from tests.webphone import cached
from tests.webphone.server import WebServer
from tests.webphone.visitor import FEELS, MORE, phone

pytestmark = [
    pytest.mark.long,
    pytest.mark.once,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(PROGRAM is None, reason=MISSING),
]
HOLDS_LOCK = """new Promise((has) => {
  navigator.locks.request('visit', () => new Promise((free) => {
    window.free = free;
    has(true)}))})"""
OF_ANOTHER_TAB = """import('./page/store.js').then(async ({Store}) => {
  const store = await Store.open();
  const learned = await store.get('learned');
  window.kept = learned;
  await store.put('learned', {});
  await store.put('learned by', 'another tab');
  return Object.keys(learned).length > 0})"""
"""Another tab has used what this one knows of hubs, and knows nothing more."""
TROUBLE = "document.getElementById('grant-trouble').textContent"
LATER = (
    """const now = Date.now;
Date.now = () => now() + (window.ahead ?? 0);
"""
    + FEELS
)
UPDATES = "navigator.serviceWorker.getRegistration().then((it) => it.update().then(() => 1))"
WEEK_MS = 8 * 86_400_000


async def test_a_hub_that_is_silent_at_first_is_connected_once_more(
    browser: Browser, server: WebServer, stage: Stage
) -> None:  # radio.js, law 6
    async with phone(browser, server, stage) as anna:
        await anna.enrol()
        anna.radio.silent_reads = 1
        assert await anna.answered() == ("Allowed", "yes")
        assert anna.radio.connections == 2
        anna.radio.silent_reads = 2
        assert await anna.answered() == ("Not asked", "unsure")
        assert "was not reached" in await anna.page.run(MORE)
        assert anna.radio.connections == 4, "twice, and no more"


async def test_a_second_tab_is_told_and_waits_for_nobody(
    browser: Browser, server: WebServer, stage: Stage
) -> None:  # tabs.js, law 1
    rises = stage.strike().rises
    async with phone(browser, server, stage) as anna:
        await anna.enrol()
        await anna.page.run(HOLDS_LOCK)
        assert await anna.answered() == ("Not asked", "unsure")
        assert "in another tab" in await anna.page.run(MORE)
        assert anna.radio.connections == 0
        await anna.page.run("window.free()")
        assert await anna.answered() == ("Allowed", "yes")
    assert stage.strike().rises == rises + 1


async def test_a_ticket_that_another_tab_has_used_is_used_by_nobody(
    browser: Browser, server: WebServer, stage: Stage
) -> None:  # tabs.js, law 2
    async with phone(browser, server, stage) as anna:
        await anna.enrol()
        assert await anna.answered() == ("Allowed", "yes")
        full = anna.radio.writes
        assert await anna.page.run(OF_ANOTHER_TAB)
        assert await anna.answered() == ("Allowed", "yes")
        assert anna.radio.writes - full > 2, "the full path again, and no resume"


async def test_a_page_whose_database_is_gone_says_so(
    browser: Browser, server: WebServer, stage: Stage
) -> None:
    async with phone(browser, server, stage) as anna:
        assert await anna.page.run(TROUBLE) == ""
        await anna.enrol()
        await anna.page.go(f"{server.address}/empty.html")
        origin = {"origin": server.address, "storageTypes": "indexeddb"}
        await anna.page.call("Storage.clearDataForOrigin", **origin)
        await anna.load()
        assert "has deleted what this page kept" in await anna.page.run(TROUBLE)
        await anna.enrol()
        assert await anna.answered() == ("Allowed", "yes")
        await anna.load()
        assert await anna.page.run(TROUBLE) == ""


async def test_a_page_that_was_updated_while_open_opens_a_door(
    browser: Browser, stage: Stage
) -> None:  # versions, law 2
    with WebServer() as server:
        async with phone(browser, server, stage) as anna:
            await anna.enrol()
            await anna.page.run("navigator.serviceWorker.ready.then(() => true)")
            await anna.load()
            newer = cached.text().replace('VERSION = "', 'VERSION = "newer')
            server.instead["/static/cached.js"] = newer.encode()
            await anna.page.run(UPDATES)
            await anna.page.until("!document.getElementById('new-version').hidden")
            assert await anna.answered() == ("Allowed", "yes")


async def test_a_phone_whose_bluetooth_is_gone_is_told_so(
    browser: Browser, server: WebServer, stage: Stage
) -> None:
    async with phone(browser, server, stage) as anna:
        await anna.enrol()
        call = anna.page.browser.call
        await call("BluetoothEmulation.disable")
        await call("BluetoothEmulation.enable", state="absent", leSupported=True)
        assert await anna.answered() == ("Not asked", "unsure")
        assert "Bluetooth is missing or switched off" in await anna.page.run(MORE)
        await anna.radio.power_on()
        assert await anna.answered() == ("Allowed", "yes")


async def test_a_phone_whose_clock_is_a_week_ahead_asks_nothing_and_says_why(
    browser: Browser, server: WebServer, stage: Stage
) -> None:
    async with phone(browser, server, stage, before=LATER) as anna:
        await anna.enrol()
        await anna.page.run(f"window.ahead = {WEEK_MS}")
        assert await anna.answered() == ("Not asked", "unsure")
        assert "Check the date of this phone" in await anna.page.run(MORE)
        await anna.page.run("window.ahead = 0")
        assert await anna.answered() == ("Allowed", "yes")
