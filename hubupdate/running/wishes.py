"""What a person at the hub wants of its updates: files in a folder that group hubd-admin writes.

Laws:
1. A wish is its file's name. Nothing that is in the file is read, so nothing in it can harm.
2. HOLD lies there as long as it holds. Any other wish is taken once: its file goes first.
3. Who may write the folder may wish. The names that are looked for are few and known.
"""

from __future__ import annotations

import os
from pathlib import Path

from hubcore.errors import StoreError
from hubcore.update.running.wishes import Wish, digest_of

NAMES_MAX = 256
"""So many names are looked at; more are none of ours."""


class Wishes:
    """The wishes in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def held(self) -> bool:
        """Tell whether a person holds this hub as it is."""
        return os.path.lexists(self._folder / Wish.HOLD)

    def some(self) -> bool:
        """Tell whether there is one to take."""
        return self._there(Wish.CHECK) or self._there(Wish.ROLL_BACK) or bool(self._outs())

    def take(self, wish: Wish) -> bool:
        """Take a wish; tell whether it was there. Raise StoreError."""
        return self._remove(str(wish))

    def take_out(self) -> list[bytes]:
        """Take the digests that are to be let out of quarantine. Raise StoreError."""
        return [digest for name, digest in self._outs() if self._remove(name)]

    def _there(self, wish: Wish) -> bool:
        return os.path.lexists(self._folder / wish)

    def _outs(self) -> list[tuple[str, bytes]]:
        found = []
        try:
            with os.scandir(self._folder) as entries:
                for _, entry in zip(range(NAMES_MAX), entries, strict=False):
                    digest = digest_of(entry.name)
                    if digest is not None:
                        found.append((entry.name, digest))
        except OSError:
            return []
        return found

    def _remove(self, name: str) -> bool:
        try:
            os.unlink(self._folder / name)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(f"the wish {name}: {error.strerror or error}") from error
        return True
