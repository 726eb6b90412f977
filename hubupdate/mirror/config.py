"""The configuration of a site's cache of updates; its laws are those of `hubupdate.config`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from hubcore.update.running.board import CACHE_BOARD
from hubupdate.config import CARRIERS_MAX, CarrierPart, decode_file

GIBIBYTE = 1 << 30


class MirrorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    carriers: Annotated[tuple[CarrierPart, ...], Meta(min_length=1, max_length=CARRIERS_MAX)]
    images_root: str = "images.root.json"
    director_root: str = "director.root.json"
    folder: str = "/var/lib/hubupdate-mirror/served"
    """What a web server gives out."""
    lists: str = "/var/lib/hubupdate-mirror/lists"
    """What was proven; for this program alone."""
    board: str = CACHE_BOARD
    """What `hubctl update cache` shows."""
    bytes_max: Annotated[int, Meta(ge=1, le=1 << 40)] = 4 * GIBIBYTE


def load(path: Path) -> MirrorConfig:
    """Read the file. Raise ConfigError."""
    return decode_file(path, MirrorConfig)
