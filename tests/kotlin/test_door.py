"""The phone in Kotlin opens a real hub's door: hub and radio as processes, a strike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hubcore.access.grant import Access
from hubcore.codec import cbor
from hubsim.site import OPEN_AND_QUERY, DeskDoor
from hubsim.stage import Stage
from tests.kotlin.visits import KotlinPhone, phone
from tests.webphone.enrolling import ALWAYS, grant_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

PULSE_SECONDS = 0.5
FRONT = DeskDoor("front", "Front door", access_point=1, strike_seconds=PULSE_SECONDS)
QUERY_ONLY = (Access(1, OPEN_AND_QUERY & ~1, ()),)
STATES = ("moved SECURED", "moved RELEASED", "moved OPEN")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with Stage(tmp_path_factory.mktemp("desk") / "site", [FRONT], person=True) as running:
        yield running


async def enrol(kotlin: KotlinPhone, stage: Stage, access: tuple[Access, ...] = ALWAYS) -> None:
    site = stage.site
    grant = grant_for(site.issuer, site.name, cbor.decode(kotlin.key), access)
    await kotlin.enrolled(site.name, cbor.encode(site.issuer.cose_key), grant)


async def rested(stage: Stage) -> None:
    await stage.until(lambda: not stage.strike().active, "the strike rests", PULSE_SECONDS + 2)


@pytest.mark.parametrize("notifies", [True, False], ids=["by notifications", "by TXR"])
async def test_a_door_opens_and_again_by_the_ticket_that_outlives_the_phones_process(
    stage: Stage, tmp_path: Path, notifies: bool
) -> None:
    rises = stage.strike().rises
    async with phone(tmp_path) as anna:
        key = anna.key
        await enrol(anna, stage)
        verdict, state = await anna.open(stage, notifies=notifies)
        assert verdict == "decided yes OK full"
        assert state in STATES
        assert anna.writes > 2, "certificates and an open"
    await rested(stage)
    async with phone(tmp_path) as anna:
        assert anna.key == key
        await enrol(anna, stage)
        verdict, state = await anna.open(stage, notifies=notifies)
        assert verdict == "decided yes OK short"
        assert state in STATES
        assert anna.writes == 1, "a resume in one frame"
    assert stage.strike().rises == rises + 2
    await rested(stage)


async def test_what_was_learned_and_cannot_be_read_costs_one_longer_unlock(
    stage: Stage, tmp_path: Path
) -> None:  # Wallet.kt, law 2; Learned.kt, law 2
    kept = tmp_path / "learned.cbor"
    async with phone(tmp_path) as anna:
        await enrol(anna, stage)
        assert (await anna.open(stage))[0] == "decided yes OK full"
    await rested(stage)
    kept.write_bytes(kept.read_bytes()[:-1])
    async with phone(tmp_path) as anna:
        await enrol(anna, stage)
        assert (await anna.open(stage))[0] == "decided yes OK full"
    await rested(stage)


async def test_a_no_moves_nothing(stage: Stage, tmp_path: Path) -> None:
    rises = stage.strike().rises
    async with phone(tmp_path) as bert:
        await enrol(bert, stage, QUERY_ONLY)
        assert await bert.open(stage) == ["decided no NO_RIGHT full", "moved UNKNOWN"]
    assert stage.strike().rises == rises


async def test_a_link_that_ends_in_the_middle_is_no_refusal_and_one_wish_moves_a_door_once(
    stage: Stage, tmp_path: Path
) -> None:  # Visit.kt, law 3; Wallet.kt, law 4
    rises = stage.strike().rises
    async with phone(tmp_path) as anna:
        await enrol(anna, stage)
        last_frame_of_the_open = 6
        told = await anna.open(stage, notifies=False, cuts_at_write=last_frame_of_the_open)
        assert told == ["gave up LINK_LOST unknown"]
        assert (await anna.open(stage))[0] == "decided yes OK full"
    assert stage.strike().rises == rises + 1
    await rested(stage)


async def test_a_door_opens_at_the_smallest_mtu(stage: Stage, tmp_path: Path) -> None:
    async with phone(tmp_path) as anna:
        await enrol(anna, stage)
        assert (await anna.open(stage, mtu=23))[0] == "decided yes OK full"
        assert anna.writes > 60, "an open in frames of 20 bytes"
    await rested(stage)
