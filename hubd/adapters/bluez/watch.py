"""What is watched of a generation: that bluetoothd answers, its settings, what is paired, whether
rfkill holds it.

Laws: a bluetoothd that says no is there, one that says nothing twice in a row is not; rfkill is
believed as the kernel shows it, for bluetoothd does not always name it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hubcore.errors import LinkError
from hubd.adapters.bluez.bus import DEVICE, Bluez, BluezError
from hubd.adapters.bluez.settings import complaint

PEER = "org.freedesktop.DBus.Peer"


async def answers(bluez: Bluez, ping_seconds: float) -> None:
    """Ask bluetoothd every `ping_seconds` whether it is there; raise LinkError when it is not."""
    while True:
        await asyncio.sleep(ping_seconds)
        try:
            await _ping(bluez)
        except LinkError:
            await _ping(bluez)


async def _ping(bluez: Bluez) -> None:
    with suppress(BluezError):
        await bluez.call("/", PEER, "Ping")


async def settings(
    bluez: Bluez, adapter: str, complain: Callable[[str], None], look_seconds: float
) -> None:
    """Look now and every `look_seconds`: an answer that did not come, or a file that was changed,
    is seen then.
    """
    while True:
        complain(await complaint(bluez, adapter))
        await asyncio.sleep(look_seconds)


async def pairings(bluez: Bluez, adapter: str, complain: Callable[[str], None]) -> None:
    """Say what is paired with the adapter, now and each time that changes.

    Raise LinkError when bluetoothd has gone.
    """
    said: str | None = None

    def news() -> str | None:
        now = _paired(bluez, adapter)
        return now if now != said else None

    while True:
        said = await bluez.until(news)
        complain(said)


def _paired(bluez: Bluez, adapter: str) -> str:
    """Count by `Bonded`: of `Paired` BlueZ says nothing when it may not look at the device's
    services, as on a hub.
    """
    devices = [interfaces.get(DEVICE, {}) for interfaces in bluez.objects.values()]
    count = sum(bool(one.get("Bonded")) and one.get("Adapter") == adapter for one in devices)
    if count:
        return (
            f"{count} device{'s are' if count > 1 else ' is'} paired with this hub, which pairs "
            "with none."
        )
    return ""


def is_blocked(adapter: str, rfkill: Path) -> bool:
    """Whether rfkill holds the adapter at this D-Bus path, by software or by a switch; False when
    it cannot be seen.

    `rfkill` is the folder in which the kernel shows it.

    See the kernel's Documentation/ABI/stable/sysfs-class-rfkill.
    """
    try:
        switches = list((rfkill / adapter.rpartition("/")[2]).glob("rfkill*"))
        return any(
            (one / name).read_text().strip() == "1" for one in switches for name in ("soft", "hard")
        )
    except OSError:
        return False
