"""The newer certificate that came over the uplink, as a file of hubd's own.

Laws:
1. The file is replaced as a whole, durably: after a power cut it is the old one or the new one.
2. What is found there is unproven: its reader believes it only with the issuer's signature.
"""

from __future__ import annotations

import os
from pathlib import Path

from hubcore.backend.uplink.words import MAX_CERTIFICATE_BYTES
from hubcore.errors import StoreError
from hubd.threads import run_in_thread

RENEWED = "certificate.cbor"
"""Its name in the state directory."""


class RenewedCertificate:
    """The file of that name in `state`."""

    def __init__(self, state: Path) -> None:
        self._path = state / RENEWED

    def found(self) -> bytes | None:
        """Return what the file holds, unproven; None when there is none that can be read."""
        try:
            with self._path.open("rb") as file:
                data = file.read(MAX_CERTIFICATE_BYTES + 1)
        except OSError:
            return None
        return data if len(data) <= MAX_CERTIFICATE_BYTES else None

    async def write(self, document: bytes) -> None:
        """Replace what is kept; durable on return. Raise StoreError."""
        try:
            await run_in_thread("certificate", lambda: self._replace(document))
        except OSError as error:
            why = error.strerror or str(error)
            raise StoreError(f"the newer certificate, {self._path}: {why}") from error

    def _replace(self, document: bytes) -> None:
        new = self._path.with_name(f"{RENEWED}.new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(document)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
