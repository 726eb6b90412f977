"""A folder as a carrier: a stick, or what another program has fetched.

Laws:
1. Only regular files are read. A device or a pipe would never end, or never begin.
2. No link is followed in place of a file.
3. What the stick does not have, and what it cannot read, are two errors.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from hubcore.errors import LinkError
from hubupdate.carrier import PIECE_BYTES, NotThereError, is_path

_HOW = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Folder:
    """Brings files from below `top`."""

    def __init__(self, top: Path) -> None:
        self._top = top

    def pieces(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of a file. Raise NotThereError, LinkError."""
        if not is_path(path):
            raise NotThereError("a folder has no file of such a name")
        try:
            descriptor = os.open(self._top / path, _HOW)
        except FileNotFoundError as error:
            raise NotThereError(f"{path} is not there") from error
        except OSError as error:
            raise LinkError(f"{path} cannot be opened: {error.strerror or error}") from error
        try:
            yield from _read(descriptor, path)
        finally:
            os.close(descriptor)


def _read(descriptor: int, path: str) -> Iterator[bytes]:
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise LinkError(f"{path} is no regular file")
        while piece := os.read(descriptor, PIECE_BYTES):
            yield piece
    except OSError as error:
        raise LinkError(f"{path} cannot be read: {error.strerror or error}") from error
