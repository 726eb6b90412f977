"""A site whose backend is away: the real hub, its doors and phones, and a bridge on site."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hubbridge.app import Bridge, open_bridge, read_files
from hubbridge.config import load
from hubcore.access.grant import Access
from hubcore.access.precedence import DoorOrder
from hubcore.backend.uplink.words import OrderOutcome
from hubcore.bridge.siteorder import CredentialDisabled, DoorsOrder, Ordered
from hubcore.phone.messages import Reason
from hubsim.bridge.files import CONFIG, make_bridge
from hubsim.phone import wallet as wallets
from hubsim.phone.wallet import Wallet
from hubsim.site import FIRST_OPERATOR, OPEN_AND_QUERY
from hubsim.stage import Stage
from tests.scenario.conftest import FRONT, policy_in_force
from tests.scenario.test_desk import allowed, at_rest, visit

HOUR = 3600


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def section(port: int) -> str:
    return f'\n[[bridges]]\nname = "bridge-1"\naddress = "127.0.0.1"\nport = {port}\n'


@asynccontextmanager
async def bridge_of(stage: Stage, port: int) -> AsyncIterator[Bridge]:
    """Run the bridge of the stage's site."""
    folder = make_bridge(stage.site, "bridge-1", port=port)
    files = read_files(load(folder / CONFIG), folder / CONFIG)
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with open_bridge(files) as bridge, asyncio.TaskGroup() as group:
        task = group.create_task(bridge.run(ready.set_result))
        await ready
        yield bridge
        task.cancel()


async def way_of(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = (await stage.hub("status"))["bridge"]
    return found


async def is_held(stage: Stage) -> bool:
    way = await way_of(stage)
    return way["phase"] == "speaking" and way["waiting"] == 0


async def order(stage: Stage, bridge: Bridge, what: Ordered) -> None:
    """Order something as the site, and wait for the hub's answer."""
    given = await bridge.orders.give(what, FIRST_OPERATOR)

    def is_taken() -> bool:
        for paper in bridge.orders.papers.all():
            if paper.order.id == given.id:
                return paper.answers.get("hub-1") is OrderOutcome.TAKEN
        return False

    await stage.until(is_taken, f"the hub takes {what}")


async def reason(stage: Stage, wallet: Wallet) -> Reason:
    report = await visit(stage, wallet)
    assert report.verdict is not None, report.why
    await at_rest(stage)
    return report.verdict.reason


async def test_a_site_goes_on_without_its_backend(tmp_path: Path) -> None:
    port = free_port()
    async with Stage(
        tmp_path / "site", [FRONT], person=False, extra_config=section(port), enrols=True
    ) as stage:
        site = stage.site
        anna = wallets.load(site.grant("anna", [Access(1, OPEN_AND_QUERY, ())]))
        await policy_in_force(stage)
        async with bridge_of(stage, port) as bridge:
            await stage.until(lambda: is_held(stage), "the bridge holds what the hub recorded")
            await stage.stop("backend")
            assert allowed(await visit(stage, anna))
            await at_rest(stage)

            until = int(time.time()) + HOUR
            await order(stage, bridge, DoorsOrder(DoorOrder.LOCKDOWN, None, until))
            assert await reason(stage, anna) is Reason.LOCKED
            await order(stage, bridge, DoorsOrder(DoorOrder.LOCKDOWN, None, None))
            assert await reason(stage, anna) is Reason.OK
            credential = site.credential("anna")
            await order(stage, bridge, CredentialDisabled(credential, until))
            assert not allowed(await visit(stage, anna))
            await at_rest(stage)
            await order(stage, bridge, CredentialDisabled(credential, None))
            assert await reason(stage, anna) is Reason.OK

            await stage.until(lambda: is_held(stage), "the bridge holds all of it")
            last = (await stage.hub("status"))["records"]["last"]
            held = bridge.store.hubs["hub-1"].newest.number
            assert held >= last
            await stage.start_backend()

            async def has_all() -> bool:
                found = [one["number"] for one in await stage.records()]
                return found == list(range(1, len(found) + 1)) and len(found) >= last

            await stage.until(has_all, "the backend has each record once")
        kinds = [one["kind"] for one in await stage.records()]
        assert kinds.count("order") >= 4
