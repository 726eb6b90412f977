"""An unlock through the whole stack: radio, BlueZ, D-Bus, the sandboxed daemon, the kernel's GPIO line."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from hubd.core.messages import DoorState, Reason
from hubsim.phone.attempt import Session
from hubsim.phone.radio import connect, on_air
from hubsim.phone.wallet import Wallet
from lab.hub import STRIKE_SECONDS, LabHub
from tests.lab.conftest import AirAddress


async def test_a_long_unlock_then_a_short_one_each_with_its_strike(
    hub: LabHub, air: AirAddress, phones: list[Wallet]
) -> None:
    async with on_air(air.transport) as device:
        for short in (False, True):
            async with connect(device) as link, asyncio.TaskGroup() as tasks:
                seen = tasks.create_task(hub.strike_seen(20))
                report = await Session(link, phones[0]).run(1)
                assert report.verdict is not None, report.why
                assert (report.verdict.allowed, report.verdict.reason) == (True, Reason.OK)
                assert report.verdict.door is DoorState.RELEASED
                assert report.short is short
            assert seen.result(), "the strike's line was never driven"
            await asyncio.sleep(STRIKE_SECONDS + 0.3)
            assert not await hub.strike(), "the release did not end by itself"
    journal = await hub.journal()
    assert '"path":"full"' in journal
    assert '"path":"short"' in journal


async def test_two_phones_at_once_and_neither_takes_the_others_frames(
    hub: LabHub, air: AirAddress, phones: list[Wallet]
) -> None:
    transport = air.transport
    async with on_air(transport) as one, on_air(transport) as two, connect(one) as first, connect(two) as second:
        reports = await asyncio.gather(Session(first, phones[0]).run(1), Session(second, phones[1]).run(1))
        assert [report.verdict is not None and report.verdict.allowed for report in reports] == [True, True]
        heard = [link.notifications.qsize() for link in (first, second)]
    assert sum(heard) > 0, "a notification reaches every subscriber on BlueZ; if it no longer does, say so in the docs"


async def test_a_third_phone_finds_the_hub_while_two_are_connected(
    hub: LabHub, air: AirAddress, phones: list[Wallet]
) -> None:
    async with AsyncExitStack() as stack:
        links = []
        for _ in phones:
            device = await stack.enter_async_context(on_air(air.transport))
            links.append(await stack.enter_async_context(connect(device)))
        report = await Session(links[-1], phones[-1]).run(1)
        assert report.verdict is not None
        assert report.verdict.allowed
