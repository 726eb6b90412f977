"""The file of the revocations that phones carried: `RevocationFile` is the port of that name."""

from __future__ import annotations

from pathlib import Path

from hubcore.access.revocations import BYTES_MAX, LISTS_MAX
from hubd.adapters.host.signed_file import SignedFile

FILE_BYTES_MAX = 16 + LISTS_MAX * (BYTES_MAX + 3)


class RevocationFile(SignedFile):
    """The file at `path`; no file is the same as one without lists."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "the revocations that phones carried", LISTS_MAX, BYTES_MAX)
