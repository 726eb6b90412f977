"""What cases change of hubd.service and its configuration, how it is put back, and what systemd
says of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lab.guest import Guest
from lab.hub import CHIP, LabHub

PATIENCE_SECONDS = 30.0
CONFIG = "/etc/hubd/hubd.toml"
DROP_IN = "/run/systemd/system/hubd.service.d/case.conf"


async def put_back(hub: LabHub) -> None:
    """Stop the hub and put everything back as the other cases want it."""
    await hub.guest.run("systemctl", "stop", "hubd", check=False)
    await hub.guest.run("rm", "-f", DROP_IN)
    await hub.install()


async def drop_in(guest: Guest, text: str) -> None:
    """Change the unit."""
    await guest.put(DROP_IN, text.encode())
    await guest.run("systemctl", "daemon-reload")


async def edit(hub: LabHub, old: str, new: str) -> None:
    """Change the configuration as an installer does."""
    text = (await hub.guest.run("cat", CONFIG)).out
    assert old in text
    await hub.guest.put(CONFIG, text.replace(old, new).encode())


async def tells(guest: Guest, name: str, unit: str = "hubd") -> str:
    """Return a property of a unit."""
    return (await guest.run("systemctl", "show", "-P", name, unit)).out.strip()


async def until(guest: Guest, name: str, value: str, unit: str = "hubd") -> None:
    """Wait until systemd says so."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while (found := await tells(guest, name, unit)) != value:
        assert time.monotonic() < ends, f"{name} of {unit} is {found}, not {value}"
        await asyncio.sleep(0.1)


async def journal_says(hub: LabHub, since: str, part: str) -> str:
    """Wait until the hub's journal says something beyond a cursor; return all that it says
    there.
    """
    ends = time.monotonic() + PATIENCE_SECONDS
    while part not in (said := await hub.journal_after(since)):
        assert time.monotonic() < ends, (
            f"the journal does not say {part!r}:\n{await hub.journal(200)}"
        )
        await asyncio.sleep(0.1)
    return said


@asynccontextmanager
async def chip_that_outlives(guest: Guest, line: int) -> AsyncIterator[str]:
    """A chip whose only line is a line of the simulator, and keeps what was driven last when its
    holder dies.
    """
    driver = "/sys/bus/platform/drivers/gpio-aggregator"
    ask = f"import gpiod; print(gpiod.Chip('{CHIP}').get_info().label)"
    label = (await guest.run("/opt/hubd/bin/python", "-c", ask)).out.strip()
    await guest.run("sh", "-c", f"echo '{label} {line}' >{driver}/new_device")
    chip = (
        await guest.run("sh", "-c", f"cd {driver}/gpio-aggregator.0; ls -d gpiochip[0-9]*")
    ).out.strip()
    await guest.run("sh", "-c", f"chgrp gpio /dev/{chip}; chmod 660 /dev/{chip}")
    try:
        yield f"/dev/{chip}"
    finally:
        await guest.run("sh", "-c", f"echo gpio-aggregator.0 >{driver}/delete_device")
