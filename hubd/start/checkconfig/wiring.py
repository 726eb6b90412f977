"""The GPIO lines that a configuration names: whether they are there, which pins they really are,
and who has them.

Laws: no line is requested, so a hub may run meanwhile; two names of one pin are one pin; what a
technician compares with the wiring is shown: chip, label, offset and the line's own name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gpiod

from drivers.gpio.lines import FoundLine, OpenChip, look
from hubcore.errors import HardwareError
from hubd.config.file import Config
from hubd.start.checkconfig.page import Finding, FindingKind, found
from hubd.upkeep.checks import CheckId

HEADER_LABELS = ("pinctrl-rp1", "pinctrl-bcm2711", "pinctrl-bcm2835")
"""The chips behind the 40 pins of a Raspberry Pi: 5, 4, and 3 or older."""
PLACEHOLDER = "CHANGE-ME"
"""The chip in a configuration that was made before anybody knew the wiring (hubsim site export)."""
OURS = "hubd-"
"""How the consumers of hubd's own requests begin."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    door: str
    role: str
    chip: str
    line: str | int

    def __str__(self) -> str:
        return f"{self.role} of door {self.door}"


def findings(
    config: Config, devices: Path = Path("/dev"), open_chip: OpenChip = gpiod.Chip
) -> Iterator[Finding]:
    """Yield what is found of every line."""
    headers = _header_chips(devices, open_chip)
    seen: dict[tuple[str, int], _Wanted] = {}
    for wanted in _wanted(config):
        about = f"door {wanted.door}"
        if wanted.chip == PLACEHOLDER:
            yield _to_be_replaced(wanted)
            continue
        try:
            pin = look(wanted.chip, wanted.line, str(wanted).capitalize(), devices, open_chip)
        except HardwareError as error:
            yield Finding(FindingKind.UNAVAILABLE, about, str(error))
            continue
        shown = _shown(pin)
        yield Finding(FindingKind.FACT, about, f"{wanted.role} on {shown}")
        other = seen.setdefault((pin.chip, pin.offset), wanted)
        if other is not wanted:
            yield found(CheckId.LINE_SHARED, about, line=wanted, other=other, pin=shown)
        if pin.used and not pin.consumer.startswith(OURS):
            consumer = pin.consumer or "an unnamed consumer"
            yield found(CheckId.LINE_IN_USE, about, line=wanted, pin=shown, consumer=consumer)
        if headers and pin.label not in headers:
            yield found(
                CheckId.LINE_NOT_OF_HEADER,
                about,
                line=wanted,
                chip=pin.label,
                header=" or ".join(headers),
            )


def to_be_replaced(config: Config) -> Iterator[Finding]:
    """Yield the lines whose chip nobody has named yet; needs no right to look at chips."""
    for wanted in _wanted(config):
        if wanted.chip == PLACEHOLDER:
            yield _to_be_replaced(wanted)


def _to_be_replaced(wanted: _Wanted) -> Finding:
    return found(
        CheckId.LINE_NOT_NAMED, f"door {wanted.door}", line=wanted, placeholder=PLACEHOLDER
    )


def _wanted(config: Config) -> Iterator[_Wanted]:
    for door in config.doors:
        for role, _, line in door.lines():
            yield _Wanted(
                door=door.id,
                role=role,
                chip=line.chip,
                line=line.line,
            )


def _shown(found: FoundLine) -> str:
    name = f" named {found.name!r}" if found.name else " without a name"
    return f"{found.chip} (label {found.label}), line {found.offset}{name}"


def _header_chips(devices: Path, open_chip: OpenChip) -> list[str]:
    """Return the labels of the chips here that are known to be behind a board's header."""
    labels = set[str]()
    for path in sorted(devices.glob("gpiochip*")):
        try:
            with open_chip(str(path)) as chip:
                labels.add(chip.get_info().label)
        except OSError:
            continue  # not for us to open: a line on it says so
    return [label for label in HEADER_LABELS if label in labels]
