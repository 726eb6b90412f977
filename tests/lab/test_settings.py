"""hubctl says when bluetoothd runs without a hub's settings and what to type, and is silent once it
was typed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from hubsim.phone.attempt import Session
from hubsim.phone.radio import connect, on_air
from hubsim.phone.wallet import Wallet
from lab.hub import LabHub
from tests.lab.conftest import AirAddress
from tests.lab.problems import shows

DROP_IN = "/usr/lib/systemd/system/bluetooth.service.d/hubd.conf"
SETTINGS = "/usr/lib/hubd/bluez-main.conf"


@pytest_asyncio.fixture(loop_scope="session")
async def settled(hub: LabHub) -> AsyncIterator[LabHub]:
    """The hub; BlueZ's settings are what they were at the end."""
    run = hub.guest.run
    await run("cp", DROP_IN, SETTINGS, "/root/")
    yield hub
    await run("cp", "/root/hubd.conf", DROP_IN)
    await run("cp", "/root/bluez-main.conf", SETTINGS)
    await run("systemctl", "daemon-reload")
    await run("systemctl", "restart", "bluetooth")
    await shows(hub, "bluez", lambda problem: problem is None)


async def test_settings_that_are_not_in_force_are_named_with_the_remedy(
    settled: LabHub, air: AirAddress, phones: list[Wallet]
) -> None:
    run = settled.guest.run
    await shows(settled, "bluez", lambda problem: problem is None)

    await run("rm", DROP_IN)
    await run("systemctl", "daemon-reload")
    await run("systemctl", "restart", "bluetooth")
    await shows(
        settled,
        "bluez",
        lambda p: (
            p is not None and "not in force" in p["what"] and "restart bluetooth" in p["remedy"]
        ),
    )
    async with on_air(air.transport) as device, connect(device) as link:
        report = await Session(link, phones[0]).run(1)
    assert report.verdict is not None
    assert report.verdict.allowed, "doors go on opening"
    assert '"part":"bluez"' in await settled.journal()

    await run("cp", "/root/hubd.conf", DROP_IN)
    await run("sed", "-i", "s/^Channels = 1/Channels = 3/", SETTINGS)
    await run("systemctl", "daemon-reload")
    await run("systemctl", "restart", "bluetooth")
    await shows(settled, "bluez", lambda p: p is not None and "Channels=1" in p["what"])
