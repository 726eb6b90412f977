"""The newer certificates that came over the uplink, each a file of hubd's own.

Laws:
1. The file is replaced as a whole, durably: after a power cut it is the old one or the new one.
2. What is found there is unproven: its reader believes it only with the issuer's signature.
"""

from __future__ import annotations

from pathlib import Path

from hubcore.backend.uplink.words import MAX_CERTIFICATE_BYTES
from hubcore.errors import StoreError
from hubd.adapters.smallfile import read_small, replace_small
from hubd.threads import run_in_thread

RENEWED = "certificate.cbor"
"""The name in the state directory of the one that phones get."""
RENEWED_TLS = "tls.pem"
"""The same of the one for TLS, in the form that `ssl` reads."""
_TLS_BYTES_MAX = 2 * MAX_CERTIFICATE_BYTES


class RenewedCertificate:
    """The file `name` in `state`, of at most `most` bytes."""

    def __init__(self, state: Path, name: str = RENEWED, most: int = MAX_CERTIFICATE_BYTES) -> None:
        self._path = state / name
        self._most = most

    def found(self) -> bytes | None:
        """Return what the file holds, unproven; None when there is none that can be read."""
        try:
            data = read_small(self._path, self._most)
        except OSError:
            return None
        return data if len(data) <= self._most else None

    async def write(self, document: bytes) -> None:
        """Replace what is kept; durable on return. Raise StoreError."""
        try:
            await run_in_thread("certificate", lambda: replace_small(self._path, document))
        except OSError as error:
            why = error.strerror or str(error)
            raise StoreError(f"the newer certificate, {self._path}: {why}") from error


def renewed_tls(state: Path) -> RenewedCertificate:
    """Return the file of the TLS certificate."""
    return RenewedCertificate(state, RENEWED_TLS, _TLS_BYTES_MAX)
