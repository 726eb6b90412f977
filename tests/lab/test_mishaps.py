"""One mishap each, and the hub comes back from it in time or says what keeps it off the air."""

from __future__ import annotations

import asyncio

import pytest

from hubsim.phone.attempt import Session
from hubsim.phone.radio import connect, on_air
from hubsim.phone.wallet import Wallet
from lab.guest import Guest
from lab.hub import LabHub
from tests.lab import advert_leak
from tests.lab.apps import running
from tests.lab.conftest import AirAddress, allowed
from tests.lab.recovering import PATIENCE_SECONDS, back, notices, radio_report, recovers, says
from tests.lab.unlocking import unlock

STUCK_SECONDS = 40.0
AWAY_SECONDS = 12.0
BLOCKED_SECONDS = 3.0
"""The cases' own times, longer than the hub waits between two tries; not waits for something."""
RESTART_SECONDS = 60.0
RESTART_RATIO_MAX = 2.0


async def test_bluetoothd_away_for_long_and_back(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    await guest.run("systemctl", "mask", "--runtime", "--now", "bluetooth")
    try:
        await notices(hub)
        await asyncio.sleep(AWAY_SECONDS)
        assert not (await radio_report(hub)).up
    finally:
        await guest.run("systemctl", "unmask", "--runtime", "bluetooth")
    async with recovers(hub):
        await guest.run("systemctl", "start", "bluetooth")
    await unlock(air, phones[0])


async def test_adapter_pulled_with_a_phone_connected_and_back(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    async with on_air(air.transport) as device:
        async with connect(device) as link:
            assert (await Session(link, phones[0]).run(1)).verdict is not None
            await guest.pull_out()
        async with recovers(hub):
            await asyncio.sleep(1)
            await guest.plug_in(air.host, air.port)
    await unlock(air, phones[0])


async def test_a_blocked_adapter_is_not_taken_for_one_on_air(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    switches = "for s in /sys/class/rfkill/rfkill*; do echo %d >$s/soft; done"
    await guest.run("sh", "-c", switches % 1)
    try:
        await notices(hub)
        await asyncio.sleep(BLOCKED_SECONDS)
        said = await radio_report(hub)
        assert not said.up, "taken for one on air"
        assert "the adapter does not go on, rfkill blocks it" in said.why
    except BaseException:
        await guest.run("sh", "-c", switches % 0)
        raise
    async with recovers(hub):
        await guest.run("sh", "-c", switches % 0)
    await unlock(air, phones[0])


@pytest.mark.parametrize("while_hubd", ["starts", "serves"])
async def test_a_bluetoothd_that_answers_no_longer_is_replaced(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet], while_hubd: str
) -> None:
    """hubd may start no unit, and asks for it by a file that systemd watches."""
    frozen = await guest.main_pid("bluetooth")
    await guest.run("kill", "-STOP", str(frozen))
    if while_hubd == "starts":
        await guest.run("systemctl", "restart", "hubd")
    replaced = (
        f'until p=$(systemctl show -P MainPID bluetooth); [ "$p" != {frozen} ] && [ '
        '"$p" != 0 ]; do sleep 0.2; done'
    )
    done = await guest.run(
        "timeout",
        f"{STUCK_SECONDS:.0f}",
        "sh",
        "-c",
        replaced,
        seconds=STUCK_SECONDS * 2,
        check=False,
    )
    assert done.status == 0, await hub.story()
    await hub.start()
    await unlock(air, phones[0])


@pytest.mark.parametrize("ended_by", ["a technician", "hubd itself"])
async def test_a_refused_advertisement_is_told_and_tried_again(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet], ended_by: str
) -> None:
    """BlueZ (5.66 to 5.87) loses places for advertisements; without any it refuses all, until it is
    started anew.
    """
    await guest.run("systemctl", "stop", "hubd")
    async with running(guest, advert_leak) as leaking:
        if advert_leak.REFUSED not in await leaking.story():
            pytest.skip("this BlueZ frees the place of an advertisement whose owner has left")
        await guest.run("systemctl", "start", "hubd")
        if ended_by == "a technician":
            await guest.run("systemctl", "stop", "hubd-bluez.path")
        try:
            await says(hub, "refuses RegisterAdvertisement: org.bluez.Error.NotPermitted")
            if ended_by == "a technician":
                await asyncio.sleep(AWAY_SECONDS)
                async with recovers(hub):
                    await guest.run("systemctl", "restart", "bluetooth")
        finally:
            await guest.run("systemctl", "start", "hubd-bluez.path")
        await hub.start()
    await unlock(air, phones[0])


async def test_hub_restarted_with_a_phone_connected(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    """The new hub sends away whom it does not know, and is on air as soon as one that finds nobody
    there.

    How soon that is, the bench says: most of it is Python, at the pace of the machine.
    """
    alone = await _restarted(hub)
    async with on_air(air.transport) as device, connect(device) as link:
        assert allowed(await Session(link, phones[0]).run(1))
        left = asyncio.Event()
        link.connection.on("disconnection", lambda _: left.set())
        took = await _restarted(hub)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await left.wait()
    assert took < RESTART_RATIO_MAX * alone, (took, alone)
    await hub.start()
    await unlock(air, phones[0])


async def _restarted(hub: LabHub) -> float:
    """Restart hubd; return the seconds from the command until it is on air."""
    before = await radio_report(hub)
    await hub.guest.run("systemctl", "restart", "--no-block", "hubd")
    took = await back(hub, before, RESTART_SECONDS)
    assert took < RESTART_SECONDS, await hub.story()
    return took


@pytest.mark.parametrize("signal", ["KILL", "SEGV"])
async def test_hub_killed(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet], signal: str
) -> None:
    """On air in time once systemd has started it anew."""
    pid = await hub.pid()
    async with recovers(hub):
        await guest.run("systemctl", "kill", "-s", signal, "--kill-whom=main", "hubd")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await hub.pid() == pid:  # what starts it before its end was seen, starts nothing
                pass
        await guest.run("systemctl", "start", "hubd")
    await hub.start()  # its strikes are ready some time after its radio
    await unlock(air, phones[0])
