"""What is watched in a session: whether bluetoothd answers, its settings, pairings, rfkill.

Laws:
1. A bluetoothd that says no is there. One that says nothing twice in a row is not.
2. rfkill is believed as the kernel shows it: bluetoothd does not always name it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hubcore.errors import LinkError
from hubd.adapters.bluez.bus import Bluez, BluezError, Method
from hubd.adapters.bluez.mirror import DEVICE
from hubd.adapters.bluez.settings import complaint

PING = Method("org.freedesktop.DBus.Peer", "Ping")

Complain = Callable[[str], None]
"""Takes what is wrong, "" when nothing is."""


async def watch_answers(bluez: Bluez, ping_seconds: float) -> None:
    """Ask bluetoothd every `ping_seconds` whether it is there; raise LinkError when it is not."""
    while True:
        await asyncio.sleep(ping_seconds)
        try:
            await _ping(bluez)
        except LinkError:
            await _ping(bluez)


async def _ping(bluez: Bluez) -> None:
    with suppress(BluezError):
        await bluez.call("/", PING)


async def watch_settings(
    bluez: Bluez,
    adapter: str,
    complain: Complain,
    look_seconds: float,
) -> None:
    """Look now and every `look_seconds`.

    An answer that did not come, or a file that was changed, is seen the next time.
    """
    while True:
        what = await complaint(bluez, adapter)
        complain(what)
        await asyncio.sleep(look_seconds)


async def watch_pairings(bluez: Bluez, adapter: str, complain: Complain) -> None:
    """Say what is paired with the adapter, now and each time that changes.

    Raise LinkError when bluetoothd has gone.
    """
    reported: str | None = None

    def change() -> str | None:
        present = _paired(bluez, adapter)
        return None if present == reported else present

    while True:
        reported = await bluez.until(change)
        complain(reported)


def _paired(bluez: Bluez, adapter: str) -> str:
    """Return a sentence when devices are paired, else "".

    They are counted by `Bonded`: of `Paired` BlueZ says nothing when it may not look at the
    device's services, as on a hub.
    """
    count = 0
    for interfaces in bluez.objects.values():
        device = interfaces.get(DEVICE, {})
        if device.get("Bonded") and device.get("Adapter") == adapter:
            count += 1
    if count == 0:
        return ""
    devices = "1 device is" if count == 1 else f"{count} devices are"
    return f"{devices} paired with this hub, which pairs with none."


def is_blocked(adapter: str, rfkill: Path) -> bool:
    """Tell whether rfkill holds the adapter at this D-Bus path, by software or by a switch.

    `rfkill` is the folder in which the kernel shows it; False when it cannot be seen. See the
    kernel's Documentation/ABI/stable/sysfs-class-rfkill.
    """
    name = adapter.rpartition("/")[2]
    try:
        for switch in (rfkill / name).glob("rfkill*"):
            for kind in ("soft", "hard"):
                if (switch / kind).read_text().strip() == "1":
                    return True
    except OSError:
        return False
    return False
