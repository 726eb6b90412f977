"""A phone that leaves in the middle of a request: BlueZ as released may die of it some seconds
later (see systemd/bluez-client-left.patch), and the hub is soon on air again; with that patch BlueZ
lives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from hubcore.errors import LinkError
from hubsim.phone.radio import BumbleLink, connect, on_air
from hubsim.phone.wallet import Wallet
from lab.figurefile import write_figures
from lab.guest import Guest
from lab.hub import LabHub
from tests.lab.conftest import BLUEZ, MENDED, AirAddress
from tests.lab.unlocking import unlock

VISITS = 6
VISIT_SECONDS = 15.0
BLUEZ_LIMIT_SECONDS = 5.0
"""BlueZ's own for a request that an application does not answer (ATTRIBUTE_TIMEOUT,
src/shared/gatt-db.c).
"""
RECOVERY_SECONDS = 5.0
FRAME = bytes(20)


async def in_a_read(link: BumbleLink) -> None:
    """Leave right after asking for a frame, before the answer."""
    await asyncio.gather(link.pull(), link.connection.disconnect(), return_exceptions=True)


async def in_a_write(link: BumbleLink) -> None:
    """Leave right after a frame, before it is answered."""
    await asyncio.gather(link.write(FRAME), link.connection.disconnect(), return_exceptions=True)


Leave = Callable[[BumbleLink], Awaitable[None]]


@pytest.mark.reckons
@pytest.mark.parametrize("leave", [in_a_read, in_a_write])
async def test_the_hub_is_back_soon_or_never_was_away(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet], leave: Leave
) -> None:
    pid = await hub.pid()
    bluetoothd = await guest.main_pid("bluetooth")
    for _ in range(VISITS):  # one of them may find the hub away, because of those before
        with suppress(LinkError):
            async with asyncio.timeout(VISIT_SECONDS):
                await _visit(air, leave)
    # the case itself: what was left half-way ends only then
    await asyncio.sleep(BLUEZ_LIMIT_SECONDS)
    async with asyncio.timeout(RECOVERY_SECONDS):
        while not await _lets_in(air, phones[0]):
            pass
    died = await guest.main_pid("bluetooth") != bluetoothd
    write_figures(
        f"bluetoothd, left {leave.__name__}", {"BlueZ": BLUEZ or "this machine's", "died": died}
    )
    assert await hub.pid() == pid
    assert not (died and MENDED), await hub.story()


async def _visit(air: AirAddress, leave: Leave) -> None:
    async with on_air(air.transport) as device, connect(device) as link:
        await leave(link)


async def _lets_in(air: AirAddress, wallet: Wallet) -> bool:
    """Try once to unlock."""
    with suppress(LinkError):
        await unlock(air, wallet)
        return True
    return False
