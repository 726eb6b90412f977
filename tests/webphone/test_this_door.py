"""A page asks the browser for this door's hub, by the name that the hub has on the air."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from hubsim.chromium.browser import MISSING, PROGRAM, Browser
from hubsim.radio.hub_radio import BumbleRadio
from hubsim.stage import Stage
from tests.fakes.radio import FakeRadioListener
from tests.webphone.conftest import FRONT
from tests.webphone.server import WebServer
from tests.webphone.visitor import MORE, phone

pytestmark = [
    pytest.mark.long,
    pytest.mark.once,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(PROGRAM is None, reason=MISSING),
]
OURS = "Hub 2"
OTHER = "Hub 1"
SECONDS = 20.0


@asynccontextmanager
async def another_hub(transport: str, name: str) -> AsyncIterator[None]:
    """A hub of somebody else that is on the same air."""
    up = asyncio.Event()
    radio = BumbleRadio(transport, shown_name=name)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(
            radio.serve(FakeRadioListener(), lambda ready: ready and up.set())
        )
        async with asyncio.timeout(SECONDS):
            await up.wait()
        yield
        serving.cancel()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def street(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Three hubs on one air: one without a name, another one's, and that of the stage."""
    named = f'\n[radio]\nshown_name = "{OURS}"\n'
    folder = tmp_path_factory.mktemp("street") / "site"
    async with (
        Stage(folder, [FRONT], extra_config=named) as stage,
        another_hub(stage.transport, ""),
        another_hub(stage.transport, OTHER),
    ):
        yield stage


async def test_of_three_hubs_the_list_shows_the_one_of_this_door(
    browser: Browser, server: WebServer, street: Stage
) -> None:
    async with phone(browser, server, street, hubs=3) as anna:
        await anna.enrol(label_8={1: OURS})
        assert await anna.answered() == ("Allowed", "yes")
        assert anna.radio.listed == [OURS]


async def test_without_a_name_the_list_shows_every_hub_as_before(
    browser: Browser, server: WebServer, street: Stage
) -> None:
    async with phone(browser, server, street, hubs=3) as anna:
        await anna.enrol()
        anna.radio.lists = 3
        anna.radio.picks = OURS
        assert await anna.answered() == ("Allowed", "yes")
        assert len(anna.radio.listed) == 3


@pytest.mark.parametrize("name", ["Hub 9", OTHER], ids=["nobody has it", "another one has it"])
async def test_after_a_name_that_leads_wrong_the_list_shows_every_hub(
    browser: Browser, server: WebServer, street: Stage, name: str
) -> None:  # radio.js, law 5
    rises = street.strike().rises
    async with phone(browser, server, street, hubs=3) as anna:
        await anna.enrol(label_8={1: name})
        if name == OTHER:
            word, kind = await anna.answered()
            assert (word, kind) == ("No answer", "unsure")
            assert anna.radio.listed == [OTHER]
        else:
            anna.radio.lists = 0
            anna.radio.chooses = False
            assert await anna.answered() == ("Not asked", "unsure")
            assert "The next touch lists every door" in await anna.page.run(MORE)
        anna.radio.lists = 2  # the emulation has lost a hub once its link has ended
        anna.radio.chooses = True
        anna.radio.picks = OURS
        assert await anna.answered() == ("Allowed", "yes")
    assert street.strike().rises == rises + 1


async def test_a_member_that_only_later_pages_know_is_left_out(
    browser: Browser, server: WebServer, street: Stage
) -> None:
    async with phone(browser, server, street, hubs=3) as anna:
        await anna.enrol(label_8={1: OURS, 2: 5, 3: "<b>"}, label_9=[1, 2])
        assert await anna.answered() == ("Allowed", "yes")
