"""How TUF's client gets its files: from a carrier, and not slower than it has to be.

Laws:
1. An error of a carrier is one of TUF's own errors here: its client goes by them.
2. A file that comes slower than BYTES_A_SECOND_MIN, after GRACE_SECONDS, is given up. So a peer
   that keeps the line open costs a bounded time.
3. How many bytes a file may have says the client, who stops reading at the first one too many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError
from tuf.ngclient import FetcherInterface

from hubcore.errors import LinkError
from hubupdate.carrier import Carrier, NotThereError

GRACE_SECONDS = 60.0
BYTES_A_SECOND_MIN = 1024
_NOT_FOUND = 404


class CarrierFetcher(FetcherInterface):
    """`monotonic` tells seconds of a clock that never goes back."""

    def __init__(self, carrier: Carrier, monotonic: Callable[[], float]) -> None:
        self._carrier = carrier
        self._monotonic = monotonic

    def _fetch(self, url: str) -> Iterator[bytes]:
        """Yield a file's bytes; `url` is a path of the carrier. Raise DownloadError."""
        began = self._monotonic()
        had = 0
        try:
            for piece in self._carrier.pieces(url):
                had += len(piece)
                lasted = self._monotonic() - began
                if lasted > GRACE_SECONDS + had / BYTES_A_SECOND_MIN:
                    raise SlowRetrievalError(f"{url} comes too slowly")
                yield piece
        except NotThereError as error:
            raise DownloadHTTPError(str(error), _NOT_FOUND) from error
        except LinkError as error:
            raise DownloadError(str(error)) from error
