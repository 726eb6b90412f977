"""The radio: one row for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from hubcore.phone.beacon import Beacon
from hubcore.ports.radio import Radio
from hubd.adapters.bluez.plan import RadioNews
from hubd.adapters.bluez.radio import BluezRadio
from hubd.adapters.host.keyfiles import load_beacon
from hubd.adapters.host.systemd import ask_for_new_bluetoothd
from hubd.config import kinds
from hubd.config.file import Config
from hubd.upkeep.checks import Part
from hubd.wiring.parts import TellPart


def bluez(section: kinds.Bluez, beacon: Beacon | None, tell: TellPart) -> Radio:
    """A Bluetooth adapter of this machine, behind BlueZ."""
    news = RadioNews(
        lost=partial(tell, Part.RADIO, False),
        settings=lambda amiss: tell(Part.BLUEZ, not amiss, amiss),
        pairing=lambda amiss: tell(Part.PAIRING, not amiss, amiss),
        stuck=ask_for_new_bluetoothd,
    )
    return BluezRadio(section.adapter, news, beacon=beacon)


MakeRadio = Callable[[Any, Beacon | None, TellPart], Radio]
"""Takes a section of its own kind."""
RADIO_KINDS: Mapping[type[kinds.Radio], MakeRadio] = {kinds.Bluez: bluez}
"""A row for each kind in `hubd.config.kinds.Radio`."""


def make_radio(config: Config, tell: TellPart) -> Radio:
    """Make the radio of the configuration. Raise ConfigError for a wrong beacon key."""
    return RADIO_KINDS[type(config.radio)](config.radio, load_beacon(config), tell)
