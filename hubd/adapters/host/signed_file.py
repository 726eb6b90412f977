"""Documents that others have signed, in one file: `SignedFile` is the port `DocumentFile`.

Laws:
1. The file is replaced as a whole, durably: after a power cut it is the old one or the new one.
2. No more is read than the file may hold. What else is found there is an error, and nothing of it
   counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hubcore.access.revocations import BYTES_MAX, LISTS_MAX
from hubcore.bridge.ends import Whom
from hubcore.bridge.mandate import BRIDGES_MAX
from hubcore.bridge.words import DOCUMENT_BYTES, SITE_ITEM_BYTES, SITE_ITEMS_MAX
from hubcore.codec import cbor
from hubcore.codec.cbor import Cursor
from hubcore.errors import FrameError, StoreError
from hubd.adapters.smallfile import read_small, replace_small
from hubd.threads import run_in_thread


class SignedFile:
    """The file at `path`; no file is the same as one without documents."""

    def __init__(self, path: Path, what: str, count_max: int, bytes_max: int) -> None:
        """`what` is what a person calls it; a document has at most `bytes_max` bytes."""
        self._path = path
        self._what = what
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._file_bytes_max = 16 + count_max * (bytes_max + 3)

    def found(self) -> Sequence[bytes]:
        """Return the documents in the file, unproven. Raise StoreError."""
        try:
            data = read_small(self._path, self._file_bytes_max)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._broken(error.strerror or str(error)) from error
        if len(data) > self._file_bytes_max:
            raise self._broken(f"it has over {self._file_bytes_max} bytes")
        try:
            return self._read(data)
        except FrameError as error:
            raise self._broken(str(error)) from error

    async def write(self, documents: Sequence[bytes]) -> None:
        """Replace what is kept. Raise StoreError."""
        data = cbor.encode(list(documents))
        try:
            await run_in_thread("signed file", lambda: replace_small(self._path, data))
        except OSError as error:
            raise self._broken(error.strerror or str(error)) from error

    def _broken(self, why: str) -> StoreError:
        return StoreError(f"{self._what}, {self._path}: {why}")

    def _read(self, data: bytes) -> Sequence[bytes]:
        """Take the file apart. Raise FrameError."""
        cursor = Cursor(data)
        count = cursor.array()
        if count > self._count_max:
            raise FrameError(f"{count} documents, more than {self._count_max}")
        found = [cursor.string(1, self._bytes_max) for _ in range(count)]
        cursor.end()
        return found


class RevocationFile(SignedFile):
    """The revocations that phones carried."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "the revocations that phones carried", LISTS_MAX, BYTES_MAX)


class SiteOrderFile(SignedFile):
    """The orders that the site has given."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "the orders of the site", SITE_ITEMS_MAX, SITE_ITEM_BYTES)


class MandateFile(SignedFile):
    """The issuer's mandates for keys of the site: one for orders, one for receipts, witnesses."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "the mandates of the site", BRIDGES_MAX + 2, DOCUMENT_BYTES)


class EndsFile(SignedFile):
    """The issuer's list of the bridges that the site has ended."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "the list of ended bridges", 1, Whom.BRIDGES.document_bytes)
