"""The operators' page and the phone in the browser, side by side, as they are in `hubsim trial`.

Laws:
1. Both are what a browser shows of the running site; nothing in them was drawn by hand.
2. The words of both pages are kept in the picture, so that an old picture can be told.
"""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

from rich.console import Console

from hubcore.errors import ConfigError
from hubsim.chromium.browser import MISSING, Browser, Page
from hubsim.demo.steps import Steps
from hubsim.stage import free_port
from hubsim.trial.phone import BELIEVES_ALL
from hubsim.trial.server import Operator, SiteServer
from hubsim.trial.whole import whole_site
from tests.pictures.words import with_words, words_of

PAGE = "/grant"
PAGE_SIZE = (860, 540)
PHONE_SIZE = (360, 540)
FRAME = """<!doctype html><style>
body {{ margin: 0; padding: 16px; display: inline-flex; gap: 16px; background: #d8dde3; }}
img {{ display: block; border-radius: 6px; }}
</style><img src="data:image/png;base64,{page}"><img src="data:image/png;base64,{phone}">"""
SHOWN = """Promise.all([...document.images].map((one) => one.decode())).then(() => {
  const {width, height} = document.body.getBoundingClientRect();
  return [width, height]})"""


async def photograph_site(folder: Path, picture: Path) -> None:
    """Run a whole site in a new folder, and write a PNG of it.

    Raise StageError, BrowserError, HubError; ConfigError without a browser.
    """
    steps = Steps(Console(quiet=True))
    async with whole_site(steps, folder, free_port()) as trial:
        if trial.phone is None:
            raise ConfigError(MISSING)
        of_phone = await _photograph(trial.phone.page, PHONE_SIZE)
        words = [await _words(trial.phone.page)]
        async with Browser(BELIEVES_ALL, "--hide-scrollbars") as browser:
            page = await _signed_in(browser, trial.server, trial.operator)
            of_page = await _photograph(page, PAGE_SIZE)
            words.insert(0, await _words(page))
            made = await _side_by_side(browser, of_page, of_phone)
            shown = with_words(made, pictured(*words))
            await asyncio.to_thread(picture.write_bytes, shown)


def pictured(page: str, phone: str) -> list[str]:
    """Return the words of the picture by the sources of its two pages."""
    return [*words_of(page), *words_of(phone)]


async def _signed_in(browser: Browser, server: SiteServer, operator: Operator) -> Page:
    """Sign in as a person does, and go to the page that is shown."""
    page = await browser.page()
    await page.go(f"{server.address}/sign-in")
    typed = {"name": operator.name, "password": operator.password, "code": operator.code()}
    for name, text in typed.items():
        await page.run(f"document.getElementById({json.dumps(name)}).value = {json.dumps(text)}")
    await page.click("form button")
    await page.until("location.pathname === '/'")
    await page.go(f"{server.address}{PAGE}")
    return page


async def _words(page: Page) -> str:
    """Return the source of a page, as its server gives it."""
    return str(await page.run("fetch(location.pathname).then((answer) => answer.text())"))


async def _photograph(page: Page, size: tuple[int, int]) -> str:
    """Return a PNG of the top of a page, in base64."""
    width, height = size
    await page.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=height,
        deviceScaleFactor=1,
        mobile=False,
    )
    taken = await page.call("Page.captureScreenshot")
    return str(taken["data"])


async def _side_by_side(browser: Browser, of_page: str, of_phone: str) -> bytes:
    page = await browser.page()
    frame = (await page.call("Page.getFrameTree"))["frameTree"]["frame"]["id"]
    text = FRAME.format(page=of_page, phone=of_phone)
    await page.call("Page.setDocumentContent", frameId=frame, html=text)
    width, height = await page.run(SHOWN)
    return base64.b64decode(await _photograph(page, (round(width), round(height))))
