"""The files of a site's TLS authority.

SITE/authority.key  authority.pem      beside the issuer's key, apart from the backend
"""

from __future__ import annotations

from pathlib import Path

from hubcore.codec.cose import SigningKey
from hubcore.codec.tls import TlsName, der_of, pem_of, public_der
from hubcore.codec.tlsauthority import Authority, begin_authority, certify
from hubsim.phone.wallet import write_private
from hubsim.site.documents import Validity, make_key, pem, read_ec_key

_KEY = "authority.key"
_CERTIFICATE = "authority.pem"


def new_authority(site: str) -> Authority:
    """Return a new authority for a site."""
    return begin_authority(site, make_key(), Validity.days(1).not_before)


def make_authority(path: Path, site: str) -> None:
    """Make the authority of a new site in its folder."""
    made = new_authority(site)
    write_private(path / _KEY, pem(made.key))
    (path / _CERTIFICATE).write_bytes(pem_of(made.document))


def authority_document(path: Path) -> bytes:
    """Return the certificate of a site's authority as DER; its key is not read.

    Raise ValueError for a site without one.
    """
    file = path / _CERTIFICATE
    if not file.exists():
        raise ValueError(f"{file} is missing: this site is older than its TLS authority; make anew")
    return der_of(file.read_bytes())


def open_authority(path: Path) -> Authority:
    """Read the authority of a site."""
    return Authority(read_ec_key(path / _KEY), authority_document(path))


def certify_tls(authority: Authority, name: TlsName, key: bytes, validity: Validity) -> bytes:
    """Return a certificate (DER) for a key as SubjectPublicKeyInfo."""
    return certify(authority, name, key, validity.not_before, validity.expires)


def public_of(key: SigningKey) -> bytes:
    """Return the public half of a key as SubjectPublicKeyInfo."""
    return public_der(key.private.public_key())
