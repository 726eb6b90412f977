"""The desk's hub on bless, on BlueZ in a guest: as far as bless can be proved without macOS and
Windows.

One phone at a time: a simulated one and a laptop with bleak, one after the other.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from hubcore.access.grant import Access
from hubsim import site as sites
from hubsim.phone import wallet
from hubsim.site import Site
from lab.guest import Guest
from lab.hub import LabHub
from tests.lab import unlocking
from tests.lab.conftest import AirAddress
from tests.lab.test_bleak import HUBSIM, take_phone, unlock

DESK = "/root/desk"
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Desk:
    """The hub's site, and the unit that it runs as in the guest: new each time, for a journal of
    its own.
    """

    site: Site
    unit: str


async def _journal(guest: Guest, desk: Desk) -> str:
    return (await guest.run("journalctl", "-u", desk.unit, "-o", "cat", "--no-pager")).out


async def _up(guest: Guest, desk: Desk, times: int, part: str = "radio") -> None:
    """Wait until a part of the desk's hub has come up so many times: its radio is on air then."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await _journal(guest, desk)).count(f'"part":"{part}","up":true') < times:  # noqa: ASYNC110 -- in the guest
                await asyncio.sleep(0.3)
    except TimeoutError:
        pytest.fail(
            f"the {part} of the desk's hub does not come up:\n{await _journal(guest, desk)}"
        )


@pytest_asyncio.fixture(loop_scope="session")
async def desk(installed: LabHub, tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk's hub that runs on bless, in the guest whose real hub is stopped."""
    guest = installed.guest
    await guest.run("systemctl", "stop", "hubd", check=False)
    made = sites.init(tmp_path / "desk")
    sites.write_config(made, "tcp://127.0.0.1:8871", [sites.DeskDoor()])
    await guest.run("rm", "-rf", DESK)
    for file in (made.path / "site.json", *made.hub.iterdir()):
        await guest.put(f"{DESK}/{file.relative_to(made.path)}", file.read_bytes(), 0o600)
    desk = Desk(made, f"desk-hub-{uuid.uuid4().hex}")
    argv = (*HUBSIM, "hub", "--at", DESK, "--radio", "bless")
    await guest.run(
        "systemd-run", f"--unit={desk.unit}", "--collect", "-p", "KillMode=mixed", *argv
    )
    try:
        for part in ("strikes", "radio"):
            await _up(guest, desk, 1, part)
        yield desk
    finally:
        await guest.run("systemctl", "stop", desk.unit, check=False)


async def test_a_simulated_phone_and_a_laptop_unlock_one_after_the_other(
    desk: Desk, guest: Guest, laptop: Guest, air: AirAddress
) -> None:
    mine = wallet.load(desk.site.grant("anna", [Access(1, sites.OPEN_AND_QUERY, ())]))
    await laptop.run("rm", "-rf", "/root/site")
    await take_phone(laptop, desk.site, "laura")
    assert [(await unlocking.unlock(air, mine)).short for _ in range(2)] == [False, True], (
        await _journal(guest, desk)
    )
    for way in ("full", "short"):
        done = await unlock(laptop, "laura")
        assert done.out.startswith(f"allowed ({way} path, "), (
            f"{done}\n{await _journal(guest, desk)}"
        )
    assert (await unlocking.unlock(air, mine)).short, "a ticket serves whoever came between"


async def test_bluetoothd_restarted_and_the_hub_is_on_air_again(
    desk: Desk, guest: Guest, air: AirAddress
) -> None:
    mine = wallet.load(desk.site.grant("anna", [Access(1, sites.OPEN_AND_QUERY, ())]))
    assert not (await unlocking.unlock(air, mine)).short
    descriptors = await _descriptors(guest, desk)
    for times in (2, 3):
        await guest.run("systemctl", "restart", "bluetooth")
        await _up(guest, desk, times)
    assert (await unlocking.unlock(air, mine)).short
    assert await _descriptors(guest, desk) <= descriptors


async def _descriptors(guest: Guest, desk: Desk) -> int:
    pid = await guest.main_pid(desk.unit)
    return int((await guest.run("sh", "-c", f"ls /proc/{pid}/fd | wc -l")).out)
