"""A phone that is paired with the hub's adapter, because somebody made the adapter pairable,
unlocks as any other.

hubd pairs with nobody and keeps the adapter from being paired with. What an administrator pairs on
purpose (a keyboard, a phone) it leaves alone, and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from bumble import att
from bumble.device import Device
from bumble.pairing import PairingConfig, PairingDelegate

from hubcore.errors import LinkError
from hubcore.phone import gatt
from hubsim.phone.attempt import Session
from hubsim.phone.radio import BumbleLink, connect, find, lost_is_a_link_error, on_air
from hubsim.phone.wallet import Wallet
from lab.guest import Guest
from lab.hub import LabHub
from tests.lab import pairing_agent
from tests.lab.apps import running
from tests.lab.attlink import handle, request
from tests.lab.conftest import AirAddress, allowed
from tests.lab.deaths import PhoneLetGo, times_let_go
from tests.lab.problems import shows
from tests.lab.test_subscriptions import NotifiedLink

ENCRYPTED_SECONDS = 10.0
KEY_WRITTEN = r"until grep -qs '^\[.*LongTermKey\]' /var/lib/bluetooth/*/*/info; do sleep 0.2; done"
"""BlueZ writes a phone's keys a moment after it has paired."""
FORGET = "for d in $(bluetoothctl devices Paired | cut -d' ' -f2); do bluetoothctl remove $d; done"


@asynccontextmanager
async def pairable(guest: Guest) -> AsyncIterator[None]:
    """Have the adapter pair with whoever asks; forget all bonds in the end."""
    async with running(guest, pairing_agent):
        try:
            yield
        finally:
            await guest.run("sh", "-c", f"{FORGET}; bluetoothctl pairable off")


@asynccontextmanager
async def connect_encrypted(device: Device, guest: Guest) -> AsyncIterator[BumbleLink]:
    """Connect as a bonded phone does: encrypted before anything else.

    BlueZ answers it nothing in the clear. Raise PhoneLetGo where BlueZ says that it was BlueZ that
    ended the link, LinkError for every other end.
    """
    before = await times_let_go(guest)
    try:
        link = await encrypted(device)
    except LinkError as error:
        if await times_let_go(guest) == before:
            raise
        raise PhoneLetGo("BlueZ let a phone go that had encrypted too soon") from error
    try:
        yield link
    finally:
        await link.connection.disconnect()


async def encrypted(device: Device) -> BumbleLink:
    """Connect and encrypt. Raise LinkError when the link ends or nothing answers."""
    with lost_is_a_link_error():
        async with asyncio.timeout(ENCRYPTED_SECONDS):
            connection = await device.connect(await find(device))
            await connection.encrypt()
            link = BumbleLink(connection)
            await link.prepare(247)
            return link


async def rewrite(link: BumbleLink) -> None:
    """Subscribe as a phone does that knows the table and its bond: write the same CCC again."""
    tx = handle(link, gatt.TX)
    answer = await request(
        link, att.ATT_Write_Request(attribute_handle=tx + 1, attribute_value=b"\x01\x00")
    )
    assert isinstance(answer, att.ATT_Write_Response), answer


@pytest.mark.parametrize("pulls", [False, True])
async def test_a_bonded_phone_that_comes_again_is_answered(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet], pulls: bool
) -> None:
    async with pairable(guest), on_air(air.transport) as device:
        device.pairing_config_factory = lambda _: PairingConfig(
            sc=True,
            mitm=False,
            bonding=True,
            delegate=PairingDelegate(PairingDelegate.NO_OUTPUT_NO_INPUT),
        )
        async with connect(device) as link:
            async with asyncio.timeout(ENCRYPTED_SECONDS):
                await link.connection.pair()
            assert link.connection.is_encrypted
            await guest.run("timeout", "20", "sh", "-c", KEY_WRITTEN)
            await shows(
                hub,
                "pairing",
                lambda problem: problem is not None and "1 device is" in problem["what"],
            )
            assert allowed(await Session(NotifiedLink(link), phones[0]).run(1))
        for _ in range(2):
            async with connect_encrypted(device, guest) as link:
                await rewrite(link)
                way = link if pulls else NotifiedLink(link)
                assert allowed(await Session(way, phones[0], pull_only=pulls).run(1))
    await shows(hub, "pairing", lambda problem: problem is None)
