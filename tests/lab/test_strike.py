"""Whatever becomes of the daemon, a strike that it drove falls back.

The pulses are longer than the cases that end them, and on a chip that keeps what was driven when
its holder dies, as some kernels do: neither the pulse's own end nor the kernel can pass for what
the hub does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable

import pytest
import pytest_asyncio

from hubcore.errors import LinkError
from hubsim.phone.attempt import Session
from hubsim.phone.radio import connect, on_air
from hubsim.phone.wallet import Wallet
from lab.guest import Guest
from lab.hub import CHIP, LINES, LabHub
from tests.lab.conftest import AirAddress, allowed
from tests.lab.unitfile import chip_that_outlives, drop_in, edit, put_back, tells, until

LINE = 3
CAP_SECONDS = 10.0
"""What a hub has for `strike_cap_seconds` unless it is told otherwise."""
PULSE_SECONDS = 30.0
SHORT_PULSE_SECONDS = 5.0
GUARD_ALONE = "[Service]\nRestart=no\nKillMode=process\nExecStopPost=\n"
"""systemd does nothing when the daemon has died."""


@pytest_asyncio.fixture(loop_scope="session")
async def keeping(hub: LabHub, guest: Guest) -> AsyncIterator[LabHub]:
    """The hub, stopped, with pulses of PULSE_SECONDS on line LINE by a chip that keeps what was
    driven last.
    """
    async with chip_that_outlives(guest, LINE) as chip:
        try:
            await guest.run("systemctl", "stop", "hubd")
            await edit(
                hub,
                f'strike = {{ chip = "{CHIP}", line = 0 }}',
                f'strike = {{ chip = "{chip}", line = 0 }}',
            )
            seconds = f"strike_seconds = {PULSE_SECONDS}\nstrike_cap_seconds = {PULSE_SECONDS}"
            await edit(hub, "strike_seconds = 1.0", seconds)
            yield hub
        finally:
            await put_back(hub)


async def _release(air: AirAddress, wallet: Wallet) -> None:
    """Have the strike driven."""
    async with on_air(air.transport) as device, connect(device) as link:
        assert allowed(await Session(link, wallet).run(1))


async def _blow(guest: Guest, signal: str, pid: int) -> None:
    """Send a signal to the daemon, whose strike is driven at that moment; return when one that is
    to stop it has.
    """
    script = f"read driven <{LINES}/sim_gpio{LINE}/value; kill -{signal} {pid}"
    assert (await guest.run("sh", "-c", f"{script}; echo $driven")).out.strip() == "1", (
        "the strike was not driven"
    )
    if signal == "STOP":
        stopped = f"until grep -q '^State:.T' /proc/{pid}/status; do sleep 0.02; done"
        await guest.run("timeout", "5", "sh", "-c", stopped)


async def _falls_back(hub: LabHub, seconds: float) -> None:
    ends = time.monotonic() + seconds
    while await hub.strike(LINE):
        assert time.monotonic() < ends, "the strike is still driven"
        await asyncio.sleep(0.1)


async def _state(guest: Guest, pid: int) -> str:
    """Return a process's state as the kernel shows it, "" when there is none: "T" is stopped."""
    shown = await guest.run(
        "sed", "-n", r"s/^State:\s*\(.\).*/\1/p", f"/proc/{pid}/status", check=False
    )
    return shown.out.strip()


@pytest.mark.parametrize("settings", ["", GUARD_ALONE], ids=["as shipped", "the guard alone"])
async def test_daemon_killed_in_a_pulse(
    keeping: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet], settings: str
) -> None:
    await drop_in(guest, settings)
    await keeping.start()
    await _release(air, phones[0])
    pid = await keeping.pid()
    await _blow(guest, "KILL", pid)
    await _falls_back(keeping, CAP_SECONDS)
    assert await keeping.pid() in (0, pid), "only the next daemon drove it inactive"
    if not settings:
        await keeping.start()  # what the dead one had, the next one takes up
        await _release(air, phones[0])


