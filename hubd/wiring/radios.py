"""The radio: one row for each kind says how it is made, and how --check-config looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from hubcore.checks import Part
from hubcore.phone.beacon import Beacon
from hubcore.ports.radio import Listen, Radio
from hubd.adapters.bluez.plan import RadioNews
from hubd.adapters.bluez.radio import BluezRadio
from hubd.adapters.host.systemd import ask_for_new_bluetoothd
from hubd.adapters.keys.keyfiles import load_beacon
from hubd.config import radio as sections
from hubd.config.file import Config
from hubd.wiring.handed.belongings import Handed
from hubd.wiring.handed.kinds import HandedRadio
from hubd.wiring.look import bluetooth, hearing
from hubd.wiring.look.finding import Finding
from hubd.wiring.look.world import World
from hubd.wiring.parts import TellPart


@dataclass(frozen=True, slots=True)
class RadioKind:
    """What is done with a section of one kind."""

    make: Callable[[Any, Beacon | None, TellPart], Radio]
    look: Callable[[Any, World], Iterator[Finding]]


def bluez(section: sections.Bluez, beacon: Beacon | None, tell: TellPart) -> Radio:
    """A Bluetooth adapter of this machine, behind BlueZ."""
    news = RadioNews(
        lost=partial(tell, Part.RADIO, False),
        settings=lambda amiss: tell(Part.BLUEZ, not amiss, amiss),
        pairing=lambda amiss: tell(Part.PAIRING, not amiss, amiss),
        stuck=ask_for_new_bluetoothd,
    )
    return BluezRadio(section.adapter, news, beacon=beacon, shown_name=section.shown_name)


RADIO_KINDS: Mapping[type[sections.Radio], RadioKind] = {
    sections.Bluez: RadioKind(make=bluez, look=bluetooth.look),
}
"""A row for each kind in `hubd.config.radio.Radio`."""


def make_radio(config: Config, tell: TellPart) -> Radio:
    """Make the radio of the configuration. Raise ConfigError for a wrong beacon key."""
    kind = RADIO_KINDS[type(config.radio)]
    return kind.make(config.radio, load_beacon(config), tell)


def handed_with(radio: Radio) -> Sequence[Handed]:
    """Return what of a radio can change hands."""
    return [HandedRadio(radio)] if isinstance(radio, BluezRadio) else []


def listen_with_another(config: Config) -> Listen:
    """Return what hears the hub's own advertisement by a second adapter of the machine."""
    return partial(hearing.hear, config.radio.adapter)


def look_at_radio(config: Config, world: World) -> Iterator[Finding]:
    """Look for what the radio of the configuration needs."""
    kind = RADIO_KINDS[type(config.radio)]
    return kind.look(config.radio, world)
