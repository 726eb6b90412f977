"""Phones of others at a real hub on the virtual air: its processes, its radio, its records."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec

from hubcore.access.cards import public_key_digest
from hubcore.access.grant import Access
from hubcore.pkoc.certificate import uncompressed
from hubsim.phone.radio import on_air
from hubsim.pkoc.phone import Answer, PkocPhone
from hubsim.pkoc.place import PkocSite
from hubsim.pkoc.radio import Visited, visit
from hubsim.site import OPEN_AND_QUERY, DeskDoor
from hubsim.site.cards import card_key
from hubsim.stage import Stage
from tests.scenario.conftest import policy_in_force

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.once]

FRONT = DeskDoor("front", "Front door", access_point=1, strike_seconds=0.5)
TRIES = 5
ALWAYS = (Access(1, OPEN_AND_QUERY, ()),)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A hub that meets PKOC phones at its front door; anna and bert are let in."""
    made = Stage(tmp_path_factory.mktemp("pkoc") / "site", [FRONT], person=False)
    place = PkocSite(made.site)
    place.add_reader(made.site.first_hub, 1)
    for name in ("anna", "bert"):
        place.add_phone(name, ALWAYS)
    async with made as running:
        await policy_in_force(running)
        yield running


async def comes(stage: Stage, key: ec.EllipticCurvePrivateKey) -> Visited:
    phone = PkocPhone(
        key=key,
        knows=PkocSite(stage.site).known(),
        visit_key=ec.generate_private_key(ec.SECP256R1()),
        wall=time.time,
    )
    async with on_air(stage.transport) as device:
        return await visit(device, phone)


async def let_in(stage: Stage, key: ec.EllipticCurvePrivateKey) -> Visited:
    """Come until the door is open: a hub that stood still lets nobody in who came meanwhile.

    On a machine with other programs it may stand still (`hubcore.timing.standstill`).
    """
    for _ in range(TRIES):
        done = await comes(stage, key)
        if done.answer is Answer.GRANTED:
            break
    return done


async def record_of(stage: Stage, **wanted: object) -> dict[str, Any]:
    """Return the facts of an access that has all of these, once the backend has its record."""
    found: list[dict[str, Any]] = []

    async def is_there() -> bool:
        said = [one["detail"] for one in await stage.records() if one["kind"] == "access"]
        found[:] = [one for one in said if wanted.items() <= one.items()]
        return bool(found)

    await stage.until(is_there, f"an access with {wanted} is with the backend")
    return found[-1]


async def hubsim(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hubsim.main", *arguments, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return said.decode()


async def test_a_phone_opens_the_door_and_its_record_says_how(stage: Stage) -> None:
    rises = stage.strike().rises
    done = await let_in(stage, PkocSite(stage.site).phone_key("anna"))
    assert done.answer is Answer.GRANTED
    assert done.bytes_over_air == 527
    await stage.until(lambda: stage.strike().rises == rises + 1, "the strike is driven")
    record = await record_of(stage, allowed=True)
    assert record["path"] == "pkoc"
    assert record["reader"] == "pkoc"


async def test_a_phone_of_nobody_is_denied_and_known_by_the_digest_of_its_key(
    stage: Stage,
) -> None:
    own = ec.generate_private_key(ec.SECP256R1())
    assert (await comes(stage, own)).answer is Answer.DENIED
    digest = public_key_digest(card_key(stage.site), uncompressed(own.public_key()))
    assert (await record_of(stage, grant=digest.hex()))["allowed"] is False


async def test_two_phones_at_the_same_moment_are_both_let_in(stage: Stage) -> None:
    place = PkocSite(stage.site)
    await stage.until(lambda: not stage.strike().active, "the strike rests")
    both = await asyncio.gather(
        let_in(stage, place.phone_key("anna")), let_in(stage, place.phone_key("bert"))
    )
    assert [one.answer for one in both] == [Answer.GRANTED, Answer.GRANTED]


async def test_the_sites_own_phones_open_beside_them(stage: Stage) -> None:
    at = ("--at", str(stage.path))
    await stage.until(lambda: not stage.strike().active, "the strike rests")
    assert "carl" in await hubsim("site", *at, "grant", "carl")
    said = await hubsim("phone", "unlock", "carl", *at, "--radio", stage.transport)
    assert said.startswith("allowed"), said
    for _ in range(TRIES):
        said = await hubsim("pkoc", "unlock", "anna", *at, "--radio", stage.transport)
        if said.startswith("allowed"):
            break
    assert said.startswith("allowed (PKOC, 527 bytes"), said
