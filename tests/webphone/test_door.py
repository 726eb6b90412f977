"""The page opens a real hub's door: Chromium, its emulated Bluetooth, the virtual air, a strike.

Law: each test leaves no link and the strike at rest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hubcore.access.grant import Access
from hubsim.phone.radio import on_air
from hubsim.site import OPEN_AND_QUERY
from hubsim.stage import Stage
from tests.webphone import enrolling
from tests.webphone.bridge import Bridge
from tests.webphone.browser import MISSING, PROGRAM, Browser, Page
from tests.webphone.conftest import PULSE_SECONDS
from tests.webphone.server import WebServer

pytestmark = [
    pytest.mark.once,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(PROGRAM is None, reason=MISSING),
]
QUERY_ONLY = (Access(1, OPEN_AND_QUERY & ~1, ()),)
VISITED = "!document.getElementById('open').disabled"
WORD = "document.getElementById('answer-word').textContent"
MORE = "document.getElementById('answer-more').textContent"
DOOR = "document.getElementById('door-state').textContent"
KIND = "document.getElementById('answer').dataset.kind"
OWN_KEY = "document.getElementById('own-key').textContent"
FEELS = "window.buzzed = []; navigator.vibrate = (one) => window.buzzed.push(one)"
"""What the hand feels is written down."""
READY = "document.documentElement.dataset.ready"


class Phone:
    """A page with a grant, in front of the stage's door."""

    def __init__(self, page: Page, bridge: Bridge, address: str, stage: Stage) -> None:
        self.page = page
        self.bridge = bridge
        self.stage = stage
        self._address = address

    async def load(self, tail: str = "") -> None:
        """Load the page, as after a restart of the browser."""
        await self.page.go(f"{self._address}/static/index.html{tail}")
        await self.page.until(READY)
        await self.bridge.power_on()

    async def enrol(self, access: tuple[Access, ...] = enrolling.ALWAYS) -> None:
        """Take a grant for the key that the page shows, by a link."""
        site = self.stage.site
        key = enrolling.key_of(
            await self.page.run("document.getElementById('own-key').textContent")
        )
        grant = enrolling.grant_for(site.issuer, site.name, key, access)
        text = enrolling.enrolment(site.issuer, site.name, grant)
        await self.page.run(f"location.hash = 'grant={text}'")
        await self.page.until("!document.getElementById('unlock').hidden")

    async def touch(self) -> None:
        """Touch "Open"; return when the visit is over."""
        await self.page.click("#open")
        await self.page.until(VISITED)

    async def answered(self) -> tuple[str, str]:
        """Touch, and return what the page answers, by its word and its colour."""
        await self.touch()
        return await self.page.run(WORD), await self.page.run(KIND)


@asynccontextmanager
async def phone(
    browser: Browser, server: WebServer, stage: Stage, mtu: int = 517, notifies: bool = False
) -> AsyncIterator[Phone]:
    """A new browser profile with the page, and its radio; at the end the stage is at rest."""
    page = await browser.page()
    await page.call("Page.addScriptToEvaluateOnNewDocument", source=FEELS)
    async with on_air(stage.transport) as device, Bridge(page, device, mtu, notifies) as bridge:
        made = Phone(page, bridge, server.address, stage)
        await made.load()
        yield made
    assert page.complaints == []
    await page.close()
    await at_rest(stage)


async def at_rest(stage: Stage) -> None:
    """Wait until the strike has fallen back and no link is left."""

    async def no_link() -> bool:
        return bool((await stage.hub("status"))["radio"]["links"] == 0)

    await stage.until(lambda: not stage.strike().active, "the strike is at rest", PULSE_SECONDS + 2)
    await stage.until(no_link, "no link is left", 8.0)


@pytest.mark.parametrize("notifies", [False, True], ids=["by TXR", "by notifications"])
async def test_a_page_opens_a_door_and_again_by_its_ticket(
    browser: Browser, server: WebServer, stage: Stage, notifies: bool
) -> None:
    rises = stage.strike().rises
    async with phone(browser, server, stage, notifies=notifies) as anna:
        await anna.enrol()
        assert await anna.answered() == ("Allowed", "yes")
        assert stage.strike().rises == rises + 1
        assert await anna.page.run(DOOR) in ("Push the door", "Open", "Closed")
        full = anna.bridge.writes
        assert full > 2, "certificates and an open"
        assert await anna.answered() == ("Allowed", "yes")
        assert stage.strike().rises == rises + 2
        assert anna.bridge.writes == full + 1, "a resume in one frame"
        assert anna.bridge.at_once == 1  # radio.js, law 1
        assert (anna.bridge.txr_reads == 0) is notifies
        assert await anna.page.run("window.buzzed") == [[80], [80]]
    await recorded(stage, [None, None])


async def recorded(stage: Stage, whys: list[object]) -> None:
    """Wait until the newest decisions in the backend's records are these."""

    async def are_there() -> bool:
        decisions = [
            record["detail"]["why"] for record in await stage.records() if "op" in record["detail"]
        ]
        return decisions[-len(whys) :] == whys

    await stage.until(are_there, f"the records say {whys}", 10.0)


async def test_a_no_is_shown_and_moves_nothing(
    browser: Browser, server: WebServer, stage: Stage
) -> None:
    rises = stage.strike().rises
    async with phone(browser, server, stage) as bert:
        await bert.enrol(QUERY_ONLY)
        assert await bert.answered() == ("You have no access here", "no")
        assert await bert.page.run(DOOR) == ""
        assert await bert.page.run("window.buzzed") == [[60, 60, 60]]
    assert stage.strike().rises == rises
    await recorded(stage, ["no-grant"])


