"""A door with two strikes at the desk: a phone's yes drives both, the real guard ends both,
evidence has one door.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hubcore.access.grant import Access
from hubsim.phone import wallet as wallets
from hubsim.phone.attempt import Session
from hubsim.phone.radio import connect, on_air
from hubsim.site import OPEN_AND_QUERY, DeskDoor
from hubsim.stage import Stage

pytestmark = pytest.mark.asyncio

PULSE_SECONDS = 1.0
STRIKES = ("left", "right")


def driven(stage: Stage) -> list[bool]:
    return [stage.strike(strike).active for strike in STRIKES]


async def test_a_phone_opens_a_door_with_two_strikes(tmp_path: Path) -> None:
    door = DeskDoor(strike_seconds=PULSE_SECONDS, strikes=STRIKES)
    async with Stage(tmp_path / "site", doors=[door]) as stage:
        stage.site.grant("phone", [Access(1, OPEN_AND_QUERY, ())], None)
        wallet = wallets.load(stage.site.phone("phone"))
        async with on_air(stage.transport) as device, connect(device, 247, True) as link:
            report = await Session(link, wallet).run(1)
            assert report.verdict is not None
            assert report.verdict.allowed
            assert driven(stage) == [True, True]
        await stage.until(
            lambda: driven(stage) == [False, False], "both strikes fall back by themselves", 5.0
        )
        assert [stage.strike(strike).rises for strike in STRIKES] == [1, 1]

        async def taken() -> bool:
            details = [record["detail"] for record in await stage.records()]
            return [said["what"] for said in details if said.get("door") == "front"] == [
                "access_taken",
                "closed",
            ]

        await stage.until(taken, "the door was opened once, rightly, and has fallen shut", 10.0)

        async with on_air(stage.transport) as device, connect(device, 247, True) as link:
            await Session(link, wallet).run(1)
            assert driven(stage) == [True, True]
            await stage.kill("hub")
        await stage.until(
            lambda: driven(stage) == [False, False],
            "both fall back although the hub was killed",
            5.0,
        )
