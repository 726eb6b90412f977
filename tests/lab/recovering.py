"""What the hub says of its radio while things below it are killed and pulled, and the bound for its
coming back.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from lab.hub import LabHub

RECOVERY_SECONDS = 5.0
PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class RadioReport:
    """What the hub last said of its radio, and why; `which` differs from one saying to the next."""

    up: bool
    why: str
    which: str


async def radio_report(hub: LabHub) -> RadioReport:
    """Return what the hub last said of its radio."""
    argv = (
        "journalctl",
        "-u",
        "hubd",
        "-g",
        '"part":"radio"',
        "-n",
        "1",
        "-o",
        "json",
        "--no-pager",
    )
    entry = json.loads((await hub.guest.run(*argv)).out.splitlines()[-1])
    said = json.loads(entry["MESSAGE"])
    return RadioReport(said["up"], said["why"], entry["__CURSOR"])


async def says(hub: LabHub, what: str) -> None:
    """Wait until what the hub last said of its radio has this in it."""
    there = f"journalctl -u hubd -g '\"part\":\"radio\"' -n 1 -o cat | grep -qF '{what}'"
    argv = ("timeout", f"{PATIENCE_SECONDS:.0f}", "sh", "-c", f"until {there}; do sleep 0.1; done")
    done = await hub.guest.run(*argv, seconds=PATIENCE_SECONDS * 2, check=False)
    assert done.status == 0, f"not said: {what}\n{await hub.story()}"


async def notices(hub: LabHub) -> None:
    """Wait until the hub has said that its radio is gone."""
    await says(hub, '"up":false')


async def back(
    hub: LabHub, before: RadioReport, patience_seconds: float = PATIENCE_SECONDS
) -> float:
    """Wait until the hub has said, after `before`, that it is on air; return the seconds from the
    call, or those of the patience when that is over.
    """
    began = time.monotonic()
    took = 0.0
    now = await radio_report(hub)
    while took < patience_seconds and (now.which == before.which or not now.up):
        await asyncio.sleep(0.1)
        now = await radio_report(hub)
        took = time.monotonic() - began
    return took


@asynccontextmanager
async def recovers(hub: LabHub) -> AsyncIterator[None]:
    """Do the damage inside; the hub must notice it, and be on air again in time, counted from the
    end of the block.
    """
    before = await radio_report(hub)
    yield
    took = await back(hub, before)
    assert took < RECOVERY_SECONDS, f"on air again only after {took:.1f} s:\n{await hub.story()}"
