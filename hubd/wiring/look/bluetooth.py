"""Whether this machine has what a Bluetooth radio needs: bluetoothd, and an adapter that is fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hubcore.checks import CheckId
from hubcore.errors import HardwareError
from hubd.config.radio import Bluez
from hubd.wiring.look import bluezversion
from hubd.wiring.look.finding import Finding, fact, found
from hubd.wiring.look.world import World

ABOUT = "bluetooth"
_ASK_SYSTEMD = ["systemctl", "show", "--property=LoadState,ActiveState", "bluetooth.service"]


def look(section: Bluez, world: World) -> Iterator[Finding]:
    """Look for bluetoothd, for an adapter, and for the one of the configuration."""
    try:
        done = world.run(_ASK_SYSTEMD)
    except HardwareError as error:
        yield found(CheckId.BLUETOOTHD_UNKNOWN, ABOUT, said=error)
        return
    if done.returncode:
        said = " ".join(done.stderr.split())
        yield found(CheckId.BLUETOOTHD_UNKNOWN, ABOUT, said=said)
        return
    properties = _properties(done.stdout)
    adapters = _adapters(world.sys)
    if check := _what_is_wrong(properties, adapters):
        yield found(check, ABOUT)
    elif said := world.ask_bluez(section.adapter):
        yield found(CheckId.ADAPTER_UNFIT, ABOUT, said=said)
    else:
        yield fact(ABOUT, f"bluetoothd runs, adapters: {', '.join(adapters)}")
    yield from bluezversion.look(world)


def _properties(text: str) -> dict[str, str]:
    """Read NAME=VALUE a line."""
    properties: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            properties[name] = value
    return properties


def _adapters(sys: Path) -> list[str]:
    """Return the adapters that the kernel has; `hci0:11` is a connection of one."""
    names = [path.name for path in sys.glob("class/bluetooth/hci*")]
    return sorted(name for name in names if ":" not in name)


def _what_is_wrong(properties: Mapping[str, str], adapters: Sequence[str]) -> CheckId | None:
    """Return the check that fails; `properties` are those of bluetooth.service."""
    load_state = properties.get("LoadState")
    if load_state == "not-found":
        return CheckId.BLUETOOTHD_MISSING
    if load_state == "masked":
        return CheckId.BLUETOOTHD_MASKED
    if not adapters:
        return CheckId.ADAPTER_MISSING
    if properties.get("ActiveState") != "active":
        return CheckId.BLUETOOTHD_STOPPED
    return None
