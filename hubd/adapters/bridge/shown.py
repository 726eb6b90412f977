"""What the hub shows to a bridge: the TLS certificate in force, read again for each connection."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hubcore.codec.tls import NO_CHECK_TIME, TlsInForce, der_of, pem_of
from hubcore.errors import LinkError, TrustError


def context_of(
    tls: TlsInForce, key: Path, certificates: tuple[Path, ...]
) -> Callable[[], ssl.SSLContext]:
    """Return what makes a context that shows the certificate in force."""

    def make() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_flags |= ssl.VERIFY_X509_STRICT | NO_CHECK_TIME
        try:
            context.load_verify_locations(cadata=pem_of(tls.authority).decode("ascii"))
            context.load_cert_chain(_file_of(tls, certificates), key)
        except (OSError, ssl.SSLError) as error:
            raise LinkError(f"the hub's own TLS identity: {error}") from error
        return context

    return make


def _file_of(tls: TlsInForce, certificates: tuple[Path, ...]) -> Path:
    """Return the file that holds the certificate in force."""
    for path in certificates:
        with suppress(OSError, TrustError):
            if der_of(path.read_bytes()) == tls.certified.document:
                return path
    raise LinkError("the hub's TLS certificate in force is in none of its files: restart hubd")
