"""A browser that has forgotten everything is connected again by a passkey, and opens the door."""

from __future__ import annotations

import pytest

from hubsim.chromium.browser import MISSING, PROGRAM, Browser
from hubsim.stage import Stage
from tests.webphone.siteserver import SiteServer
from tests.webphone.visitor import IS_CONNECTED, OWN_KEY, READY, Phone, passkeys, phone

pytestmark = [
    pytest.mark.long,
    pytest.mark.once,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(PROGRAM is None, reason=MISSING),
]
IS_EMPTY = f"{READY} && document.getElementById('come-back')?.hidden === false"
TROUBLE = "document.getElementById('come-back-trouble')?.textContent"
SITE_TROUBLE = "document.getElementById('site-trouble')?.textContent"
REFRESH = """import('./page/store.js').then(async ({Store}) =>
  (await (await Store.open()).get('tokens')).refresh)"""
IS_DUE = """import('./page/store.js').then(async ({Store}) => {
  const store = await Store.open();
  await store.put('tokens', {...await store.get('tokens'), fetchedAt: 0, until: 0})})"""
EVICTS = """if (location.search.includes('code=')) indexedDB.deleteDatabase('hub-phone')"""
"""The browser forgets while the code is on its way back."""
RENEWED_BY = """fetch('/oauth/token', {method: 'POST', body: new URLSearchParams({
  client_id: 'webphone', grant_type: 'refresh_token', refresh_token: '%s'})
}).then((answer) => answer.status)"""


async def protect(anna: Phone) -> None:
    """Protect the key of a page that is connected: no link is needed."""
    before = await anna.page.run(OWN_KEY)
    await anna.page.run("document.getElementById('enrolment').open = true")
    await anna.page.until("!document.getElementById('protect-in-place').hidden")
    await anna.page.click("#protect-key")
    await anna.page.until(
        f"{IS_CONNECTED} && !document.getElementById('is-protected').hidden"
        f" && {OWN_KEY} !== '{before}'"
    )


async def forget(anna: Phone, site: SiteServer) -> None:
    """The browser forgets all that it kept of this site."""
    await anna.page.go(f"{site.address}/sign-in")
    await anna.page.call("Storage.clearDataForOrigin", origin=site.address, storageTypes="all")
    await anna.page.go(site.page_address)
    await anna.page.until(IS_EMPTY)


async def test_an_emptied_browser_opens_the_door_again_after_one_touch(
    browser: Browser, site: SiteServer, stage: Stage
) -> None:  # again (key), laws 2 and 3
    rises = stage.strike().rises
    async with phone(browser, site, stage) as anna:
        await passkeys(anna.page)
        await anna.join(site)
        plain = await anna.page.run(OWN_KEY)
        await protect(anna)
        await anna.radio.power_on()
        assert await anna.answered() == ("Allowed", "yes")
        first = await anna.page.run(REFRESH)
        key = await anna.page.run(OWN_KEY)
        assert site.operator("look") == {"kind": "web", "signed": 1}, "one phone, and a newer one"

        await forget(anna, site)
        assert await anna.page.run("document.getElementById('unlock').hidden")
        assert await anna.page.run(OWN_KEY) not in (plain, key)
        await anna.page.click("#come-back-now")
        await anna.page.until(IS_CONNECTED)
        assert not await anna.page.run("document.getElementById('came-back').hidden")
        assert await anna.page.run("location.search") == ""
        assert await anna.page.run(OWN_KEY) not in (plain, key)
        await anna.radio.power_on()
        assert await anna.answered() == ("Allowed", "yes")
        assert site.operator("look") == {"kind": "web", "signed": 1}
        assert await anna.page.run(RENEWED_BY % first) == 400, "the phone of before is over"

        await anna.load()
        assert not await anna.page.run("document.getElementById('is-protected').hidden")
        await anna.radio.power_on()
        assert await anna.answered() == ("Allowed", "yes")
        anna.page.complaints.clear()  # the browser logs who refused
        site.operator("revoke")
    assert stage.strike().rises == rises + 3


async def test_a_phone_that_gave_way_hears_of_it_and_one_that_was_revoked_stays_so(
    browser: Browser, site: SiteServer, stage: Stage
) -> None:
    async with phone(browser, site, stage) as anna:
        await passkeys(anna.page)
        await anna.join(site)
        await protect(anna)
        site.operator("revoke")
        await anna.page.run(IS_DUE)
        await anna.page.go(site.page_address)
        await anna.page.until(READY)
        said = await anna.page.run(SITE_TROUBLE)
        assert "not connected any more" in said
        assert "another browser was connected by your passkey" in said
        await forget(anna, site)
        await anna.page.click("#come-back-now")
        said = await anna.page.until(TROUBLE)
        assert said == "This site connects no phone by this passkey. Ask for a new link."
        anna.page.complaints.clear()


async def test_storage_that_is_evicted_in_the_middle_ends_in_a_sentence_and_loses_nothing(
    browser: Browser, site: SiteServer, stage: Stage
) -> None:
    async with phone(browser, site, stage) as anna:
        await passkeys(anna.page)
        await anna.join(site)
        await protect(anna)
        await forget(anna, site)
        evicts = await anna.page.call("Page.addScriptToEvaluateOnNewDocument", source=EVICTS)
        await anna.page.click("#come-back-now")
        said = await anna.page.until(SITE_TROUBLE)
        assert said == "The site did not connect this phone. Ask for a new link."
        await anna.page.until(IS_EMPTY)
        identifier = evicts["identifier"]
        await anna.page.call("Page.removeScriptToEvaluateOnNewDocument", identifier=identifier)
        await anna.page.click("#come-back-now")
        await anna.page.until(IS_CONNECTED)
        assert site.operator("look") == {"kind": "web", "signed": 1}
        site.operator("revoke")


async def test_nobody_is_recognised_and_the_page_says_so(
    browser: Browser, site: SiteServer, stage: Stage
) -> None:
    async with phone(browser, site, stage) as anna:
        authenticator = await passkeys(anna.page)
        await anna.join(site)
        await protect(anna)
        await forget(anna, site)
        verified = {"authenticatorId": authenticator, "isUserVerified": False}
        await anna.page.call("WebAuthn.setUserVerified", **verified)
        await anna.page.click("#come-back-now")
        assert "ask the site for a new link" in await anna.page.until(TROUBLE)
        site.operator("revoke")
