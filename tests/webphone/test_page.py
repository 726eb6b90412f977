"""The page of the phone by itself, in a real browser without a hub: grants, words, versions.

What is compared with docs/protocol.md and with the Python phone is compared here, too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import IntEnum

import pytest

from hubcore.access.grant import Access
from hubcore.access.words import Action
from hubcore.codec import cbor
from hubcore.codec.cose import SigningKey
from hubcore.door.state import DoorState
from hubcore.phone import framing, gatt, messages
from hubcore.phone.messages import ErrorCode, Reason
from hubsim import site
from hubsim.chromium.browser import MISSING, PROGRAM, Browser, BrowserError, Page
from hubsim.phone import machine, onlink, radio, trust, wallet
from hubsim.site import OPEN_AND_QUERY
from tests.unit.test_protocol_doc import table
from tests.webphone import cached, enrolling
from tests.webphone.server import WebServer

pytestmark = [
    pytest.mark.once,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(PROGRAM is None, reason=MISSING),
]
SITE = "site-1"
READY = "document.documentElement?.dataset.ready"
MARKUP = "<img src=x onerror='document.title = \"taken over\"'>"


@asynccontextmanager
async def loaded(
    browser: Browser, server: WebServer, before: str = "", tail: str = ""
) -> AsyncIterator[Page]:
    """The page in a new profile; `before` runs first. At the end nothing has gone wrong in it."""
    page = await browser.page()
    if before:
        await page.call("Page.addScriptToEvaluateOnNewDocument", source=before)
    await page.go(f"{server.address}/static/index.html{tail}")
    await page.until(READY)
    yield page
    assert page.complaints == []
    await page.close()


async def text(page: Page, element: str) -> str:
    """Return what an element shows, "" while it is hidden."""
    script = f"(() => {{const one = document.getElementById('{element}');"
    shown: str = await page.run(f"{script} return one.hidden ? '' : one.textContent}})()")
    return shown


async def own_key(page: Page) -> dict[int, object]:
    return enrolling.key_of(await text(page, "own-key"))


async def paste(page: Page, enrolment: str) -> None:
    """Paste a text as a grant, and take it; return when the page has answered."""
    await page.run("document.getElementById('enrolment').open = true")
    await page.run(f"document.getElementById('grant-text').value = '{enrolment}'")
    await page.run("window.taken = false")
    await page.click("#take-grant button")


async def grant(page: Page, issuer: SigningKey, **more: object) -> str:
    """Return an enrolment for a page's key."""
    document = enrolling.grant_for(issuer, SITE, await own_key(page))
    return enrolling.enrolment(issuer, SITE, document, **more)


async def test_a_grant_is_taken_and_shown(browser: Browser, server: WebServer) -> None:
    issuer = site.make_key()
    async with loaded(browser, server) as page:
        assert await text(page, "site") == ""
        assert "this one has deleted it" in await text(page, "no-grant")
        await paste(page, await grant(page, issuer))
        await page.until("!document.getElementById('unlock').hidden")
        assert await text(page, "no-grant") == ""
        assert await text(page, "site") == SITE
        assert await text(page, "door") == "Front door"
        kept = "document.getElementById('enrolment').open"
        assert await page.run(kept) is False


AT_A_SITE = """const now = Date.now;
Date.now = () => now() + (window.ahead ?? 0);
const fetches = window.fetch;
window.asked = 0;
window.fetch = async (address, ...how) => {
  if (!String(address).endsWith("/api/phone/grant")) return fetches(address, ...how);
  window.asked += 1;
  return new Response(JSON.stringify({enrolment: window.enrolment}));
};
"""
"""A server that hands out one enrolment, and a clock that may be ahead."""
HAS_TOKENS = """import('./page/store.js').then(async ({Store}) => {
  const store = await Store.open();
  await store.put('tokens', {access: 'a', refresh: 'r', until: 2 ** 40, fetchedAt: 0})})"""
SEEN = "document.dispatchEvent(new Event('visibilitychange'))"
AHEAD_MS = 20 * 86_400_000


async def test_a_clock_that_was_ahead_does_not_end_renewals(
    browser: Browser, server: WebServer
) -> None:  # site, law 5
    async with loaded(browser, server, before=AT_A_SITE) as page:
        enrolment = await grant(page, site.make_key())
        await page.run(HAS_TOKENS)
        await page.run(f"window.enrolment = '{enrolment}'; window.ahead = {AHEAD_MS}; {SEEN}")
        trouble = await page.until("document.getElementById('grant-trouble').textContent")
        assert "Check the date of this phone: it says" in trouble
        await page.run(f"window.ahead = 0; {SEEN}")
        await page.until("!document.getElementById('unlock').hidden")
        assert await text(page, "grant-trouble") == ""
        assert await page.run("window.asked") == 2


