"""The file of the revocations that phones carried: `RevocationFile` is the port of that name.

Laws:
1. The file is replaced as a whole, durably: after a power cut it is the old one or the new one.
2. No more is read than a hub keeps. What else is found there is an error, and nothing of it counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hubcore.access.revocations import BYTES_MAX, LISTS_MAX
from hubcore.codec import cbor
from hubcore.codec.cbor import Cursor
from hubcore.errors import FrameError, StoreError
from hubd.adapters.smallfile import read_small, replace_small
from hubd.threads import run_in_thread

FILE_BYTES_MAX = 16 + LISTS_MAX * (BYTES_MAX + 3)


class RevocationFile:
    """The file at `path`; no file is the same as one without lists."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def found(self) -> Sequence[bytes]:
        """Return the signed lists in the file, unproven. Raise StoreError."""
        try:
            data = read_small(self._path, FILE_BYTES_MAX)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._broken(error.strerror or str(error)) from error
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
            await run_in_thread("revocations", lambda: replace_small(self._path, data))
        except OSError as error:
            raise self._broken(error.strerror or str(error)) from error

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
