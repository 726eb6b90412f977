"""Signing in by a real provider at another site, in a real Chromium: its rules for cookies hold."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubsim.chromium.browser import MISSING as NO_BROWSER
from hubsim.chromium.browser import PROGRAM, Browser
from hubsim.stage import free_port
from hubsite.accounts import factor
from tests.site.browser import secret_in
from tests.site.realprovider import CLIENT, MISSING, SECRET, Real, modules, real_provider
from tests.site.served import SECONDS, serving
from tests.site.server import make_folder

pytestmark = [
    pytest.mark.once,
    pytest.mark.asyncio,
    pytest.mark.long,
    pytest.mark.skipif(PROGRAM is None, reason=NO_BROWSER),
]
ELSEWHERE = "127.0.0.1"
"""Another site than localhost, for a browser."""
HEADING = "document.querySelector('h1')?.textContent"


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Path, int, Real]]:
    """The server's file and port, and the provider that it knows."""
    if modules() is None:
        pytest.skip(MISSING)
    port = free_port()
    back = f"https://localhost:{port}/sign-in/elsewhere/back"
    file = make_folder(tmp_path / "s", "--listen", f"127.0.0.1:{port}")
    with real_provider(tmp_path / "provider", [back], ELSEWHERE) as real:
        secret = file.parent / "oidc"
        secret.write_text(SECRET)
        secret.chmod(0o600)
        words = f'issuer = "{real.issuer}"\nclient_id = "{CLIENT}"\nname = "Acme"\n'
        more = f'client_secret = "oidc"\nauthority = "{real.authority}"\n'
        file.write_text(f"{file.read_text()}[oidc]\n{words}{more}")
        with serving(file):
            yield file, port, real


def hubsite(file: Path, *words: str) -> str:
    argv = [sys.executable, "-m", "hubsite", "--config", str(file), *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=True).stdout


async def test_a_browser_goes_to_the_provider_and_comes_back(
    both: tuple[Path, int, Real],
) -> None:
    file, port, real = both
    shown = await asyncio.to_thread(hubsite, file, "operator", "add", "anna")
    said = await asyncio.to_thread(hubsite, file, "operator", "bind", "anna", "u-1")
    assert said == f"u-1 at {real.issuer} signs in as anna\n"
    (address,) = re.findall(r"otpauth:\S+", shown)
    async with Browser("--ignore-certificate-errors") as browser:
        page = await browser.page()
        await page.go(f"https://localhost:{port}/acts")
        await page.click("a.button")
        await page.until(f"{HEADING} === 'You come from Acme'")
        code = factor.code_at(secret_in(address), int(time.time()) // factor.STEP_SECONDS)
        await page.run(f"document.getElementById('code').value = '{code}'")
        await page.click("form button")
        await page.until(f"{HEADING} === 'Acts of operators'")
        assert "signed-in" in await page.run("document.body.innerText")
        assert page.complaints == []
