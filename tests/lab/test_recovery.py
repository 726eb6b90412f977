"""The radio comes back by itself, on air in less than RECOVERY_SECONDS, whatever below it was killed or pulled."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hubsim.phone.attempt import Session
from hubsim.phone.radio import connect, on_air
from hubsim.phone.wallet import Wallet
from lab.guest import Guest
from lab.hub import LabHub
from tests.lab.conftest import AirAddress

RECOVERY_SECONDS = 5.0
PATIENCE_SECONDS = 20.0


async def _radio_is_up(hub: LabHub) -> tuple[bool, int]:
    """Return what the hub last said of its radio, and how often it spoke of it."""
    lines = [json.loads(line) for line in (await hub.journal(400)).splitlines() if '"part":"radio"' in line]
    return (bool(lines) and lines[-1]["up"], len(lines))


@asynccontextmanager
async def _recovers(hub: LabHub) -> AsyncIterator[None]:
    """Do the damage inside; the hub must notice it, and be on air again in time, counted from the end of the block."""
    _, before = await _radio_is_up(hub)
    yield
    mended = time.monotonic()
    took, up, told = 0.0, False, before
    while took < PATIENCE_SECONDS and not (up and told > before):
        await asyncio.sleep(0.1)
        up, told = await _radio_is_up(hub)
        took = time.monotonic() - mended
    assert took < RECOVERY_SECONDS, f"on air again only after {took:.1f} s:\n{await hub.story()}"


async def _unlocks(air: AirAddress, wallet: Wallet) -> None:
    async with on_air(air.transport) as device, connect(device) as link:
        report = await Session(link, wallet).run(1)
        assert report.verdict is not None, report.why
        assert report.verdict.allowed


async def _descriptors(hub: LabHub) -> int:
    return int((await hub.guest.run("sh", "-c", f"ls /proc/{await hub.pid()}/fd | wc -l")).out)


async def test_bluetoothd_killed_is_revived(hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]) -> None:
    pid = await hub.pid()
    async with _recovers(hub):
        await guest.run("systemctl", "kill", "-s", "KILL", "bluetooth")
    await _unlocks(air, phones[0])
    assert await hub.pid() == pid, "the daemon itself must live on"


async def test_bluetoothd_restarted_leaks_nothing(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    await _unlocks(air, phones[0])
    before = await _descriptors(hub)
    for _ in range(3):
        async with _recovers(hub):
            await guest.run("systemctl", "restart", "bluetooth")
    await _unlocks(air, phones[0])
    assert await _descriptors(hub) == before


async def test_bluetoothd_away_for_long_and_back(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    await guest.run("systemctl", "mask", "--runtime", "--now", "bluetooth")
    await asyncio.sleep(12)
    assert not (await _radio_is_up(hub))[0]
    await guest.run("systemctl", "unmask", "--runtime", "bluetooth")
    async with _recovers(hub):
        await guest.run("systemctl", "start", "bluetooth")
    await _unlocks(air, phones[0])


async def test_adapter_pulled_with_a_phone_connected_and_back(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    async with on_air(air.transport) as device:
        async with connect(device) as link:
            assert (await Session(link, phones[0]).run(1)).verdict is not None
            await guest.pull_out()
        async with _recovers(hub):
            await asyncio.sleep(1)
            await guest.plug_in(air.host, air.port)
    await _unlocks(air, phones[0])


async def test_adapter_switched_off(hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]) -> None:
    async with _recovers(hub):
        await guest.run("bluetoothctl", "power", "off")
    await _unlocks(air, phones[0])


async def test_adapter_blocked_by_rfkill_and_freed(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    switches = "for s in /sys/class/rfkill/rfkill*; do echo %d >$s/soft; done"
    await guest.run("sh", "-c", switches % 1)
    await asyncio.sleep(3)
    assert not (await _radio_is_up(hub))[0], "a blocked adapter was taken for one on air"
    async with _recovers(hub):
        await guest.run("sh", "-c", switches % 0)
    await _unlocks(air, phones[0])


async def test_hub_restarted_with_a_phone_connected(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    async with on_air(air.transport) as device, connect(device) as link:
        assert (await Session(link, phones[0]).run(1)).verdict is not None
        left = asyncio.Event()
        link.connection.on("disconnection", lambda _: left.set())
        await guest.run("systemctl", "restart", "hubd")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await left.wait()  # the new hub sends away whom it does not know
    await _unlocks(air, phones[0])


@pytest.mark.parametrize("signal", ["KILL", "SEGV"])
async def test_hub_killed(hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet], signal: str) -> None:
    async with _recovers(hub):
        await guest.run("systemctl", "kill", "-s", signal, "--kill-whom=main", "hubd")
        await asyncio.sleep(1.5)
        await guest.run("systemctl", "start", "hubd")
    await _unlocks(air, phones[0])


async def test_system_bus_restarted(hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]) -> None:
    async with _recovers(hub):
        await guest.run("sh", "-c", "systemctl restart dbus; systemctl restart bluetooth")
    await _unlocks(air, phones[0])
