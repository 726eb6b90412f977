"""From a number on a page to a door: a site of one command, its card key, and a real panel."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubcore.access.cards import CardNumber, card_digest
from hubsim.site.readers import add_reader
from hubsite.setup import places
from tests.gateway.bench import WAIT_SECONDS
from tests.scenario.test_readers import SETTLE_SECONDS, hold
from tests.site.machine import Machine
from tests.site.setup.test_setup_orders import SetUpStage, setup

pytestmark = [pytest.mark.once, pytest.mark.long]

ANNA = CardNumber.of_facility(12, 34567)
BERT = CardNumber(56, bytes.fromhex("04a1b2c3d4e5f6"))


@pytest.fixture
def machine() -> Iterator[Machine]:
    root = Path(tempfile.mkdtemp(prefix="crd"))  # a socket's path has 107 bytes at most
    yield Machine(root)
    shutil.rmtree(root)


def person(stage: SetUpStage, name: str) -> str:
    """Make somebody who may pass the door; return the id."""
    made = stage.pages.add("person", {"name": name, "groups": []})
    stage.pages.add("grant", {"points": [stage.point]}, f"?person={made}")
    return made


def give(stage: SetUpStage, name: str, typed: str) -> str:
    """Give a card to somebody new; return the address of its page."""
    stage.pages.get(f"/person/{person(stage, name)}/card")
    return stage.pages.submit({"label": f"{name}'s card", "typed": typed})


async def is_secure(stage: SetUpStage) -> None:
    async def is_read() -> bool:
        return bool(await stage.at_reader("is-read", reader="front"))

    await stage.until(is_read, "the reader is proven")
    await asyncio.sleep(SETTLE_SECONDS)  # the driver drops what is told in the first moment


async def opens(stage: SetUpStage, card: CardNumber) -> bool:
    """Hold a card to the reader; tell whether the door opened."""
    rises = stage.strike().rises
    shown = len(await stage.at_reader("shown", reader="front"))
    await hold(stage, "front", card)

    async def is_answered() -> bool:
        colours = (await stage.at_reader("shown", reader="front"))[shown:]
        return any(one in ("green", "red") for one in colours)

    await stage.until(is_answered, "the reader shows an answer", WAIT_SECONDS)
    await stage.until(lambda: not stage.strike().active, "the strike rests", WAIT_SECONDS)
    return bool(stage.strike().rises > rises)


async def give_what_was_held(stage: SetUpStage, person: str, digest: bytes) -> None:
    """Wait until the page offers what was just held to the reader, and give it to somebody."""
    await stage._page(f"/person/{person}/card", "inward, at ")
    typed = {"label": "Bert's card", "shown": digest.hex()}
    await asyncio.to_thread(stage.pages.submit, typed)


async def test_a_card_of_a_page_opens_at_a_reader_of_a_site_of_one_command_until_it_is_revoked(
    machine: Machine, tmp_path: Path
) -> None:
    machine.install()
    setup(machine, "--site", "site-1", "--cards", "5")
    machine.settle()
    stage = SetUpStage(tmp_path / "site", machine)
    add_reader(stage.site, stage.site.first_hub, "front", 1)
    async with machine.running(), stage:
        own = (stage.site.hub / "card.key").read_bytes()
        assert own == machine.at(places.CARD_KEY).read_bytes()
        await stage.start_readers()
        await is_secure(stage)
        assert not await opens(stage, ANNA), "nobody has it yet"

        card = await asyncio.to_thread(give, stage, "Anna", "12/34567")
        await stage.has_all()
        assert await opens(stage, ANNA)
        assert not await opens(stage, BERT), "it is another card"
        bert = await asyncio.to_thread(person, stage, "Bert")
        digest = card_digest(own, BERT.bits, BERT.data)
        await give_what_was_held(stage, bert, digest)

        await asyncio.to_thread(stage.pages.get, card)
        await asyncio.to_thread(lambda: stage.pages.submit({"do": "revoke"}, stays=True))
        await stage.has_all()
        assert not await opens(stage, ANNA)
        assert await opens(stage, BERT)
        assert "Violation" not in machine.log("hubgateway-engine")
