"""Bridge and backend both command one real hub: at once, and against each other."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from hubcore.access.grant import Access
from hubcore.access.precedence import DoorOrder
from hubcore.bridge.site.order import DoorsOrder
from hubcore.phone.messages import Reason
from hubsim.bridge.running import running_bridge, section
from hubsim.phone import wallet as wallets
from hubsim.site import OPEN_AND_QUERY
from hubsim.stage import Stage, free_port
from tests.scenario.conftest import FRONT, policy_in_force
from tests.scenario.test_bridge_site import is_held, reason

pytestmark = pytest.mark.once

HUB = "hub-1"
HOUR = 3600


async def by_backend(stage: Stage, on: bool) -> None:
    answer = await stage.backend("order", hub=HUB, order="lockdown", on=on)
    assert answer["outcome"] == "taken", answer


async def test_what_bridge_and_backend_order_stands_side_by_side(tmp_path: Path) -> None:
    port = free_port()
    async with Stage(
        tmp_path / "site", [FRONT], person=False, extra_config=section(port), enrols=True
    ) as stage:
        anna = wallets.load(stage.site.grant("anna", [Access(1, OPEN_AND_QUERY, ())]))
        await policy_in_force(stage)
        async with running_bridge(stage.site, port) as bridge:
            until = int(time.time()) + HOUR
            begin = DoorsOrder(DoorOrder.LOCKDOWN, None, until)
            end = DoorsOrder(DoorOrder.LOCKDOWN, None, None)
            await stage.until(lambda: is_held(stage), "the bridge is there")

            await asyncio.gather(by_backend(stage, True), bridge.order(begin, HUB))
            assert await reason(stage, anna) is Reason.LOCKED
            await by_backend(stage, False)
            assert await reason(stage, anna) is Reason.LOCKED, "the site's own stands"
            opened = await stage.backend("release", hub=HUB, access_point=1, by="operator-7")
            assert opened["outcome"] == "refused", "what opens is below what shuts, whoever says it"

            await asyncio.gather(by_backend(stage, True), bridge.order(end, HUB))
            assert await reason(stage, anna) is Reason.LOCKED, "the backend's stands"
            await by_backend(stage, False)
            assert await reason(stage, anna) is Reason.OK

            async def backend_has_all() -> bool:
                last = (await stage.hub("status"))["records"]["last"]
                numbers = [one["number"] for one in await stage.records()]
                return numbers == list(range(1, last + 1)) and bridge.held(HUB) >= last

            await stage.until(backend_has_all, "both have the one log of the hub")
        details = [one["detail"] for one in await stage.records() if one["kind"] == "order"]
        given = [(one["given_by"], one["on"]) for one in details if one.get("order") == "lockdown"]
        assert [on for by, on in given if by == "site"] == [True, False]
        assert [on for by, on in given if by == "backend"] == [True, False, True, False]
        assert len(given) == 6, "each of them once"
