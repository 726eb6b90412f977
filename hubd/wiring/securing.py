"""How a mover that can stay driven is secured from outside, whatever has died: a row for each kind.

Laws:
1. No mover is ever driven active.
2. No event loop and no adapter is loaded, so that this takes a fraction of a second.
3. Only the keys that are needed are read, so that a wrong one elsewhere costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from drivers.gpio.lines import open_lines
from drivers.strike.wire import LinesFactory, StrikeLine
from hubcore.errors import ConfigError
from hubd.config.section import DEFAULT_KINDS, KIND


class _LineKeys(Struct):
    """The keys of a strike that say where its line is."""

    chip: str
    line: int | str
    active_low: bool = False


class _ShortForm(Struct):
    """A door with the short form of one strike."""

    strike: _LineKeys


class Securing:
    """Secures movers, each by what the configuration file says of it.

    `kinds` has a row for each kind in `hubd.config.movers.Mover`; a row takes the mover's table.
    """

    def __init__(self, open_lines: LinesFactory = open_lines) -> None:
        self._open_lines = open_lines
        self.kinds: Mapping[str, Callable[[object], None]] = {
            "strike": self._strike,
            "maglock": self._maglock,
            "relay_strike": _ends_by_itself,
            "zwave_lock": _left_to_the_service,
            "openzwave_lock": _left_to_its_process,
        }

    def mover(self, table: object) -> None:
        """Secure the mover of a table [[doors.movers]].

        Raise ConfigError when the table is wrong, HardwareError when it cannot be secured.
        """
        kind: object = DEFAULT_KINDS["movers"]
        if isinstance(table, dict):
            kind = table.get(KIND, kind)
        secure = self.kinds.get(str(kind))
        if secure is None:
            raise ConfigError(f"Invalid value {kind!r} - at `$.kind`")
        secure(table)

    def short_form(self, door: object) -> None:
        """Secure the strike of a door that has the key `strike`. Raise as `mover` does."""
        self._secure(_read(door, _ShortForm).strike)

    def _strike(self, table: object) -> None:
        self._secure(_read(table, _LineKeys))

    def _maglock(self, table: object) -> None:
        """Give a magnet its power. A kernel that takes back lines takes that away again."""
        self._secure(_read(table, _LineKeys), is_magnet=True)

    def _secure(self, keys: _LineKeys, is_magnet: bool = False) -> None:
        """Request the line, which drives it inactive, and give it back."""
        line = StrikeLine(keys.chip, keys.line, keys.active_low is not is_magnet)
        self._open_lines([line]).close()


def _ends_by_itself(_table: object) -> None:
    """The board's own timer has ended the pulse, or is about to: nothing can stay driven."""


def _left_to_the_service(_table: object) -> None:
    """A lock that hubd unlocked is locked by the Z-Wave service when hubd's connection ends."""


def _left_to_its_process(_table: object) -> None:
    """The OpenZWave process locks what it unlocked when its socket to hubd ends."""


def _read(table: object, wanted: type[Any]) -> Any:
    try:
        return msgspec.convert(table, wanted)
    except msgspec.ValidationError as error:
        raise ConfigError(str(error)) from error
