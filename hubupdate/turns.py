"""Several carriers as one: a stick, a bridge, a backend, asked in turn.

Laws:
1. A file comes whole from one carrier. Pieces of two are never put together.
2. Who does not have the file, or fails before its first piece, leaves the turn to the next.
3. Who fails amid a file, or is left amid it by its reader, is asked last until the program ends.
4. A file is not there when each carrier says so. One that cannot be asked may have it: LinkError.

What a carrier brings whole and nobody believes is the reader's to judge, and changes no turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hubcore.errors import LinkError
from hubupdate.carrier import Carrier, NotThereError


class InTurn:
    """Brings files from the first carrier that gives them."""

    def __init__(self, carriers: Sequence[Carrier]) -> None:
        self._carriers = list(carriers)

    def pieces(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of a file. Raise NotThereError, LinkError."""
        trouble: LinkError = NotThereError(f"{path} is on no carrier")
        for carrier in tuple(self._carriers):
            pieces = carrier.pieces(path)
            try:
                first = next(pieces, None)
            except NotThereError:
                continue
            except LinkError as error:
                trouble = error
                continue
            if first is not None:
                yield from self._whole(carrier, first, pieces)
            return
        raise trouble

    def _whole(self, carrier: Carrier, first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
        ended = False
        try:
            yield first
            yield from rest
            ended = True
        finally:
            if not ended:
                self._carriers.remove(carrier)
                self._carriers.append(carrier)
