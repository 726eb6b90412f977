"""Where a bridge keeps a policy: the signed root in one file, each piece in a file of its name.

Laws:
1. A file appears whole or not at all. What was written is on the disk before the caller goes on.
2. What is read proves nothing: whoever reads it asks the signature and the hashes.
3. A file is read up to its ceiling, and no device or pipe is read in its place.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from hubcore.backend.uplink.words import MAX_POLICY_BYTES
from hubcore.errors import StoreError
from hubcore.policy.tree import PIECE_BYTES
from hubterm.files import read_ordinary, whole_file

ROOT = "root.cbor"
PIECES = "pieces"


class PolicyFiles:
    """A folder of this program alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pieces = folder / PIECES

    def make(self) -> None:
        """Make the folder where it is missing. Raise StoreError."""
        try:
            self._pieces.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _says(self._pieces, error) from error

    def root(self) -> bytes | None:
        """Return the root; None for none."""
        return _read(self._folder / ROOT, MAX_POLICY_BYTES)

    def put_root(self, root: bytes) -> None:
        """Keep a root. Raise StoreError."""
        self._write(self._folder / ROOT, root)

    def piece(self, name: bytes) -> bytes | None:
        """Return what lies under the name of a piece; None for nothing."""
        return _read(self._pieces / name.hex(), PIECE_BYTES)

    def put_piece(self, name: bytes, piece: bytes) -> None:
        """Keep a piece. Raise StoreError."""
        self._write(self._pieces / name.hex(), piece)

    def keep_only(self, names: Iterable[bytes]) -> None:
        """Remove all pieces but these. Raise StoreError."""
        wanted = {name.hex() for name in names}
        try:
            for one in os.scandir(self._pieces):
                if one.name not in wanted:
                    Path(one.path).unlink()
        except OSError as error:
            raise _says(self._pieces, error) from error

    def _write(self, path: Path, data: bytes) -> None:
        try:
            with whole_file(path) as file:
                file.write(data)
        except OSError as error:
            raise _says(path, error) from error


def _read(path: Path, most: int) -> bytes | None:
    try:
        return read_ordinary(path, most)
    except OSError:
        return None


def _says(path: Path, error: OSError) -> StoreError:
    return StoreError(f"the policy at the bridge: {path}: {error.strerror or error}")
