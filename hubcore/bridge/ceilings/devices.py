"""Commands of devices by a site: what its own key may order, and up to which ceiling.

Laws:
1. The issuer sets the ceiling, in the mandate of the site's key: which verbs, and of which devices.
   Without one a site commands no device.
2. No ceiling and no order has a verb that opens an entrance (`hubcore.device.remote`). A door stays
   as it is, whatever a site orders of a device.
3. A command holds a device, a verb and a level. Who ordered it stands beside it in the order, and
   never goes to a device.

Shape of a ceiling: `[[verbs], [devices] or null]`; null: every device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hubcore.device.command import DEVICE_ID, Command, Verb
from hubcore.device.remote import OPENS_DOORS
from hubcore.errors import ProofError

DEVICES_MAX = 16
"""Devices that a ceiling names: a mandate has a ceiling of its own."""
VERBS = tuple(verb for verb in Verb if verb not in OPENS_DOORS)
"""What a site may order of a device."""


@dataclass(frozen=True, slots=True)
class DeviceCeiling:
    """Which verbs a site may order, rising; `devices` None: of every device."""

    verbs: tuple[Verb, ...]
    devices: tuple[str, ...] | None = None


def write_ceiling(ceiling: DeviceCeiling) -> list[Any]:
    """Return a ceiling as a mandate holds it."""
    devices = None if ceiling.devices is None else list(ceiling.devices)
    return [[int(verb) for verb in ceiling.verbs], devices]


def read_ceiling(value: Any) -> DeviceCeiling:
    """Read the ceiling of a mandate. Raise ProofError."""
    match value:
        case [list() as verbs, None] if _are_verbs(verbs):
            return DeviceCeiling(tuple(map(Verb, verbs)))
        case [list() as verbs, list() as devices] if _are_verbs(verbs) and _are_devices(devices):
            return DeviceCeiling(tuple(map(Verb, verbs)), tuple(devices))
    raise ProofError("mandate: its devices are no [[verbs], [devices] or null]")


def write_command(command: Command) -> list[Any]:
    """Return a command as an order holds it, behind the number of its kind."""
    return [command.device, int(command.verb), command.level]


def read_command(device: Any, verb: Any, level: Any) -> Command:
    """Read the command of an order. Raise ProofError."""
    if type(device) is not str or type(level) not in (int, type(None)):
        raise ProofError("site order: a device or a level is none")
    if type(verb) is not int or verb not in set(Verb):
        raise ProofError("site order: no device is told such a thing")
    try:
        return Command(device, Verb(verb), level)
    except ValueError as error:
        raise ProofError(f"site order: {error}") from error


def check_command(command: Command) -> None:
    """Raise ProofError for a command that no site orders (law 2)."""
    if command.verb in OPENS_DOORS:
        raise ProofError("site order: a door is opened at its access point, never as a device")


def check_ceiling(command: Command, ceiling: DeviceCeiling | None) -> None:
    """Raise ProofError for a command above the ceiling (law 1)."""
    if ceiling is None:
        raise ProofError("the mandate of the site's key is for no devices")
    if command.verb not in ceiling.verbs:
        raise ProofError(f"the mandate of the site's key is not for {command.verb.name} of devices")
    if ceiling.devices is not None and command.device not in ceiling.devices:
        raise ProofError(f"the mandate of the site's key is not for device {command.device}")


def _are_verbs(values: list[Any]) -> bool:
    known = all(type(one) is int and one in set(VERBS) for one in values)
    return known and bool(values) and values == sorted(set(values))


def _are_devices(values: list[Any]) -> bool:
    known = all(type(one) is str and DEVICE_ID.fullmatch(one) for one in values)
    return known and 0 < len(values) <= DEVICES_MAX and len(set(values)) == len(values)
