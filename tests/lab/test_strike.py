"""Whatever becomes of the daemon, a strike that it drove falls back."""

from __future__ import annotations

import asyncio
import time

from hubsim.phone.attempt import Session
from hubsim.phone.radio import connect, on_air
from hubsim.phone.wallet import Wallet
from lab.guest import Guest
from lab.hub import LabHub
from tests.lab.conftest import AirAddress

CAP_SECONDS = 10.0
WATCHDOG_SECONDS = 20.0
RESTART_SECONDS = 15.0


async def _release(hub: LabHub, air: AirAddress, wallet: Wallet) -> None:
    """Have the strike driven; it was when this returns, and may still be."""
    async with on_air(air.transport) as device, connect(device) as link, asyncio.TaskGroup() as tasks:
        seen = tasks.create_task(hub.strike_seen(20))
        report = await Session(link, wallet).run(1)
        assert report.verdict is not None
        assert report.verdict.allowed
    assert seen.result()


async def _falls_back(hub: LabHub, seconds: float) -> None:
    ends = time.monotonic() + seconds
    while await hub.strike():
        assert time.monotonic() < ends, "the strike is still driven"
        await asyncio.sleep(0.1)


async def test_daemon_killed_in_a_pulse(hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]) -> None:
    await _release(hub, air, phones[0])
    await guest.run("systemctl", "kill", "-s", "KILL", "--kill-whom=main", "hubd")
    await _falls_back(hub, CAP_SECONDS)


async def test_daemon_frozen_is_replaced(hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]) -> None:
    pid = await hub.pid()
    await _release(hub, air, phones[0])
    await guest.run("kill", "-STOP", str(pid))
    await _falls_back(hub, CAP_SECONDS)
    ends = time.monotonic() + WATCHDOG_SECONDS + RESTART_SECONDS
    while await hub.pid() in (0, pid):
        assert time.monotonic() < ends, "systemd has not replaced the frozen daemon"
        await asyncio.sleep(0.5)
    await hub.start()
    await _release(hub, air, phones[0])


async def test_daemon_too_slow_for_a_read_does_no_harm(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    """BlueZ answers for a daemon that holds a read for over 5 s; the late answer reaches nobody."""
    pid = await hub.pid()
    async with on_air(air.transport) as device:
        async with connect(device) as link, asyncio.TaskGroup() as tasks:
            await guest.run("kill", "-STOP", str(pid))
            reading = tasks.create_task(_refused(link.read_info()))
            await asyncio.sleep(6)
            await guest.run("kill", "-CONT", str(pid))
            assert await reading
        async with connect(device) as link:
            report = await Session(link, phones[0]).run(1)
            assert report.verdict is not None
            assert report.verdict.allowed
    assert await hub.pid() == pid


async def _refused(reading: object) -> bool:
    from hubd.errors import LinkError

    try:
        await reading  # type: ignore[misc]
    except LinkError:
        return True
    return False