async def test_a_newer_grant_leaves_the_door_that_was_chosen(
    browser: Browser, server: WebServer
) -> None:
    issuer = site.make_key()
    both = tuple(Access(point, OPEN_AND_QUERY, ()) for point in (1, 2))
    async with loaded(browser, server) as page:
        key = await own_key(page)
        document = enrolling.grant_for(issuer, SITE, key, both)
        await paste(page, enrolling.enrolment(issuer, SITE, document))
        await page.until("!document.getElementById('unlock').hidden")
        chosen = "document.getElementById('door').value"
        await page.run(f"{chosen} = '2'")
        await page.run("window.first = document.getElementById('door').firstChild")
        document = enrolling.grant_for(issuer, SITE, key, both)
        await paste(page, enrolling.enrolment(issuer, SITE, document))
        await page.until("document.getElementById('door').firstChild !== window.first")
        assert await page.run(chosen) == "2"


async def test_what_is_no_grant_for_this_phone_is_refused_with_a_sentence(
    browser: Browser, server: WebServer
) -> None:  # grants, laws 1 and 3
    issuer = site.make_key()
    other = site.make_key()
    async with loaded(browser, server) as page:
        key = await own_key(page)
        own = enrolling.grant_for(issuer, SITE, key)
        over = enrolling.grant_for(issuer, SITE, key, days=0)
        of_other = enrolling.grant_for(issuer, SITE, dict(other.cose_key))
        refused = {
            "hello": "This is no grant",
            "A" * 20_000: "This is no grant",
            enrolling.show(cbor.encode({1: SITE})): "This is no grant",
            enrolling.enrolment(issuer, SITE, of_other): "for another phone's key",
            enrolling.enrolment(issuer, SITE, over): "This grant is over",
            enrolling.enrolment(other, SITE, own): "does not prove itself",
            enrolling.enrolment(issuer, SITE, own[:-1] + bytes([own[-1] ^ 1])): "prove itself",
            enrolling.enrolment(issuer, "site-2", own): "of another site",
            enrolling.enrolment(issuer, SITE, own, aeads=(2,)): "only ciphers that no browser has",
        }
        for enrolment, sentence in refused.items():
            await page.run("document.getElementById('grant-trouble').textContent = ''")
            await paste(page, enrolment)
            trouble = "document.getElementById('grant-trouble').textContent"
            assert sentence in await page.until(trouble), enrolment
        assert await page.run("document.getElementById('unlock').hidden")
        await paste(page, enrolling.enrolment(issuer, SITE, own))
        await page.until("!document.getElementById('unlock').hidden")
        await paste(page, "hello")
        assert "This is no grant" in await page.until(trouble)
        assert not await page.run("document.getElementById('unlock').hidden"), "the old one stays"


async def test_a_link_of_another_issuer_changes_nothing_until_the_person_says_so(
    browser: Browser, server: WebServer
) -> None:  # grants, law 2
    first = site.make_key()
    second = site.make_key()
    async with loaded(browser, server) as page:
        await paste(page, await grant(page, first))
        await page.until("!document.getElementById('unlock').hidden")
        names = {1: "Vault"}
        link = await grant(page, second, names=names)
        await page.run(f"location.hash = 'grant={link}'")
        await page.until("!document.getElementById('other-site').hidden")
        assert await text(page, "door") == "Front door"
        assert await page.run("location.hash") == "", "it is gone from the address"
        await page.run("document.getElementById('enrolment').open = true")
        await page.click("#other-site-yes")
        await page.until("document.getElementById('door').textContent === 'Vault'")


async def test_a_link_that_renames_a_door_changes_nothing_until_the_person_says_so(
    browser: Browser, server: WebServer
) -> None:  # grants, law 4
    issuer = site.make_key()
    async with loaded(browser, server) as page:
        await paste(page, await grant(page, issuer))
        await page.until("!document.getElementById('unlock').hidden")
        link = await grant(page, issuer, names={1: "Vault"})
        await page.run(f"location.hash = 'grant={link}'")
        await page.until("!document.getElementById('other-site').hidden")
        assert "“Front door” by another name: “Vault”" in await text(page, "other-site-words")
        assert await text(page, "door") == "Front door"
        await page.run("document.getElementById('enrolment').open = true")
        await page.click("#other-site-yes")
        await page.until("document.getElementById('door').textContent === 'Vault'")


