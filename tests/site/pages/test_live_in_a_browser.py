"""A part of a page shows itself again, in a real browser: the keyboard stays, an end is an end."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hubsim.chromium.browser import MISSING, PROGRAM, Browser, Page
from hubsite.pages.assets import assets
from tests.site.chromium import signed_in_page
from tests.site.served import served
from tests.site.server import HOST

pytestmark = [
    pytest.mark.long,
    pytest.mark.once,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(PROGRAM is None, reason=MISSING),
]
Site = tuple[Path, int]
BUTTON = "<button formaction='/orders/x/end'>End this</button>"
OVER = "<span data-live-over></span>"
HELD = "document.activeElement.getAttribute('formaction')"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("live") / "s") as it:
        yield it


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(site: Site) -> AsyncIterator[Page]:
    async with Browser("--ignore-certificate-errors") as browser:
        yield await signed_in_page(browser, *site, "olga")


async def begin(page: Page, shown: str, *answers: str) -> None:
    """Show a part, hold its button, and begin the script; these answers come, one after another."""
    script = """(() => {
        window.answers = ANSWERS;
        window.asked = 0;
        window.fetch = async () => {
            const text = window.answers[Math.min(window.asked, window.answers.length - 1)];
            window.asked += 1;
            return new Response(text, { status: 200, headers: { ETag: `"${window.asked}"` } });
        };
        const main = document.querySelector("main");
        main.innerHTML = `<span data-live-state></span><div data-live="/part">${SHOWN}</div>`;
        main.querySelector("button").focus();
        return import("/assets/DIGEST/live.js").then(() => true);
    })()"""
    script = script.replace("ANSWERS", json.dumps(answers)).replace("SHOWN", json.dumps(shown))
    await page.run(script.replace("DIGEST", assets()["live.js"].digest))


async def asked(page: Page) -> Any:
    return await page.run("window.asked")


async def test_the_button_that_has_the_keyboard_keeps_it_and_it_ends_where_all_is_over(
    page: Page, site: Site
) -> None:
    """live.js, laws 3 and 4"""
    await page.go(f"https://{HOST}:{site[1]}/orders")
    await page.until("location.pathname === '/orders' && document.readyState === 'complete'")
    await begin(page, BUTTON, f"<p>one</p>{BUTTON}", f"<p>two</p>{BUTTON}{OVER}")
    await page.until("document.querySelector('main').textContent.includes('one')")
    assert await page.run(HELD) == "/orders/x/end"
    state = "document.querySelector('[data-live-state]').textContent"
    assert "shows itself again" in await page.run(state)
    await page.until("document.querySelector('main').textContent.includes('two')")
    await page.until(f"{state} === ''")
    assert await page.run(HELD) == "/orders/x/end"
    assert await asked(page) == 2
