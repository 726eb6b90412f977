"""What a bridge shows to its hubs, and what it asks of them: TLS 1.3 by the site's authority.

Laws:
1. A bridge shows a certificate of its own name, for its own key, signed by the site's authority.
   What does not belong together refuses the start.
2. A hub must show a certificate of that authority. Nothing else is believed: no other authority of
   the machine.
3. TLS 1.3 and nothing older. No session is taken up again: each connection proves its key anew.
4. TLS does not judge dates. `hubbridge.rules.peers` does, so that a hub whose certificate has ended
   can still come for its renewal.
5. A private key that everybody may read is refused.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from hubbridge.keys import read_file, read_private_key
from hubcore.codec.tls import TlsName, TlsRole, der_of, public_der, read_certificate
from hubcore.errors import ConfigError, TrustError

CERTIFICATE_FILE_BYTES = 16_384
_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL; Python has no name for it."""


@dataclass(frozen=True, slots=True)
class IdentityFiles:
    """Where a bridge's key, its certificate and the site's authority lie, in PEM."""

    key: Path
    certificate: Path
    authority: Path


@dataclass(frozen=True, slots=True)
class Identity:
    """A bridge that can prove itself: the authority is DER, `expires` Unix seconds."""

    name: TlsName
    authority: bytes
    expires: int
    context: ssl.SSLContext


def load_identity(site: str, bridge: str, files: IdentityFiles) -> Identity:
    """Read a bridge's files. Raise ConfigError for what does not belong together (law 1)."""
    try:
        name = TlsName(site, TlsRole.BRIDGE, bridge)
    except TrustError as error:
        raise ConfigError(f"hubbridge: {error}") from error
    key = read_private_key(files.key)
    try:
        authority = der_of(_pem(files.authority))
        certified = read_certificate(der_of(_pem(files.certificate)), authority, name)
    except TrustError as error:
        raise ConfigError(
            f"hubbridge: {files.certificate} is no certificate for {name.uri} that the authority "
            f"in {files.authority} has signed: {error}"
        ) from error
    if certified.key != public_der(key.public_key()):
        raise ConfigError(
            f"hubbridge: {files.certificate} is for another private key than {files.key}: put the "
            "files there that were made together"
        )
    return Identity(name, authority, certified.expires, _context(files))


def _pem(path: Path) -> bytes:
    return read_file(path, CERTIFICATE_FILE_BYTES)


def _context(files: IdentityFiles) -> ssl.SSLContext:
    """Return what a server does with each connection (laws 2 to 4)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VerifyFlags(_NO_CHECK_TIME)
    context.num_tickets = 0
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    try:
        context.load_verify_locations(files.authority)
        context.load_cert_chain(files.certificate, files.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"hubbridge: {files.certificate}, {files.key}: {error}") from error
    return context
