"""The GPIO lines that a configuration names: whether they exist, which pins they are, who has them.

Laws:
1. No line is requested, so a hub may run meanwhile.
2. Two names of one pin are one pin.
3. What a technician compares with the wiring is shown: chip, label, offset, the line's own name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drivers.gpio.lines import FoundLine, OpenChip, look_at_line
from hubcore.checks import CheckId
from hubcore.errors import HardwareError
from hubd.config.doors import FIRE
from hubd.config.file import Config
from hubd.config.movers import Maglock
from hubd.wiring.look.finding import Finding, FindingKind, fact, found
from hubd.wiring.look.world import World

HEADER_LABELS = ("pinctrl-rp1", "pinctrl-bcm2711", "pinctrl-bcm2835")
"""The chips behind the 40 pins of a Raspberry Pi: 5, 4, and 3 or older."""
BOARDS_OWN = ("gpio-brcmstb@", "raspberrypi-exp-gpio", "brcmvirt-gpio")
"""How the labels of chips begin that such a board has for itself: no pin of theirs is wired to a
door. A chip of any other label is an expander that somebody has added.
"""
PLACEHOLDER = "CHANGE-ME"
"""The chip in a configuration that was made before anybody knew the wiring (hubsim site export)."""
OURS = "hubd-"
"""How the consumers of hubd's own requests begin."""


@dataclass(frozen=True, slots=True)
class _NamedLine:
    """A line as the configuration names it."""

    door: str
    role: str
    chip: str
    line: str | int

    def __str__(self) -> str:
        return f"{self.role} of door {self.door}"

    @property
    def about(self) -> str:
        """How its findings begin."""
        return f"door {self.door}"


def look(config: Config, world: World) -> Iterator[Finding]:
    """Yield what is found of every line."""
    yield from _maglocks(config)
    headers = _header_chips(world.devices, world.open_chip)
    seen: dict[tuple[str, int], _NamedLine] = {}
    for line in _lines(config):
        if line.chip == PLACEHOLDER:
            yield _unnamed(line)
            continue
        name = str(line).capitalize()
        try:
            pin = look_at_line(line.chip, line.line, name, world.devices, world.open_chip)
        except HardwareError as error:
            yield Finding(FindingKind.UNAVAILABLE, line.about, str(error))
            continue
        yield fact(line.about, f"{line.role} on {_shown(pin)}")
        other = seen.setdefault((pin.chip, pin.offset), line)
        is_shared_fire = line.role == other.role == FIRE
        if other is not line and not is_shared_fire:
            shown = _shown(pin)
            yield found(CheckId.LINE_SHARED, line.about, line=line, other=other, pin=shown)
        yield from _pin_is_wrong(line, pin, headers)


def _maglocks(config: Config) -> Iterator[Finding]:
    """Yield what each maglock does without power: the installer must want that."""
    for door in config.doors:
        for mover in door.moved_by:
            if isinstance(mover, Maglock):
                yield fact(
                    f"door {door.id}",
                    f"maglock {mover.id} is fail-safe: without power the door is open, and so it "
                    "is while no strike guard runs, as after the end of hubd",
                )


def _pin_is_wrong(line: _NamedLine, pin: FoundLine, headers: list[str]) -> Iterator[Finding]:
    """Yield what is wrong with the pin of a line, whatever the other lines are."""
    if pin.used and not pin.consumer.startswith(OURS):
        yield found(
            CheckId.LINE_IN_USE,
            line.about,
            line=line,
            pin=_shown(pin),
            consumer=pin.consumer or "an unnamed consumer",
        )
    if headers and pin.label.startswith(BOARDS_OWN):
        yield found(
            CheckId.LINE_NOT_OF_HEADER,
            line.about,
            line=line,
            chip=pin.label,
            header=" or ".join(headers),
        )


def unnamed(config: Config) -> Iterator[Finding]:
    """Yield the lines whose chip nobody has named yet; needs no right to look at chips."""
    for line in _lines(config):
        if line.chip == PLACEHOLDER:
            yield _unnamed(line)


def _unnamed(line: _NamedLine) -> Finding:
    return found(CheckId.LINE_NOT_NAMED, line.about, line=line, placeholder=PLACEHOLDER)


def _lines(config: Config) -> Iterator[_NamedLine]:
    for door in config.doors:
        for wired in door.lines():
            yield _NamedLine(
                door=door.id,
                role=wired.role,
                chip=wired.line.chip,
                line=wired.line.line,
            )


def _shown(pin: FoundLine) -> str:
    name = f" named {pin.name!r}" if pin.name else " without a name"
    return f"{pin.chip} (label {pin.label}), line {pin.offset}{name}"


def _header_chips(devices: Path, open_chip: OpenChip) -> list[str]:
    """Return the labels of the chips here that are known to be behind a board's header."""
    labels = set[str]()
    for path in sorted(devices.glob("gpiochip*")):
        try:
            with open_chip(str(path)) as chip:
                labels.add(chip.get_info().label)
        except OSError:
            continue  # hubd may not open it: a line on it says so
    return [label for label in HEADER_LABELS if label in labels]
