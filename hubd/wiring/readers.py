"""The readers beside the phones: one row for each kind says how they are made and looked at.

Laws:
1. All readers of a kind are made in one go: they share a process.
2. What a kind needs is imported only when one of it is configured.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hubcore.checks import CheckId, Part
from hubcore.errors import ConfigError, HardwareError
from hubcore.ports.reader import Readers
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.adapters.keys.readerkeys import ReaderKeys
from hubd.config import readers as sections
from hubd.config.file import Config
from hubd.wiring.look import serial
from hubd.wiring.look.finding import Finding, found
from hubd.wiring.look.world import World
from hubd.wiring.parts import TellPart

ABOUT = "readers"


@dataclass(frozen=True, slots=True)
class ReaderKind:
    """What is done with all sections of one kind."""

    make: Callable[[Sequence[Any], ReaderKeys, TellPart], Readers]
    look: Callable[[Sequence[Any], World], Iterator[Finding]]


def osdp(wanted: Sequence[sections.Osdp], keys: ReaderKeys, tell: TellPart) -> Readers:
    """Readers on RS-485 behind the OSDP panel's process. Raise ConfigError."""
    driver = importlib.import_module("drivers.osdp.readers")
    readers = []
    for reader in wanted:
        own = keys.readers[reader.id]
        readers.append(
            driver.OsdpReader(
                id=reader.id,
                device=str(reader.device),
                address=reader.address,
                key=own.key,
                candidate=own.next_key,
                baud=reader.baud,
            )
        )
    try:
        made: Readers = driver.OsdpReaders(readers, partial(tell, Part.READERS))
    except HardwareError as error:
        raise ConfigError(str(error)) from error
    return made


def look_at_osdp(wanted: Sequence[sections.Osdp], world: World) -> Iterator[Finding]:
    """Look for libosdp and for the serial lines."""
    driver = importlib.import_module("drivers.osdp.readers")
    try:
        driver.check_installed()
    except HardwareError as error:
        yield found(CheckId.READER_LIBRARY, ABOUT, why=error)
    places: dict[Path, list[str]] = {}
    for reader in wanted:
        shown = f"{reader.id} (access point {reader.access_point}, address {reader.address})"
        places.setdefault(reader.device, []).append(shown)
    yield from serial.look(places, world)


READER_KINDS: Mapping[type[sections.Reader], ReaderKind] = {
    sections.Osdp: ReaderKind(make=osdp, look=look_at_osdp),
}
"""A row for each kind in `hubd.config.readers.Reader`."""


def make_readers(config: Config, keys: HubKeys, tell: TellPart) -> dict[str, Readers]:
    """Make the readers of the configuration; return what drives each, by the reader's id.

    Raise ConfigError.
    """
    drivers: dict[str, Readers] = {}
    if keys.readers is None:
        return drivers
    for kind, row in READER_KINDS.items():
        of_kind = _of_kind(config, kind)
        if of_kind:
            driver = row.make(of_kind, keys.readers, tell)
            drivers.update(dict.fromkeys((reader.id for reader in of_kind), driver))
    return drivers


def look_at_readers(config: Config, world: World) -> Iterator[Finding]:
    """Yield what --check-config finds of the readers and their lines."""
    for kind, row in READER_KINDS.items():
        of_kind = _of_kind(config, kind)
        if of_kind:
            yield from row.look(of_kind, world)


def _of_kind(config: Config, kind: type[sections.Reader]) -> list[sections.Reader]:
    return [reader for reader in config.readers if type(reader) is kind]