async def test_all_killed_in_a_pulse(
    keeping: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    """ExecStopPost= is what ends it: without, the line stays driven.

    Nothing is started again here.
    """
    for settings, still_driven in (("Restart=no\nExecStopPost=\n", True), ("Restart=no\n", False)):
        await drop_in(guest, "[Service]\n" + settings)
        await keeping.start()
        await _release(air, phones[0])
        assert await keeping.strike(LINE)
        before = await keeping.journal_ends()
        # all at once
        await guest.run("sh", "-c", "echo 1 >/sys/fs/cgroup/system.slice/hubd.service/cgroup.kill")
        await until(guest, "ActiveState", "failed")
        assert await keeping.strike(LINE) is still_driven
        said = await keeping.journal_after(before)
        assert ("strikes driven inactive: 1 of 1" in said) is not still_driven, said


async def _guards(keeping: LabHub, guest: Guest) -> list[str]:
    """Return the guards of the daemon: the oldest holds the lines, the other waits."""
    ends = time.monotonic() + CAP_SECONDS
    while (
        len(
            found := (
                await guest.run(
                    "pgrep", "-P", str(await keeping.pid()), "-f", "drivers.strike.guard"
                )
            ).out.split()
        )
        != 2
    ):
        assert time.monotonic() < ends, f"guards: {found}"
        await asyncio.sleep(0.1)
    return sorted(found, key=int)


@pytest.mark.parametrize("both", [False, True], ids=["one guard", "both guards"])
async def test_guards_killed_in_a_pulse_when_nothing_can_be_opened(
    keeping: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet], both: bool
) -> None:
    """The guard that waits takes over; without one the daemon ends, so that ExecStopPost= comes."""
    await drop_in(guest, "[Service]\nRestart=no\n")
    await keeping.start()
    guards = await _guards(keeping, guest)
    pid = await keeping.pid()
    await _release(air, phones[0])
    before = await keeping.journal_ends()
    await guest.run("prlimit", f"--pid={pid}", "--nofile=3:3")
    if both:
        await guest.run("kill", "-KILL", guards[1])
    await _blow(guest, "KILL", int(guards[0]))
    await _falls_back(keeping, PULSE_SECONDS / 2)
    if not both:
        assert await keeping.pid() == pid
        return
    await until(guest, "ActiveState", "failed")
    said = await keeping.journal_after(before)
    assert "no guard could be had" in said, said
    assert "strikes driven inactive: 1 of 1" in said, said
    assert await tells(guest, "ExecMainStatus") == "69"


async def test_a_frozen_daemon_puts_off_no_pulses_end(
    keeping: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    await edit(
        keeping, f"strike_seconds = {PULSE_SECONDS}\n", f"strike_seconds = {SHORT_PULSE_SECONDS}\n"
    )
    await keeping.start()
    pid = await keeping.pid()
    await _release(air, phones[0])
    await _blow(guest, "STOP", pid)
    await _falls_back(keeping, CAP_SECONDS)
    assert await _state(guest, pid) == "T"
    await guest.run("kill", "-CONT", str(pid))
    await _release(air, phones[0])
    assert await keeping.pid() == pid


async def test_a_frozen_daemon_is_replaced(
    keeping: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    """The watchdog ends what the daemon had begun, before its pulse ends."""
    await keeping.start()
    pid = await keeping.pid()
    await _release(air, phones[0])
    began = time.monotonic()
    await _blow(guest, "STOP", pid)
    assert await _state(guest, pid) == "T"
    assert await keeping.strike(LINE)
    await _falls_back(keeping, PULSE_SECONDS)
    # dead; systemd may not have buried it yet
    assert await _state(guest, pid) != "T", "the pulse has ended by itself"
    assert time.monotonic() - began < PULSE_SECONDS
    await until(guest, "ActiveState", "active")
    assert await keeping.pid() != pid
    assert await tells(guest, "NRestarts") == "1"
    await keeping.start()
    await _release(air, phones[0])


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
            assert allowed(await Session(link, phones[0]).run(1))
    assert await hub.pid() == pid


async def _refused(reading: Awaitable[bytes]) -> bool:
    try:
        await reading
    except LinkError:
        return True
    return False
