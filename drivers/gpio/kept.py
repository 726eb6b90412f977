"""Requests of inputs that nobody reads now: they wait to be read again, here or by another hubd.

Laws:
1. A request is named by the kernel's name of its chip; there is one for each chip.
2. What cannot be proven to be what this configuration wants is not used. Of a chip that has gone,
   or that no input is on any more, it is closed. Else it is refused, and stays as it came: who gave
   it has a copy, so nobody can request these lines anew.
3. What the next hubd could not prove is not handed on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from drivers.gpio.bank import ChipOfInputs
from drivers.gpio.held import Requests
from drivers.gpio.lines import OpenChip
from hubcore.errors import HardwareError

HANDED_MAX = 32
"""Chips whose requests change hands; those of others are requested again."""


class KeptRequests:
    """Descriptors of requests by the name of their chip; each is its own until it is taken."""

    def __init__(self, requests: Requests, open_chip: OpenChip) -> None:
        self._requests = requests
        self._open_chip = open_chip
        self._descriptors: dict[str, int] = {}

    def keep(self, chip: str, descriptor: int) -> None:
        """Keep a request of a chip."""
        self._descriptors[chip] = descriptor

    def take(self, chip: str) -> int | None:
        """Return the request of a chip, the caller's from now on; None when there is none."""
        return self._descriptors.pop(chip, None)

    def prove(self, chips: Mapping[str, ChipOfInputs]) -> None:
        """Look at what was given, by the chips that inputs are on now (law 2).

        Raise HardwareError for what is refused.
        """
        for name, descriptor in tuple(self._descriptors.items()):
            chip = chips.get(name)
            if chip is None or not self._is_there(descriptor):
                os.close(self._descriptors.pop(name))
            elif not chip.is_held_so(descriptor, self._requests, self._open_chip):
                raise HardwareError(
                    f"The inputs on {chip.path} are configured otherwise than the hubd that ran "
                    "before has watched them: they change with a restart of hubd."
                )

    def _is_there(self, descriptor: int) -> bool:
        """Tell whether the lines answer."""
        try:
            self._requests.levels(descriptor, 1)
        except OSError:
            return False
        return True

    def hand_on(self) -> dict[str, int]:
        """Return what another hubd can go on with, the caller's from now on; close the rest."""
        handed: dict[str, int] = {}
        for name in tuple(self._descriptors)[:HANDED_MAX]:
            held = self._requests.held(self._descriptors[name])
            if held is not None and held.chip == name:
                handed[name] = self._descriptors.pop(name)
        self.close()
        return handed

    def close(self) -> None:
        """Let go of all lines."""
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors = {}
