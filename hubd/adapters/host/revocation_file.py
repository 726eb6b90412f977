"""The file of the revocations that phones carried: `RevocationFile` is the port of that name.

Laws:
1. The file is replaced as a whole, durably: after a power cut it is the old one or the new one.
2. No more is read than a hub keeps. What else is found there is an error, and nothing of it counts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from hubcore.access.revocations import BYTES_MAX, LISTS_MAX
from hubcore.codec import cbor
from hubcore.codec.cbor import Cursor
from hubcore.errors import FrameError, StoreError
from hubd.threads import run_in_thread

FILE_BYTES_MAX = 16 + LISTS_MAX * (BYTES_MAX + 3)


class RevocationFile:
    """The file at `path`; no file is the same as one without lists."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def found(self) -> Sequence[bytes]:
        """Return the signed lists in the file, unproven. Raise StoreError."""
        try:
            # O_NONBLOCK: a pipe that lies there must not stop the start
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
            with os.fdopen(os.open(self._path, flags), "rb") as file:
                data = file.read(FILE_BYTES_MAX + 1)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._broken(error.strerror or str(error)) from error
        if data is None:  # a pipe that somebody else writes to
            raise self._broken("it is no file")
        if len(data) > FILE_BYTES_MAX:
            raise self._broken(f"it has over {FILE_BYTES_MAX} bytes")
        try:
            return _read(data)
        except FrameError as error:
            raise self._broken(str(error)) from error

    async def write(self, documents: Sequence[bytes]) -> None:
        """Replace what is kept. Raise StoreError."""
        data = cbor.encode(list(documents))
        try:
            await run_in_thread("revocations", lambda: self._replace(data))
        except OSError as error:
            raise self._broken(error.strerror or str(error)) from error

    def _replace(self, data: bytes) -> None:
        new = self._path.with_name(self._path.name + ".new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _broken(self, why: str) -> StoreError:
        return StoreError(f"the revocations that phones carried, {self._path}: {why}")


def _read(data: bytes) -> Sequence[bytes]:
    """Take the file apart. Raise FrameError."""
    cursor = Cursor(data)
    count = cursor.array()
    if count > LISTS_MAX:
        raise FrameError(f"{count} lists, more than {LISTS_MAX}")
    found = [cursor.string(1, BYTES_MAX) for _ in range(count)]
    cursor.end()
    return found
