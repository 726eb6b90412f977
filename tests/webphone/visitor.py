"""Somebody with the page before the stage's door: touches, and reads what the page shows.

Law: when a visitor has gone, the stage is at rest, and nothing has gone wrong in the page.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from hubcore.access.grant import Access
from hubsim.chromium.browser import Browser, Page
from hubsim.chromium.radio import BrowserRadio
from hubsim.phone.radio import on_air
from hubsim.stage import Stage
from tests.webphone import enrolling
from tests.webphone.conftest import PULSE_SECONDS
from tests.webphone.siteserver import SiteServer

VISITED = "!document.getElementById('open').disabled"
WORD = "document.getElementById('answer-word').textContent"
MORE = "document.getElementById('answer-more').textContent"
DOOR = "document.getElementById('door-state').textContent"
KIND = "document.getElementById('answer').dataset.kind"
OWN_KEY = "document.getElementById('own-key').textContent"
FEELS = "window.buzzed = []; navigator.vibrate = (one) => window.buzzed.push(one)"
"""What the hand feels is written down."""
READY = "document.documentElement?.dataset.ready"
IS_CONNECTED = f"{READY} && document.getElementById('unlock')?.hidden === false"


class Serving(Protocol):
    """What serves the page."""

    page_address: str


class Phone:
    """A page in front of the stage's door; `address` is that of its `index.html`."""

    def __init__(self, page: Page, radio: BrowserRadio, address: str, stage: Stage) -> None:
        self.page = page
        self.radio = radio
        self.stage = stage
        self._address = address

    async def load(self, tail: str = "") -> None:
        """Load the page, as after a restart of the browser."""
        await self.page.go(f"{self._address}{tail}")
        await self.page.until(READY)
        await self.radio.power_on()

    async def enrol(self, access: tuple[Access, ...] = enrolling.ALWAYS, **more: Any) -> bytes:
        """Take a grant for the page's key by a link, and return it; `more` are its members."""
        site = self.stage.site
        key = enrolling.key_of(await self.page.run(OWN_KEY))
        grant = enrolling.grant_for(site.issuer, site.name, key, access)
        text = enrolling.enrolment(site.issuer, site.name, grant, **more)
        await self.page.run(f"location.hash = 'grant={text}'")
        await self.page.until("!document.getElementById('unlock').hidden")
        return grant

    async def join(self, site: SiteServer) -> None:
        """Open the link that an operator gave, press its button, and come to the page."""
        token = site.operator("invite")["token"]
        await self.page.go(f"{site.address}/join/{token}")
        await self.page.click("form[method=post] button")
        await self.page.until(IS_CONNECTED)
        await self.radio.power_on()

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
    browser: Browser,
    server: Serving,
    stage: Stage,
    mtu: int = 517,
    notifies: bool = False,
    before: str = FEELS,
    hubs: int = 1,
) -> AsyncIterator[Phone]:
    """A new browser profile with the page, and its radio; at the end the stage is at rest.

    `before` is a script that runs before the page's own. So many `hubs` are in sight.
    """
    page = await browser.page()
    await page.call("Page.addScriptToEvaluateOnNewDocument", source=before)
    async with (
        on_air(stage.transport) as device,
        BrowserRadio(page, device, mtu, notifies, hubs) as radio,
    ):
        made = Phone(page, radio, server.page_address, stage)
        await made.load()
        yield made
    assert page.complaints == []
    await page.close()
    await at_rest(stage)


async def at_rest(stage: Stage) -> None:
    """Wait until the strike has fallen back, no link is left, and who went in has shut the door."""

    async def no_link() -> bool:
        return bool((await stage.hub("status"))["radio"]["links"] == 0)

    async def is_shut() -> bool:
        states = {door["state"] for door in (await stage.hub("status"))["doors"]}
        return not states & {"released", "open", "held_open"}

    await stage.until(lambda: not stage.strike().active, "the strike is at rest", PULSE_SECONDS + 2)
    await stage.until(no_link, "no link is left", 8.0)
    await stage.until(is_shut, "the door is shut", 20.0)


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
