"""A hub whose controller knows no extended advertising, as in many small computers: Linux then has
one set for all.

What differs is how the kernel goes on the air again when a phone comes or leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from hubsim.phone.radio import connect, on_air
from hubsim.phone.wallet import Wallet
from hubsim.site import Site
from lab.air import an_air
from lab.guest import Guest
from lab.hub import LabHub
from tests.lab.btmon import so_far, traced
from tests.lab.conftest import AirAddress, booted
from tests.lab.unlocking import unlock

PHONES = 3
TRIES = 3
REPLACED_SECONDS = 5.0
LET_IN_SECONDS = 10.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def legacy_air() -> AsyncIterator[AirAddress]:
    async with an_air("--legacy") as address:
        yield address


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def old_hub(
    legacy_air: AirAddress, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[LabHub]:
    """A hub in a guest of its own."""
    async with booted(tmp_path_factory.mktemp("legacy")) as guest:
        await guest.plug_in(legacy_air.host, legacy_air.port)
        hub = LabHub(guest, site)
        await hub.install()
        await hub.start()
        yield hub


async def test_found_and_opening_beside_connected_phones(
    old_hub: LabHub, legacy_air: AirAddress, phones: list[Wallet]
) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(PHONES):
            device = await stack.enter_async_context(on_air(legacy_air.transport))
            await stack.enter_async_context(connect(device))
        for short in (False, True):
            assert (await unlock(legacy_air, phones[0])).short is short


async def test_who_leaves_after_the_advertisement_was_replaced_leaves_a_hub_that_lets_others_in(
    old_hub: LabHub, legacy_air: AirAddress, phones: list[Wallet]
) -> None:
    """The kernel then goes on with the advertisement by which that phone came: there is no such one
    any longer.
    """
    guest = old_hub.guest
    async with traced(guest, []):
        for tried in range(TRIES):
            await guest.run("systemctl", "restart", "hubd")
            async with on_air(legacy_air.transport) as device, connect(device):
                if await _replaced(guest, tried):
                    break
        else:
            pytest.fail(
                "no phone came before the hub that had just started replaced its advertisement"
            )
        async with asyncio.timeout(LET_IN_SECONDS):
            await unlock(legacy_air, phones[0])


async def _replaced(guest: Guest, earlier: int) -> bool:
    """Wait until an advertisement is removed after the last phone came, before which so many had
    come since the trace began; False when that does not come.
    """
    try:
        async with asyncio.timeout(REPLACED_SECONDS):
            while not any(
                "Remove Advertising" in packet for packet in _since(await so_far(guest), earlier)
            ):
                pass
    except TimeoutError:
        return False
    return True


def _since(packets: list[str], earlier: int) -> list[str]:
    """Return what was traced since the phone came before which so many had come; nothing while
    btmon lags behind.
    """
    came = [index for index, packet in enumerate(packets) if "Connection Complete" in packet]
    assert len(came) <= earlier + 1, came
    return packets[came[earlier] :] if len(came) > earlier else []
