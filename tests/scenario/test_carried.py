"""A hub whose backend is away learns of a revocation from another phone, and keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubcore.access.grant import Access
from hubcore.phone.messages import Reason
from hubsim.phone import wallet as wallets
from hubsim.phone.wallet import Wallet
from hubsim.site import OPEN_AND_QUERY
from hubsim.stage import Stage
from tests.scenario.conftest import FRONT, start_again
from tests.scenario.test_desk import allowed, at_rest, visit

NO_LISTS = b"\x80"
AT_THE_FRONT = [Access(1, OPEN_AND_QUERY, ())]
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def reason(stage: Stage, wallet: Wallet) -> Reason:
    report = await visit(stage, wallet)
    assert report.verdict is not None, report.why
    await at_rest(stage)
    return report.verdict.reason


@pytest.mark.long
async def test_a_phone_brings_a_revocation_to_a_hub_that_is_offline(tmp_path: Path) -> None:
    async with Stage(tmp_path / "site", [FRONT], person=False) as stage:
        site = stage.site
        stolen = wallets.load(site.grant("stolen", AT_THE_FRONT))
        honest = wallets.load(site.grant("honest", AT_THE_FRONT))
        assert allowed(await visit(stage, stolen))
        await at_rest(stage)
        await stage.stop("backend")
        site.revoke(site.credential("stolen"))
        assert await reason(stage, stolen) is Reason.OK
        honest.revocations = (site.path / wallets.REVOCATIONS).read_bytes()
        assert await reason(stage, honest) is Reason.OK
        assert await reason(stage, stolen) is Reason.REVOKED

        kept = site.hub / "state" / "revocations.cbor"

        async def is_kept() -> bool:
            return kept.exists()

        async def is_in_the_policy() -> bool:
            return kept.read_bytes() == NO_LISTS

        await stage.until(is_kept, "the revocation is kept")
        await stage.kill("hub")
        await start_again(stage)
        assert await reason(stage, stolen) is Reason.REVOKED

        await stage.start_backend()
        await stage.until(is_in_the_policy, "the policy says it itself")
        assert await reason(stage, stolen) is Reason.REVOKED
