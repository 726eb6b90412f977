"""A browser, the page's server and an installation, each once for a module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from hubsim.chromium.browser import Browser
from hubsim.site import DeskDoor
from hubsim.stage import Stage
from tests.webphone.server import WebServer
from tests.webphone.siteserver import SiteServer

PULSE_SECONDS = 0.5
FRONT = DeskDoor("front", "Front door", access_point=1, strike_seconds=PULSE_SECONDS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    # the site's server has the certificate of a trial
    async with Browser("--ignore-certificate-errors") as running:
        yield running


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    with WebServer() as serving:
        yield serving


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, stage: Stage) -> Iterator[SiteServer]:
    with SiteServer(tmp_path_factory.mktemp("site") / "s", stage) as serving:
        yield serving


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with Stage(tmp_path_factory.mktemp("desk") / "site", [FRONT], person=True) as running:
        yield running
