"""A policy on its way: a hub, a backend and a radio as processes, and phones that are revoked."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hubcore.access.cards import Card
from hubcore.access.grant import Access
from hubcore.phone.messages import Reason
from hubcore.policy.policy import Policy
from hubcore.policy.tree import PIECE_BYTES
from hubsim.phone.wallet import Wallet
from hubsim.site import DeskDoor
from hubsim.stage import Stage
from tests.scenario.conftest import PULSE_SECONDS, start_again
from tests.scenario.test_desk import allowed, at_rest, connected, new_phone, on_air, unlock, visit

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.once]

MANY = 8_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    door = DeskDoor(strike_seconds=PULSE_SECONDS)
    async with Stage(tmp_path_factory.mktemp("policy") / "site", [door]) as running:
        yield running


def credential(stage: Stage, wallet: Wallet) -> str:
    """The credential of a phone that `new_phone` made."""
    for folder in (stage.site.path / "phones").iterdir():
        if (folder / "grant.cbor").read_bytes() == wallet.grant:
            return (folder / "credential").read_text()
    raise AssertionError("a phone that nobody made")


async def handed_over(stage: Stage, new: Policy) -> None:
    """Hand the site's newest policy to the backend; return when it is in force at the hub."""
    path = stage.site.path / "policy.cbor"
    await stage.backend("policy", path=str(path.absolute()))

    async def in_force() -> bool:
        return bool((await stage.hub("status"))["policy_version"] == new.version)

    await stage.until(in_force, f"policy {new.version} is in force")


def large(stage: Stage) -> Policy:
    """Make the site's policy a large one: it does not go whole."""
    cards = [
        Card(secrets.token_bytes(16), secrets.token_hex(8), 0, 1 << 40, (Access(1, 1, ()),))
        for _ in range(MANY)
    ]
    revoked = frozenset(secrets.token_hex(8) for _ in range(MANY))
    old = stage.site.policy()
    new = stage.site.change(
        cards={**old.cards, **{card.digest: card for card in cards}},
        revoked_credentials=old.revoked_credentials | revoked,
    )
    assert (stage.site.path / "policy.cbor").stat().st_size > 10 * PIECE_BYTES
    return new


@pytest.mark.parametrize("size", ["small", "large"])
async def test_a_revocation_reaches_a_phone_that_has_a_ticket_and_is_connected(
    stage: Stage, size: str
) -> None:
    if size == "large":
        await handed_over(stage, large(stage))
    wallet = new_phone(stage)
    other = new_phone(stage)
    for phone in (wallet, other):
        assert allowed(await visit(stage, phone))
        await at_rest(stage)
    report = await visit(stage, wallet)
    assert (allowed(report), report.short) == (True, True)
    await at_rest(stage)
    before = stage.strike().rises
    new = stage.site.revoke(credential(stage, wallet))  # before the link: a hub ends an idle one
    async with on_air(stage.transport) as device, connected(device) as link:
        await handed_over(stage, new)
        report = await unlock(link, wallet)
        assert report.verdict is not None
        assert report.verdict.reason is Reason.REVOKED
    assert stage.strike().rises == before
    report = await visit(stage, other)
    assert (allowed(report), report.short) == (True, True)
    await at_rest(stage)


async def test_a_large_policy_outlasts_a_restart_and_comes_to_a_hub_that_was_away(
    stage: Stage,
) -> None:
    await handed_over(stage, large(stage))
    wallet = new_phone(stage)
    await stage.kill("hub")
    new = stage.site.revoke(credential(stage, wallet))
    path = stage.site.path / "policy.cbor"
    await stage.backend("policy", path=str(path.absolute()))
    await start_again(stage)

    async def in_force() -> bool:
        return bool((await stage.hub("status"))["policy_version"] == new.version)

    await stage.until(in_force, f"policy {new.version} is in force")
    report = await visit(stage, wallet)
    assert report.verdict is not None
    assert report.verdict.reason is Reason.REVOKED
    await at_rest(stage)
    assert allowed(await visit(stage, new_phone(stage)))
    await at_rest(stage)
