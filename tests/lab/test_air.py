"""On air: a phone that looks for the hub finds it, whoever else is connected and however many came
before.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack

import pytest

from hubsim.phone.radio import connect, find, on_air
from hubsim.phone.wallet import Wallet
from lab.figurefile import write_figures
from lab.guest import Guest
from lab.hub import LabHub
from lab.touch import touch
from lab.vitals import NAMES, lull
from tests.lab.conftest import AirAddress
from tests.lab.recovering import recovers

PHONES = 5
CYCLES = int(os.environ.get("HUBD_LAB_CYCLES", "60"))
FOUND_SECONDS = 1.0
SECOND_EVERY = 10
REPLACED_SECONDS = 4.0
"""Longer than the hub waits before it replaces a new advertisement, and much shorter than until it
does so again.
"""
GROWTH_KIB_MAX = 1024


async def test_found_before_during_and_after_connections(hub: LabHub, air: AirAddress) -> None:
    async with on_air(air.transport) as looking, AsyncExitStack() as stack:
        await find(looking)
        for _ in range(PHONES):
            device = await stack.enter_async_context(on_air(air.transport))
            await stack.enter_async_context(connect(device))
            async with asyncio.timeout(FOUND_SECONDS):
                await find(looking)
        await stack.aclose()
        async with asyncio.timeout(FOUND_SECONDS):
            await find(looking)


@pytest.mark.reckons
@pytest.mark.timeout(300 + 3 * CYCLES)
async def test_found_after_many_visits_and_nothing_is_leaked(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    """HUBD_LAB_CYCLES=500 for a soak."""
    async with on_air(air.transport) as device, on_air(air.transport) as second:
        assert (await touch(device, phones[0])).lost == 0
        before = await lull(guest)
        for cycle in range(CYCLES):
            connection = await device.connect(await find(device))
            if cycle % 3 == 0:
                await asyncio.sleep(0.1)
            if cycle % SECOND_EVERY == 0:
                async with asyncio.timeout(FOUND_SECONDS):
                    await find(second)
            await connection.disconnect()
        async with asyncio.timeout(FOUND_SECONDS):
            await find(second)
        after = await lull(guest)
        assert (await touch(second, phones[0])).lost == 0
    grown = {name: after.of[name].rss_kib - before.of[name].rss_kib for name in NAMES}
    descriptors = {
        name: (before.of[name].descriptors, after.of[name].descriptors) for name in NAMES
    }
    tasks = (before.tasks, after.tasks)
    write_figures(
        "cycles", {"cycles": CYCLES, "grown KiB": grown, "descriptors": descriptors, "tasks": tasks}
    )
    assert after.of["hubd"].pid == before.of["hubd"].pid
    assert after.of["bluetoothd"].pid == before.of["bluetoothd"].pid
    assert all(last <= first for first, last in [*descriptors.values(), tasks]), (
        descriptors,
        tasks,
    )
    assert max(grown.values()) < GROWTH_KIB_MAX, grown


async def test_on_air_again_after_somebody_takes_the_advertisement_off(
    hub: LabHub, guest: Guest, air: AirAddress
) -> None:
    """What BlueZ does not notice: when a phone that was there leaves, the hub is found again.

    Where none is there, it is so within a minute, when the advertisement is replaced. Here that was
    done a moment ago.
    """
    async with recovers(hub):
        await guest.run("bluetoothctl", "power", "off")
    await asyncio.sleep(REPLACED_SECONDS)
    async with on_air(air.transport) as one, on_air(air.transport) as two:
        async with connect(two):
            await guest.run("btmgmt", "--index", "0", "clr-adv", seconds=10)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(FOUND_SECONDS):
                    await find(one)
        async with asyncio.timeout(FOUND_SECONDS):
            await find(one)
