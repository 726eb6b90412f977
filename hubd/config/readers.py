"""The readers beside the phones: `[[readers]]`, a class for each kind.

Laws:
1. A reader stands at one access point of this hub. An access point may have several readers.
2. Each address of a serial line is used once, and all readers on a line have one speed.
3. A reader's key is its own: no two readers have the same key file.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from hubd.config.keys import Key, KeyFile
from hubd.config.mistakes.sentences import KeyPath, WrongValueError, show
from hubd.config.section import KIND, Id, Section

READERS_MAX = 32
"""As many as one OSDP panel looks after (`drivers.osdp.wire.words.READERS_MAX`)."""
DEVICE_BYTES_MAX = 200
"""As the panel takes it (`drivers.osdp.wire.orders.DEVICE_BYTES_MAX`)."""


class Osdp(Section, frozen=True, kw_only=True, tag_field=KIND, tag="osdp"):
    """A reader or keypad that speaks OSDP on a serial line (RS-485), always with a secure channel.

    `key`: 16 raw bytes. `next_key`: the key that `hubctl reader NAME change-key` gives it; while it
    is there, both are tried.
    """

    KEYS: ClassVar = ("card_key",)
    """The keys of [keys] that this kind of reader needs."""

    id: Id
    access_point: Annotated[
        int,
        Meta(ge=1, le=65535, description="the number of one of [[doors.access_points]]"),
    ]
    device: Annotated[
        Path,
        Meta(description='a serial line, best by a path that stays: "/dev/serial/by-id/..."'),
    ]
    address: Annotated[int, Meta(ge=0, le=126, description="0 to 126")]
    key: Key
    next_key: Key | None = None
    baud: Annotated[
        Literal[9600, 19200, 38400, 57600, 115200],
        Meta(description="9600, 19200, 38400, 57600 or 115200"),
    ] = 9600

    def key_files(self) -> dict[str, tuple[str, KeyFile]]:
        """Return the files of its keys by their names here, each with its name in a sentence."""
        files = {"key": (f"key of reader {self.id}", self.key)}
        if self.next_key is not None:
            files["next_key"] = (f"next_key of reader {self.id}", self.next_key)
        return files


Reader = Osdp
"""A union of all kinds of readers."""


def check_readers(readers: Sequence[Reader], access_points: Collection[int]) -> None:
    """Raise WrongValueError for a reader that is wrong, by itself or beside the others."""
    ids: set[str] = set()
    places: dict[tuple[Path, int], str] = {}
    speeds: dict[Path, int] = {}
    keys: dict[str, str] = {}
    for index, reader in enumerate(readers):
        where = ("readers", f"[{index}]")
        _check_alone(reader, where, access_points)
        if reader.id in ids:
            found = f"{show(reader.id)}, which another reader has too"
            raise WrongValueError((*where, "id"), "a value used once", found)
        ids.add(reader.id)
        place = (reader.device, reader.address)
        if place in places:
            found = f"{reader.address}, which reader {places[place]!r} on this line has too"
            raise WrongValueError((*where, "address"), "an address used once on a line", found)
        places[place] = reader.id
        speed = speeds.setdefault(reader.device, reader.baud)
        if speed != reader.baud:
            expected = f"{speed}, as the other readers on this line have"
            raise WrongValueError((*where, "baud"), expected, str(reader.baud))
        _check_key_files(reader, where, keys)


def _check_alone(reader: Reader, where: KeyPath, access_points: Collection[int]) -> None:
    if reader.access_point not in access_points:
        known = ", ".join(map(str, sorted(access_points)))
        expected = f"the number of an access point of [[doors]]: {known}"
        raise WrongValueError((*where, "access_point"), expected, str(reader.access_point))
    size = len(os.fsencode(reader.device))
    if size > DEVICE_BYTES_MAX:
        expected = f"a path of at most {DEVICE_BYTES_MAX} bytes"
        raise WrongValueError((*where, "device"), expected, f"{size} bytes")


def _check_key_files(reader: Reader, where: KeyPath, owners: dict[str, str]) -> None:
    """Keep law 3: `owners` has the reader of each key file so far, by the file's path."""
    for name, (shown, file) in reader.key_files().items():
        owner = owners.setdefault(str(file.path), shown)
        if owner != shown:
            found = f"{file.place}, which is the {owner} too"
            raise WrongValueError((*where, name), "a key file of its own", found)
