"""What the OpenZWave process asks of the machine: the stick, and what it lacks to go on."""

from __future__ import annotations

import os

from drivers.openzwave.wire import Unfitness
from hubcore.errors import HardwareError


class UnfitError(HardwareError):
    """The process cannot go on; `what` says on which side it is."""

    def __init__(self, what: Unfitness, message: str) -> None:
        super().__init__(message)
        self.what = what


def stick_there(port: str) -> tuple[int, int, int]:
    """Return which file a path leads to. Raise UnfitError when it leads nowhere."""
    try:
        found = os.stat(port)
    except OSError as error:
        raise UnfitError(Unfitness.STICK, f"there is no stick at {port}: {error}") from error
    return (found.st_dev, found.st_ino, found.st_rdev)
