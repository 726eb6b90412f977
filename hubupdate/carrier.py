"""What brings an update: a stick, a bridge, a backend. None of them is believed in anything.

Laws:
1. A carrier brings bytes. Who signed them says what they mean (`hubupdate.trust`).
2. A file is named by a path below the carrier's top: `images/metadata/timestamp.json`.
3. What a carrier does not have is NotThereError, and any other trouble LinkError.
4. Bytes come in pieces, and a piece comes within PIECE_SECONDS or there is LinkError. How many
   pieces there may be is the reader's to say, who stops when it has enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

from hubcore.errors import LinkError

PIECE_BYTES = 65_536
PIECE_SECONDS = 30.0
_PATH = re.compile(
    r"([A-Za-z0-9_-][A-Za-z0-9._%+-]{0,199}/){0,3}[A-Za-z0-9_-][A-Za-z0-9._%+-]{0,199}"
)


class NotThereError(LinkError):
    """The carrier answers, and does not have this file."""


class Carrier(Protocol):
    """Brings files by their paths."""

    def pieces(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of a file. Raise NotThereError, LinkError."""


def is_path(path: str) -> bool:
    """Tell whether this may be a path of a carrier: no way leads out of it."""
    return _PATH.fullmatch(path) is not None
