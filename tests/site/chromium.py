"""A real Chromium before the real server, and an operator who signs in there."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

from hubsim.chromium.browser import Browser, Page
from hubsite.accounts import factor
from tests.site.browser import secret_in
from tests.site.served import SECONDS
from tests.site.server import HOST

CODES = {"Tab": 9, "Escape": 27, " ": 32, "ArrowLeft": 37, "ArrowUp": 38}
CODES |= {"ArrowRight": 39, "ArrowDown": 40, "End": 35, "Home": 36}
SHIFT = 8


def made_operator(file: Path, name: str) -> tuple[str, str]:
    """Make an account at the machine; return its password, and a code of now."""
    made = subprocess.run(
        [sys.executable, "-m", "hubsite", "--config", str(file), "operator", "add", name],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    ).stdout
    said = dict(line.split(": ", 1) for line in made.splitlines() if ": " in line)
    step = int(time.time()) // factor.STEP_SECONDS
    return said["password"].strip(), factor.code_at(secret_in(said["second factor"].strip()), step)


async def signed_in_page(browser: Browser, file: Path, port: int, name: str) -> Page:
    """Sign in as a person does, with an account that is made for it."""
    password, code = await asyncio.to_thread(made_operator, file, name)
    page = await browser.page()
    await page.go(f"https://{HOST}:{port}/sign-in")
    await fill(page, "name", name)
    await fill(page, "password", password)
    await fill(page, "code", code)
    await page.click("main form button")
    await page.until("location.pathname === '/'")
    return page


async def fill(page: Page, field: str, text: str) -> None:
    """Put a text into a field, and say so to the page as a keyboard does."""
    await page.run(
        f"(() => {{const one = document.getElementById({json.dumps(field)});"
        f"one.value = {json.dumps(text)};"
        "one.dispatchEvent(new Event('input', {bubbles: true}))})()"
    )


async def key(page: Page, name: str, shift: bool = False, times: int = 1) -> None:
    """Press a key and let it go."""
    what = {"key": name, "windowsVirtualKeyCode": CODES[name], "modifiers": SHIFT * shift}
    for _ in range(times):
        await page.call("Input.dispatchKeyEvent", type="rawKeyDown", **what)
        await page.call("Input.dispatchKeyEvent", type="keyUp", **what)
