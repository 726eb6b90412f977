"""An independent radio: BlueZ's own emulator in the guest in place of bumble's controllers, with
one phone on it.

Laws:
1. The emulator serves one connection at a time: each gets the same handle.
2. The kernel gives a controller up that is slow to answer its first commands, as an emulator is on
   a busy machine, and BlueZ then has no adapter. The emulator is started again for that reason
   alone, before the hub starts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from hubsim.site import Site
from lab.errors import LabError
from lab.guest import Guest
from lab.hub import LabHub
from tests.lab.conftest import booted

EMULATOR = "/usr/bin/btvirt"
SOCKET = "/tmp/bt-server-bredrle"
UNLOCK_SECONDS = 40.0
ADAPTER_SECONDS = 20
EMULATORS_MAX = 3
_ADAPTER = "until bluetoothctl list | grep -q Controller; do sleep 0.2; done"


async def emulate(guest: Guest) -> None:
    """Start the emulator; return when BlueZ has its adapter.

    Raise LabError when it has none from EMULATORS_MAX of them.
    """
    emulator = (EMULATOR, "-L", "-l1", "-s")
    start = ("systemd-run", "--unit=lab-btvirt", "--collect", "-p", "KillSignal=SIGKILL")
    for _ in range(EMULATORS_MAX):
        await guest.run(*start, *emulator)
        wait = ("timeout", str(ADAPTER_SECONDS), "sh", "-c", _ADAPTER)
        waited = await guest.run(*wait, seconds=2.0 * ADAPTER_SECONDS, check=False)
        if not waited.status:
            return
        await guest.run("systemctl", "stop", "lab-btvirt")
    raise LabError(f"BlueZ has no adapter from its own emulator:\n{guest.console[-4000:]}")


@pytest_asyncio.fixture(loop_scope="session")
async def emulated(site: Site, tmp_path: Path) -> AsyncIterator[LabHub]:
    """A hub in a guest of its own, whose adapter is the emulator's."""
    async with booted(tmp_path) as guest:
        await emulate(guest)
        hub = LabHub(guest, site)
        await hub.install()
        await hub.start()
        yield hub


async def test_a_long_unlock_and_a_short_one_over_bluez_own_emulator(
    emulated: LabHub, site: Site, phones: list[object]
) -> None:
    guest = emulated.guest
    name = sorted(path.name for path in (site.path / "phones").iterdir())[-1]
    await guest.run("mkdir", "-p", "/run/lab-site")
    await guest.run("mount", "-t", "hostfs", "none", "/run/lab-site", "-o", str(site.path))
    command = "from hubsim.main import main; main()"
    argv = ("phone", "unlock", name, "--at", "/run/lab-site", "--radio", f"unix:{SOCKET}")
    for path in ("full path", "short path"):
        done = await guest.run(
            "/opt/hubd/bin/python", "-c", command, *argv, seconds=UNLOCK_SECONDS, check=False
        )
        assert done.status == 0, f"{done.out}{done.err}{await emulated.story()}"
        assert path in done.out
