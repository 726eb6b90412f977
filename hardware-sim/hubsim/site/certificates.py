"""The newest certificates of each hub, as the backend hands them on.

    SITE/backend/certificates/HUB.cbor     signed by the issuer, put there by an operator
    SITE/backend/certificates/HUB.der      for TLS, signed by the site's authority

Laws:
1. A document that does not prove itself by the issuer's key is handed to nobody. That for TLS
   proves itself at the hub, which knows its authority.
2. The backend makes none, unless its operator gave it the issuer's key (`renew`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hubcore.codec.cose import VerifyKey
from hubcore.codec.tls import CERTIFICATE_BYTES_MAX
from hubcore.errors import PeerError
from hubcore.phone.certificates import CertificateInForce

FOLDER = "certificates"


def certificate_file(backend: Path, hub: str) -> Path:
    """Return where the newest certificate of a hub is, below the backend's folder."""
    return backend / FOLDER / f"{hub}.cbor"


def hand_to_hub(backend: Path, hub: str, document: bytes) -> None:
    """Put a hub's newest certificate where the backend finds it."""
    _put(certificate_file(backend, hub), document)


def tls_file(backend: Path, hub: str) -> Path:
    """Return where the newest TLS certificate of a hub is, below the backend's folder."""
    return backend / FOLDER / f"{hub}.der"


def hand_tls_to_hub(backend: Path, hub: str, document: bytes) -> None:
    """Put a hub's newest TLS certificate where the backend finds it."""
    _put(tls_file(backend, hub), document)


def _put(path: Path, document: bytes) -> None:
    path.parent.mkdir(exist_ok=True, mode=0o700)
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.write_bytes(document)
    unfinished.replace(path)


@dataclass(frozen=True, slots=True)
class Certificates:
    """Those below `backend`, proven by `issuer`. `renew` makes a newer one; None: nobody here."""

    backend: Path
    issuer: VerifyKey
    renew: Callable[[str], None] | None = None
    clock: Callable[[], float] = time.time

    def of(self, hub: str) -> CertificateInForce | None:
        """Return the newest of a hub, None when there is none that proves itself."""
        try:
            document = certificate_file(self.backend, hub).read_bytes()
            return CertificateInForce.of(document, self.issuer)
        except (OSError, PeerError):
            return None

    def tls_of(self, hub: str) -> bytes | None:
        """Return the newest TLS certificate of a hub, None without one."""
        try:
            return tls_file(self.backend, hub).read_bytes()[:CERTIFICATE_BYTES_MAX] or None
        except OSError:
            return None

    def asked(self, hub: str, digest: bytes) -> CertificateInForce | None:
        """Return a newer one than that of this digest; make it when it is time. None without."""
        newest = self.of(hub)
        if newest is None:
            return None
        if self.renew is not None and self.clock() >= newest.renew_at():
            self.renew(hub)
            newest = self.of(hub)
        return None if newest is None or newest.digest == digest else newest

    def has_ended(self, hub: str) -> bool:
        """Tell whether the newest of a hub is over; renew it when somebody may."""
        newest = self.of(hub)
        if newest is None or self.clock() <= newest.certified.expires:
            return False
        if self.renew is None:
            return True
        self.renew(hub)
        return False
