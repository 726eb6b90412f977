"""What a machine of a site shows in TLS 1.3, and what it asks of others.

Laws:
1. It shows a certificate of its own name, for its own key, signed by the site's authority. What
   does not belong together refuses the start.
2. Others must show a certificate of that authority. Nothing else is believed: no other authority
   of the machine.
3. TLS 1.3 and nothing older. No session is taken up again: each connection proves its key anew.
4. TLS does not judge dates. Who reads the certificate does, so that a hub whose certificate has
   ended can still come for its renewal.
5. A private key that everybody may read is refused.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from hubcore.codec.tls import NO_CHECK_TIME, TlsName, TlsRole, der_of, public_der, read_certificate
from hubcore.errors import ConfigError, TrustError
from hubtls.keys import read_file, read_private_key

CERTIFICATE_FILE_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class IdentityFiles:
    """Where a key, its certificate and the site's authority lie, in PEM."""

    key: Path
    certificate: Path
    authority: Path


@dataclass(frozen=True, slots=True)
class Identity:
    """Who can prove itself: the authority is DER, `begins` and `expires` Unix seconds.

    `key` is its own, as SubjectPublicKeyInfo.

    `context` is for who comes here, `calling` for where this machine goes.
    """

    name: TlsName
    authority: bytes
    key: bytes
    begins: int
    expires: int
    context: ssl.SSLContext
    calling: ssl.SSLContext


def load_identity(site: str, role: TlsRole, id_: str, files: IdentityFiles) -> Identity:
    """Read somebody's files. Raise ConfigError for what does not belong together (law 1)."""
    try:
        name = TlsName(site, role, id_)
    except TrustError as error:
        raise ConfigError(str(error)) from error
    key = read_private_key(files.key)
    try:
        authority = der_of(_pem(files.authority))
        certified = read_certificate(der_of(_pem(files.certificate)), authority, name)
    except TrustError as error:
        raise ConfigError(
            f"{files.certificate} is no certificate for {name.uri} that the authority "
            f"in {files.authority} has signed: {error}"
        ) from error
    if certified.key != public_der(key.public_key()):
        raise ConfigError(
            f"{files.certificate} is for another private key than {files.key}: put the "
            "files there that were made together"
        )
    return Identity(
        name=name,
        authority=authority,
        key=certified.key,
        begins=certified.not_before,
        expires=certified.expires,
        context=_answering(files),
        calling=_calling(files),
    )


def _pem(path: Path) -> bytes:
    return read_file(path, CERTIFICATE_FILE_BYTES)


def _answering(files: IdentityFiles) -> ssl.SSLContext:
    """Return what a server does with each connection (laws 2 to 4)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0
    return _of_site(context, files)


def _calling(files: IdentityFiles) -> ssl.SSLContext:
    """Return what a client does with each connection; the name is compared by whoever calls."""
    return _of_site(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), files)


def _of_site(context: ssl.SSLContext, files: IdentityFiles) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT | NO_CHECK_TIME
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    try:
        context.load_verify_locations(files.authority)
        context.load_cert_chain(files.certificate, files.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{files.certificate}, {files.key}: {error}") from error
    return context
