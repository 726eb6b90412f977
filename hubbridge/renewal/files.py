"""Where the bridge keeps the pairs of key and certificate that it has made itself.

`own.pem` is the pair in force, `own-next.pem` the next one: first its key alone, then with its
certificate. Each is one file, so that key and certificate never come apart.

Laws:
1. A file appears whole or not at all, and is on the disk before the caller goes on. The pair in
   force goes by the very step that puts the next one in its place. So after a power cut at any
   moment there is one that works.
2. Only this program's user reads them.
3. What is read proves nothing: whoever reads it asks the authority.
"""

from __future__ import annotations

import os
from pathlib import Path

from hubcore.errors import StoreError
from hubterm.files import read_ordinary

IN_FORCE = "own.pem"
NEXT = "own-next.pem"
PAIR_BYTES_MAX = 8192
_MODE = 0o600


class OwnFiles:
    """A folder of this program alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def in_force(self) -> Path:
        """The pair in force; without it that of the configuration is."""
        return self._folder / IN_FORCE

    @property
    def next(self) -> Path:
        """The next pair."""
        return self._folder / NEXT

    def read(self, path: Path) -> bytes | None:
        """Return what is under one of both names; None for nothing that can be read."""
        try:
            return read_ordinary(path, PAIR_BYTES_MAX)
        except OSError:
            return None

    def put(self, path: Path, pair: bytes) -> None:
        """Keep a pair under one of both names, in PEM. Raise StoreError (law 1)."""
        new = path.with_name(f"{path.name}.new")
        try:
            new.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with os.fdopen(os.open(new, flags, _MODE), "wb") as file:
                file.write(pair)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, path)
            self._sync()
        except OSError as error:
            raise _says(path, error) from error

    def drop_next(self) -> None:
        """Forget the next pair. Raise StoreError."""
        try:
            self.next.unlink(missing_ok=True)
            self._sync()
        except OSError as error:
            raise _says(self.next, error) from error

    def _sync(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _says(path: Path, error: OSError) -> StoreError:
    return StoreError(f"the bridge's own key and certificate: {path}: {error.strerror or error}")