async def test_a_link_that_is_cut_in_the_middle_is_no_refusal_and_one_wish_moves_a_door_once(
    browser: Browser, server: WebServer, stage: Stage
) -> None:
    rises = stage.strike().rises
    async with phone(browser, server, stage) as anna:
        await anna.enrol()
        anna.bridge.cuts_at_write = 6  # the last frame of the open
        assert await anna.answered() == ("No answer", "unsure")
        assert (await anna.page.run(MORE)).startswith("The door may have opened.")
        assert await anna.answered() == ("Allowed", "yes")
        assert stage.strike().rises == rises + 1
    await recorded(stage, [None])


async def test_frames_that_do_not_fit_any_more_are_cut_smaller_at_the_next_touch(
    browser: Browser, server: WebServer, stage: Stage
) -> None:  # visit, law 5
    async with phone(browser, server, stage) as anna:
        await anna.enrol()
        assert await anna.answered() == ("Allowed", "yes")
        anna.bridge.frame_bytes_max = 20
        anna.bridge.mtu = 23
        assert await anna.answered() == ("No answer", "unsure")
        before = anna.bridge.writes
        assert await anna.answered() == ("Allowed", "yes")
        assert anna.bridge.writes - before > 60, "an open in frames of 20 bytes"


async def test_key_grant_and_ticket_outlive_a_reload_and_the_network(
    browser: Browser, stage: Stage
) -> None:
    with WebServer() as server:
        async with phone(browser, server, stage) as anna:
            await anna.enrol()
            key = await anna.page.run(OWN_KEY)
            assert await anna.answered() == ("Allowed", "yes")
            await anna.page.run("navigator.serviceWorker.ready.then(() => true)")
            server.end()
            await anna.load("?door=1")
            assert await anna.page.run(OWN_KEY) == key
            writes = anna.bridge.writes
            assert await anna.answered() == ("Allowed", "yes")
            assert anna.bridge.writes == writes + 1, "the ticket was kept: a resume in one frame"


async def test_nobody_is_chosen_and_then_somebody_by_the_keyboard_alone(
    browser: Browser, server: WebServer, stage: Stage
) -> None:
    rises = stage.strike().rises
    async with phone(browser, server, stage) as anna:
        await anna.enrol()
        anna.bridge.chooses = False
        assert await anna.answered() == ("Not asked", "unsure")
        assert "No door was chosen" in await anna.page.run(MORE)
        anna.bridge.chooses = True
        await anna.page.run("document.activeElement.blur()")
        await anna.page.run("document.getElementById('door').focus()")
        await anna.page.press("Tab")
        assert await anna.page.run("document.activeElement.id") == "open"
        await anna.page.press("Enter")
        await anna.page.until(VISITED)
        assert await anna.page.run(WORD) == "Allowed"
    assert stage.strike().rises == rises + 1


async def test_a_protected_key_opens_nothing_without_the_person(
    browser: Browser, server: WebServer, stage: Stage
) -> None:  # keys, law 3
    rises = stage.strike().rises
    async with phone(browser, server, stage) as anna:
        authenticator = await passkeys(anna.page)
        plain = await anna.page.run(OWN_KEY)
        await anna.page.click("#protect-key")
        await anna.page.until("!document.getElementById('is-protected').hidden")
        assert await anna.page.run(OWN_KEY) != plain
        await anna.enrol()
        await anna.load()
        assert await anna.page.run(KEPT) == {"secret": False, "bytes": True}
        assert await anna.answered() == ("Allowed", "yes")
        assert stage.strike().rises == rises + 1
        await anna.page.call(
            "WebAuthn.setUserVerified", authenticatorId=authenticator, isUserVerified=False
        )
        await anna.load()
        assert await anna.answered() == ("Not asked", "unsure")
        assert "did not recognise you" in await anna.page.run(MORE)
    assert stage.strike().rises == rises + 1


async def test_a_passkey_that_cannot_wrap_changes_nothing(
    browser: Browser, server: WebServer, stage: Stage
) -> None:  # passkey, law 2
    async with phone(browser, server, stage) as anna:
        await passkeys(anna.page, hasPrf=False)
        await anna.enrol()
        plain = await anna.page.run(OWN_KEY)
        await anna.page.run("document.getElementById('enrolment').open = true")
        await anna.page.click("#protect-key")
        trouble = "document.getElementById('protect-trouble').textContent"
        assert "the key is as it was" in await anna.page.until(trouble)
        assert await anna.page.run(OWN_KEY) == plain
        assert await anna.answered() == ("Allowed", "yes")


KEPT = """import('./page/store.js').then(async ({Store}) => {
  const kept = await (await Store.open()).get('key');
  const isSecret = (one) => one instanceof CryptoKey && one.type === 'private';
  return {secret: Object.values(kept).some(isSecret), bytes: kept.wrapped.length > 100};
})"""


async def passkeys(page: Page, **more: bool) -> str:
    """Give a page an authenticator that knows its person; return its id."""
    await page.call("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "ctap2Version": "ctap2_1",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "hasPrf": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
        **more,
    }
    added = await page.call("WebAuthn.addVirtualAuthenticator", options=options)
    authenticator: str = added["authenticatorId"]
    return authenticator
