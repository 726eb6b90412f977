"""What goes over the air, by btmon in the guest: the hub asks nothing of a phone, and no phone is
ever paired.
"""

from __future__ import annotations

import asyncio
import re

import pytest
from bumble.core import ProtocolError

from hubsim.phone.attempt import Session
from hubsim.phone.radio import connect, on_air
from hubsim.phone.wallet import Wallet
from lab.guest import Guest
from lab.hub import LabHub
from tests.lab.btmon import sent, traced
from tests.lab.conftest import AirAddress

KEYS = "grep -Es '^\\[.*Key\\]' /var/lib/bluetooth/*/*/info || true"
"""What BlueZ keeps of a bond; 5.87 may have a file of somebody who was never paired."""
SETTLE_SECONDS = 3.0
"""BlueZ begins to explore a phone, when it does, within two seconds of its connection."""


async def test_the_hub_asks_nothing_of_a_phone(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    packets: list[str] = []
    async with traced(guest, packets), on_air(air.transport) as device:
        for mtu in (23, 247):
            async with connect(device, mtu) as link:
                report = await Session(link, phones[0]).run(1)
                assert report.verdict is not None
                await asyncio.sleep(SETTLE_SECONDS)
    assert any("ATT: Handle Value Notification" in packet for packet in sent(packets)), (
        "the trace shows nothing"
    )
    assert [packet for packet in sent(packets) if "SMP:" in packet] == []
    asked = [packet for packet in sent(packets) if re.search(r"ATT: .*(Request|Command)", packet)]
    assert asked == []


async def test_a_phone_that_wants_to_pair_is_refused(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    packets: list[str] = []
    async with on_air(air.transport) as device:
        async with traced(guest, packets), connect(device) as link:
            with pytest.raises((ProtocolError, TimeoutError, asyncio.CancelledError)):
                async with asyncio.timeout(8):
                    await link.connection.pair()
        answers = [packet for packet in sent(packets) if "SMP:" in packet]
        assert answers, "the trace shows no answer"
        assert all("SMP: Pairing Failed" in packet for packet in answers)
        assert (
            await guest.run(
                "busctl",
                "call",
                "org.bluez",
                "/",
                "org.freedesktop.DBus.ObjectManager",
                "GetManagedObjects",
            )
        ).out.count('"Paired" b true') == 0
        assert (await guest.run("sh", "-c", KEYS)).out == ""
        async with connect(device) as link:
            report = await Session(link, phones[0]).run(1)
            assert report.verdict is not None
            assert report.verdict.allowed
