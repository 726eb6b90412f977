"""A real daemon and a guest whose grant has two uses: the third time the door stays shut, although
the hub was killed in between, and its table of spent uses was emptied.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hubcore.access.grant import Access
from hubcore.phone.messages import Reason
from hubsim.phone import wallet as wallets
from hubsim.site import OPEN_AND_QUERY
from hubsim.stage import Stage
from tests.scenario.conftest import FRONT, start_again
from tests.scenario.test_desk import (
    allowed,
    at_rest,
    in_mid_pulse,
    new_phone,
    verify_evidence,
    visit,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_guest_opens_twice_and_is_denied_after_a_kill_and_a_restart(
    tmp_path: Path,
) -> None:
    async with Stage(tmp_path / "site", [FRONT], person=False) as stage:
        stage.site.grant("guest", [Access(1, OPEN_AND_QUERY, ())], uses=2)
        guest = wallets.load(stage.site.phone("guest"))
        assert allowed(await visit(stage, guest))
        await at_rest(stage)
        await in_mid_pulse(stage, guest)  # by the short path, and killed while the strike is driven
        await stage.kill("hub")
        audit = stage.site.hub / "state" / "audit.db"
        with closing(sqlite3.connect(audit)) as edited, edited:
            assert edited.execute("DELETE FROM uses").rowcount == 2
        await start_again(stage)
        assert "uses" in [problem["id"] for problem in (await stage.hub("status"))["problems"]]
        rises = stage.strike().rises
        third = await visit(stage, guest)
        assert third.verdict is not None
        assert third.verdict.reason is Reason.NO_RIGHT
        assert stage.strike().rises == rises
        assert allowed(await visit(stage, new_phone(stage)))
        await at_rest(stage)
        verify_evidence(stage)
        with closing(sqlite3.connect(audit)) as read:
            (told,) = read.execute(
                "SELECT count(*) FROM records WHERE instr(body, 'the table of uses was edited')"
            ).fetchone()
        assert told == 1
