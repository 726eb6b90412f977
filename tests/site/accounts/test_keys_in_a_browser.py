"""Keys in a real Chromium, at the real server: a first key, a sign-in by it, one more, a copy."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hubsim.chromium.browser import MISSING, PROGRAM, Browser, Page
from tests.site.served import SECONDS
from tests.webphone.visitor import passkeys

pytestmark = [
    pytest.mark.once,
    pytest.mark.asyncio,
    pytest.mark.long,
    pytest.mark.skipif(PROGRAM is None, reason=MISSING),
]
HEADING = "document.querySelector('h1')?.textContent"
IS_READY = "document.querySelector('[data-part=key]')?.hidden === false"
WHY = "document.querySelector('[data-part=why]').textContent"


def handed(file: Path, name: str) -> dict[str, str]:
    """Make an account at the machine; return what is shown once."""
    argv = [sys.executable, "-m", "hubsite", "--config", str(file), "operator", "add", name]
    done = subprocess.run(
        [*argv, "--webauthn"], capture_output=True, text=True, timeout=SECONDS, check=True
    )
    return dict(re.findall(r"^(\w+): +(\S+)$", done.stdout, re.MULTILINE))


async def fill(page: Page, **typed: str) -> None:
    await page.until(IS_READY)
    for name, text in typed.items():
        await page.run(f"document.getElementById('{name}').value = '{text}'")


async def ask(page: Page) -> None:
    await page.click("[data-part=ask]")


async def test_a_first_key_is_made_signs_in_and_is_refused_once_it_was_copied(
    serving: tuple[Path, int],
) -> None:
    file, port = serving
    given = await asyncio.to_thread(handed, file, "anna")
    at = f"https://localhost:{port}"
    sign = {"name": given["name"], "password": given["password"]}
    async with Browser("--ignore-certificate-errors") as browser:
        page = await browser.page()
        key = await passkeys(page, hasPrf=False)
        await page.go(f"{at}/first-key")
        await fill(page, **sign, ticket=given["ticket"], key_name="this laptop")
        await ask(page)
        await page.until(f"{HEADING} === 'Sign in'")
        await fill(page, **sign)
        await ask(page)
        await page.until(f"{HEADING} === 'Overview'")
        await page.go(f"{at}/account")
        assert "this laptop" in await page.run("document.body.innerText")
        await fill(page, key_name="the same once more")
        await ask(page)
        assert await page.until(WHY) == "This key is in use for your account already."
        await _copied(page, key)
        await page.go(f"{at}/sign-in")
        await fill(page, **sign)
        await ask(page)
        await page.until("document.getElementById('why') !== null")
        await page.go(f"{at}/acts")
        assert "Your key this laptop was copied, or is broken" in await page.run(
            "document.body.innerText"
        )
        assert [one for one in page.complaints if "403" not in one] == []


async def test_a_person_who_says_no_and_an_empty_field_are_told(
    serving: tuple[Path, int],
) -> None:
    _, port = serving
    async with Browser("--ignore-certificate-errors") as browser:
        page = await browser.page()
        await passkeys(page, hasPrf=False, isUserVerified=False)
        await page.go(f"https://localhost:{port}/sign-in")
        await fill(page, name="anna")
        await ask(page)
        assert await page.until(WHY) == "Fill in the other fields first."
        await fill(page, password="x")
        await ask(page)
        assert (await page.until(WHY)).startswith("No key was used: it was refused")
        assert await page.run("document.getElementById('code').required")
        assert page.complaints == []


async def _copied(page: Page, authenticator: str) -> None:
    """Turn the counter of the key back, as somebody else's copy of it would have it."""
    found = await page.call("WebAuthn.getCredentials", authenticatorId=authenticator)
    (one,) = found["credentials"]
    await page.call(
        "WebAuthn.removeCredential",
        authenticatorId=authenticator,
        credentialId=one["credentialId"],
    )
    older = {**one, "signCount": 0}
    await page.call("WebAuthn.addCredential", authenticatorId=authenticator, credential=older)
