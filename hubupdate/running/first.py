"""The first state of a hub's slots: an image that a person brings becomes slot A.

Laws:
1. It is for a hub that has no state yet. A state that is there is never replaced.
2. The image is written, and read again from the disk, before a state names it. A power cut before
   the end leaves a hub without slots, which starts as it did before.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from hubcore.errors import ConfigError
from hubcore.update.image import IMAGE_BYTES_MAX, Image, is_name, is_version
from hubcore.update.slots import Slot, Slots
from hubupdate.disk import STATE_FILE, Disk

_READ_BYTES = 1 << 20


def begin_slots(folder: Path, file: Path, version: str) -> Slots:
    """Make slot A of an image's file. Raise ConfigError, StoreError, TrustError."""
    if not is_name(file.name) or not is_version(version):
        raise ConfigError(
            f"{file.name}, {version}: expected a file's name of small letters, digits and ._+~-, "
            "and a version such as 1.2.0"
        )
    image = _image_of(file, version)
    disk = Disk(folder)
    with disk.locked():
        if os.path.lexists(folder / STATE_FILE):
            raise ConfigError(f"{folder} has slots already: updates go on from those")
        disk.write_image(Slot.A, image, _pieces(file))
        slots = Slots(well=Slot.A, running=image)
        disk.point(Slot.A)
        disk.keep_state(slots)
    return slots


def _image_of(file: Path, version: str) -> Image:
    digest = hashlib.sha256()
    size = 0
    try:
        for piece in _pieces(file):
            size += len(piece)
            digest.update(piece)
            if size > IMAGE_BYTES_MAX:
                break
        return Image(file.name, version, digest.digest(), size)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror or error}") from error
    except ValueError as error:
        raise ConfigError(f"{file}: {error}") from error


def _pieces(file: Path) -> Iterator[bytes]:
    with open(file, "rb") as opened:
        while piece := opened.read(_READ_BYTES):
            yield piece