KEPT_HUBS = (
    "import('./page/store.js').then(async ({Store}) => {"
    "const kept = await (await Store.open()).get('learned');"
    "return Array.from(kept?.revokedHubs ?? []).sort().join()})"
)


async def test_a_hub_that_was_revoked_stays_so_whatever_comes_later(
    browser: Browser, server: WebServer
) -> None:  # wallet, law 6
    issuer = site.make_key()
    first = "0" * 16
    second = "f" * 16
    async with loaded(browser, server) as page:
        await paste(page, await grant(page, issuer, label_6=[bytes.fromhex(first)]))
        await page.until(f"{KEPT_HUBS}.then((hubs) => hubs === '{first}')")
        await paste(page, await grant(page, issuer, label_6=[bytes.fromhex(second)]))
        await page.until(f"{KEPT_HUBS}.then((hubs) => hubs === '{first},{second}')")
        await paste(page, await grant(page, issuer, names={1: "Back"}))
        await page.until("!document.getElementById('other-site').hidden")
        await page.click("#other-site-yes")
        await page.until("document.getElementById('door').textContent === 'Back'")
        await page.go(f"{server.address}/static/index.html")
        await page.until(READY)
        assert await page.run(KEPT_HUBS) == f"{first},{second}"


async def test_no_name_becomes_markup(browser: Browser, server: WebServer) -> None:  # screen, law 1
    issuer = site.make_key()
    async with loaded(browser, server) as page:
        await paste(page, await grant(page, issuer, names={1: MARKUP}))
        await page.until("!document.getElementById('unlock').hidden")
        assert await text(page, "door") == MARKUP
        assert await page.run("document.images.length") == 0
        assert await page.run("document.title") == "Doors"


async def test_a_browser_without_bluetooth_is_told_which_have_it(
    browser: Browser, server: WebServer
) -> None:
    async with loaded(browser, server, before="delete Navigator.prototype.bluetooth") as page:
        said = await text(page, "no-radio")
        assert "Chrome" in said
        assert "Safari and Firefox have none" in said


async def test_the_key_is_given_to_no_script(browser: Browser, server: WebServer) -> None:
    async with loaded(browser, server) as page:
        script = (
            "import('./page/store.js').then(async ({Store}) => {"
            "const pair = await (await Store.open()).get('key');"
            "return crypto.subtle.exportKey('pkcs8', pair.privateKey)})"
        )
        with pytest.raises(BrowserError, match="InvalidAccessError"):
            await page.run(script)


async def test_a_newer_version_is_told_and_waits(browser: Browser) -> None:  # versions, law 2
    with WebServer() as server:
        async with loaded(browser, server) as page:
            await page.run("navigator.serviceWorker.ready.then(() => true)")
            await page.go(f"{server.address}/static/index.html?door=1")
            await page.until(READY)
            newer = cached.text().replace('VERSION = "', 'VERSION = "newer')
            server.instead["/static/cached.js"] = newer.encode()
            await page.run(
                "navigator.serviceWorker.getRegistration().then((it) => it.update().then(() => 1))"
            )
            await page.until("!document.getElementById('new-version').hidden")
            names = await page.run("caches.keys()")
            assert len(names) == 2, "the old version is there until no page of it is open"


async def test_the_page_can_be_installed(browser: Browser, server: WebServer) -> None:
    async with loaded(browser, server) as page:
        manifest = await page.call("Page.getAppManifest")
        assert manifest["errors"] == []
        assert manifest["data"]
        errors = await page.call("Page.getInstallabilityErrors")
        found = {one["errorId"] for one in errors["installabilityErrors"]}
        # a profile of a test is an incognito one; nothing else keeps it from being installed
        assert found <= {"in-incognito"}


async def test_a_screen_reader_finds_what_a_person_needs(
    browser: Browser, server: WebServer
) -> None:
    issuer = site.make_key()
    async with loaded(browser, server) as page:
        await paste(page, await grant(page, issuer))
        await page.until("!document.getElementById('unlock').hidden")
        await page.call("Accessibility.enable")
        tree = await page.call("Accessibility.getFullAXTree")
        found = {
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in tree["nodes"]
            if not node["ignored"]
        }
        assert {("combobox", "Door"), ("button", "Open"), ("heading", "Doors site-1")} <= found
        status = [node for node in tree["nodes"] if node.get("role", {}).get("value") == "status"]
        properties = {one["name"]: one["value"]["value"] for one in status[0]["properties"]}
        assert properties["live"] == "assertive"


