"""The phone in a browser: it is connected by its link, and opens a door at a touch.

Laws:
1. Everything is done as a person does it: the link's button, and the touch on "Open".
2. A door is open when its strike was driven, and not because the page says so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from hubsim.chromium.browser import Browser, Page
from hubsim.chromium.radio import BrowserRadio
from hubsim.phone.radio import on_air
from hubsim.stage import Stage, StageError

MTU = 517
BELIEVES_ALL = "--ignore-certificate-errors"
"""The server's certificate is one to try it with; the browser is ours, and goes nowhere else."""
READY = "document.documentElement?.dataset.ready"
MAY_OPEN = f"{READY} && document.getElementById('unlock')?.hidden === false"
IS_DONE = "!document.getElementById('open').disabled"
WORD = "document.getElementById('answer-word').textContent"
MORE = "document.getElementById('answer-more').textContent"
ALLOWED = "Allowed"


@dataclass(frozen=True, slots=True)
class WebPhone:
    """A page that is a phone, with a radio of its own on the virtual air."""

    page: Page
    radio: BrowserRadio

    async def connect(self, link: str) -> None:
        """Open the link that an operator gave, press its button, and wait for the grant.

        Raise BrowserError.
        """
        await self.page.go(link)
        await self.page.click("form[method=post] button")
        await self.page.until(MAY_OPEN)
        await self.radio.power_on()

    async def open(self, stage: Stage) -> str:
        """Touch "Open"; return the page's word once the strike was driven.

        Raise StageError, BrowserError.
        """
        rises = stage.strike().rises
        await self.page.click("#open")
        await self.page.until(IS_DONE)
        word = str(await self.page.run(WORD))
        if word != ALLOWED:
            raise StageError(f"the page says {word}: {await self.page.run(MORE)}")
        if stage.strike().rises != rises + 1:
            raise StageError("the page says that it is allowed, and no strike was driven")
        return word


@asynccontextmanager
async def web_phone(stage: Stage) -> AsyncIterator[WebPhone]:
    """Yield a phone in a browser of its own, within reach of the stage's hub."""
    async with (
        Browser(BELIEVES_ALL) as browser,
        on_air(stage.transport) as device,
    ):
        page = await browser.page()
        async with BrowserRadio(page, device, MTU) as radio:
            yield WebPhone(page, radio)
