"""On air: a phone that looks for the hub finds it, whoever else is connected and however many came before."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack

from hubsim.phone.attempt import Session
from hubsim.phone.radio import _find, connect, on_air
from hubsim.phone.wallet import Wallet
from lab.guest import Guest
from lab.hub import LabHub
from tests.lab.conftest import AirAddress

PHONES = 5
CYCLES = int(os.environ.get("HUBD_LAB_CYCLES", "30"))
FOUND_SECONDS = 1.0


async def _descriptors(hub: LabHub) -> int:
    return int((await hub.guest.run("sh", "-c", f"ls /proc/{await hub.pid()}/fd | wc -l")).out)


async def test_found_before_during_and_after_connections(hub: LabHub, air: AirAddress) -> None:
    async with on_air(air.transport) as looking, AsyncExitStack() as stack:
        await _find(looking)
        for _ in range(PHONES):
            device = await stack.enter_async_context(on_air(air.transport))
            await stack.enter_async_context(connect(device))
            async with asyncio.timeout(FOUND_SECONDS):
                await _find(looking)
        await stack.aclose()
        async with asyncio.timeout(FOUND_SECONDS):
            await _find(looking)


async def test_found_after_many_visits_and_nothing_is_leaked(
    hub: LabHub, air: AirAddress, phones: list[Wallet]
) -> None:
    """HUBD_LAB_CYCLES=500 for a soak."""
    async with on_air(air.transport) as device:
        async with connect(device) as link:
            assert (await Session(link, phones[0]).run(1)).verdict is not None
        before = await _descriptors(hub)
        for cycle in range(CYCLES):
            connection = await device.connect(await _find(device))
            if cycle % 3 == 0:
                await asyncio.sleep(0.1)
            await connection.disconnect()
        async with connect(device) as link:
            report = await Session(link, phones[0]).run(1)
            assert report.verdict is not None
            assert report.verdict.allowed
    assert await _descriptors(hub) == before


async def test_on_air_again_after_somebody_takes_the_advertisement_off(
    hub: LabHub, guest: Guest, air: AirAddress
) -> None:
    """What BlueZ does not notice: after the next visit at the latest the hub is found again."""
    await guest.run("btmgmt", "--index", "0", "clr-adv", check=False, seconds=10)
    async with on_air(air.transport) as one, on_air(air.transport) as two:
        async with asyncio.timeout(70):
            await _find_patiently(one)
        async with connect(two):
            async with asyncio.timeout(FOUND_SECONDS):
                await _find(one)


async def _find_patiently(device: object) -> None:
    from hubd.errors import LinkError

    while True:
        try:
            await _find(device)  # type: ignore[arg-type]
            return
        except LinkError:
            continue
