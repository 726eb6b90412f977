"""The hub's TLS identity: its key, its certificate, and the authority that it believes.

Laws:
1. The certificate is for this hub and this key, and signed by the authority beside it.
2. A newer certificate in the state directory counts before the installer's, if it proves itself.
3. Validity in time is not judged here.
"""

from __future__ import annotations

from contextlib import suppress

from cryptography.hazmat.primitives.asymmetric import ec

from hubcore.codec.tls import TlsInForce, TlsName, der_of, public_der, read_certificate
from hubcore.errors import ConfigError, TrustError

WANTED_TLS_KEY = "the hub's TLS key: an EC P-256 private key, PEM (PKCS#8), without a passphrase"
WANTED_TLS_CERTIFICATE = "the hub's TLS certificate, one in PEM, signed by the site's TLS authority"
WANTED_TLS_AUTHORITY = "the certificate of the site's TLS authority, one in PEM"


def checked_tls(
    *,
    name: TlsName,
    key: ec.EllipticCurvePrivateKey,
    certificate: bytes,
    authority: bytes,
    places: tuple[str, str, str],
    renewed: bytes | None,
) -> TlsInForce:
    """Return the identity in force. Raise ConfigError for what does not belong together.

    `certificate`, `authority` and `renewed` are PEM; `places` are those of key, certificate and
    authority, for sentences.
    """
    key_place, certificate_place, authority_place = places
    try:
        root = der_of(authority)
    except TrustError as error:
        expected = f"expected {WANTED_TLS_AUTHORITY}"
        raise ConfigError(f"{authority_place}: {expected}, found none: {error}") from error
    try:
        certified = read_certificate(der_of(certificate), root, name)
    except TrustError as error:
        expected = f"expected {WANTED_TLS_CERTIFICATE} ({authority_place}), for {name.uri}"
        raise ConfigError(f"{certificate_place}: {expected}, found none: {error}") from error
    if certified.key != public_der(key.public_key()):
        raise ConfigError(
            f"{certificate_place}: this certificate is for another private key than {key_place}; "
            "put the two files there that were made together"
        )
    in_force = TlsInForce(certified, root, name)
    if renewed is not None:
        with suppress(TrustError):
            in_force.renew(in_force.newer(der_of(renewed)))
    return in_force
