"""Asks a bluetoothd that runs for the adapter that the hub would take; nothing is changed there."""

from __future__ import annotations

import asyncio

from hubcore.errors import LinkError
from hubd.adapters.bluez.bus import connected
from hubd.adapters.bluez.choice import choose, missing_adapter

BLUEZ_SECONDS = 8.0


def ask_bluez(wanted: str) -> str:
    """Return what is wrong with the adapter `wanted` of [radio], '' if nothing is."""
    try:
        said = asyncio.run(_ask(wanted))
    except TimeoutError:
        said = "bluetoothd does not answer in time"
    except LinkError as error:
        said = str(error)
    return said.removeprefix("radio: ")


async def _ask(wanted: str) -> str:
    async with asyncio.timeout(BLUEZ_SECONDS), connected(None) as bluez:
        await bluez.appear()
        if choose(bluez.objects, wanted):
            return ""
        return missing_adapter(bluez.objects, wanted)