async def test_its_codes_are_those_of_the_protocol(browser: Browser, server: WebServer) -> None:
    kinds: Mapping[str, type[IntEnum]] = {
        "Action": Action,
        "ErrorCode": ErrorCode,
        "Reason": Reason,
        "Door": DoorState,
    }
    async with loaded(browser, server) as page:
        codes = await page.run("import('./protocol/codes.js').then((it) => ({...it}))")
    for name, kind in kinds.items():
        assert codes[name] == {member.name: member.value for member in kind}, name


async def test_each_answer_and_each_end_has_the_words_of_the_document(
    browser: Browser, server: WebServer
) -> None:
    async with loaded(browser, server) as page:
        of = "import('./page/words.js').then((it) => {}.map((code) => it.{}({{{}}})))"
        reasons = [reason.value for reason in Reason]
        script = of.format(reasons, "wordsOfVerdict", "allowed: code === 0, reason: code")
        answers = await page.run(script)
        doors = await page.run(
            f"import('./page/words.js').then((it) => {[one.value for one in DoorState]}"
            ".map(it.wordsOfDoor))"
        )
        ends = await page.run(
            "Promise.all([import('./page/words.js'), import('./phone/effects.js')]).then("
            "([words, {Why}]) => Object.values(Why).map((why) =>"
            "[words.wordsOfEnd({why, unknown: false}), words.wordsOfEnd({why, unknown: true})]))"
        )
    for row, answer in zip(table("Reasons"), answers, strict=True):
        assert answer in row[3], row
    for row, state in zip(table("Door states"), doors, strict=True):
        assert state == row[3].replace("nothing", ""), row
    assert len(ends) == 15
    for plain, unknown in ends:
        assert plain
        assert unknown == f"The door may have opened. {plain}"


SAME = (
    ("protocol/framing.js", "LARGEST_FRAME", framing.FRAME_BYTES_MAX),
    ("protocol/framing.js", "SMALLEST_FRAME", framing.MTU_MIN - framing.ATT_NOTIFY_OVERHEAD),
    ("protocol/messages.js", "MESSAGE_BYTES_MAX", messages.MESSAGE_BYTES_MAX),
    ("phone/attempt.js", "RETRIES_MAX", machine.RETRIES_MAX),
    ("phone/attempt.js", "BUSY_WAITS_MAX", machine.BUSY_WAITS_MAX),
    ("phone/listening.js", "PULL_AFTER_SECONDS", onlink.PULL_AFTER_SECONDS),
    ("phone/listening.js", "PULL_EVERY_SECONDS", onlink.PULL_EVERY_SECONDS),
    ("phone/listening.js", "PULL_SOON_SECONDS", onlink.PULL_SOON_SECONDS),
    ("phone/listening.js", "SOON_SECONDS", onlink.SOON_SECONDS),
    ("phone/onlink.js", "EPOCH_SECONDS", onlink.EPOCH_SECONDS),
    ("phone/onlink.js", "VERDICT_SECONDS", onlink.VERDICT_SECONDS),
    ("phone/onlink.js", "STAY_SECONDS", onlink.STAY_SECONDS),
    ("phone/trust.js", "EPOCH_LEEWAY_SECONDS", trust.EPOCH_LEEWAY_SECONDS),
    ("phone/wallet.js", "EPOCHS_MAX", wallet.EPOCHS_MAX),
    ("phone/wallet.js", "CARRY_BYTES_MAX", wallet.CARRY_BYTES_MAX),
    ("phone/wallet.js", "WISH_SECONDS", wallet.WISH_SECONDS),
    ("page/radio.js", "ATT_SECONDS", radio.ATT_SECONDS),
    ("page/radio.js", "SERVICE", gatt.SERVICE.lower()),
)
"""Limits and times of the page, and what the Python phone has: docs/protocol.md lists those."""


async def test_its_limits_are_those_of_the_protocol(browser: Browser, server: WebServer) -> None:
    async with loaded(browser, server) as page:
        for module, name, value in SAME:
            assert await page.run(f"import('./{module}').then((it) => it.{name})") == value, name
