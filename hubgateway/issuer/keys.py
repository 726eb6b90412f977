"""The keys of issuer and authority, and the files that a fleet begins with.

Law: a file that is there is never written over.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import zmq
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from hubcore.codec import cbor, cose
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.codec.tls import pem_of, public_der, read_public
from hubcore.codec.tlsauthority import Authority, begin_authority
from hubcore.errors import ConfigError, TrustError

ISSUER_KEY = "issuer.key"
ISSUER = "issuer.cbor"
AUTHORITY_KEY = "authority.key"
AUTHORITY = "authority.pem"
ENROLMENT_SECRET = "hubgateway.enrolment_secret"  # noqa: S105, its name
CURVE_SECRET = "hubgateway.curve_secret"  # noqa: S105, its name
CONFIG = "hubissuer.toml"

_PLAIN = re.compile(r"[A-Za-z0-9:/._\[\]-]{1,253}")
_SECRET_MODE = 0o600
_PUBLIC_MODE = 0o644


def read_public_key(path: Path) -> bytes:
    """Read a P-256 key in PEM, the public or the private one, as SubjectPublicKeyInfo.

    Raise ConfigError.
    """
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    try:
        if b"PRIVATE KEY" in pem:
            key = load_pem_private_key(pem, None).public_key()
        else:
            key = load_pem_public_key(pem)
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise TypeError("it is no key on a curve")
        return public_der(read_public(public_der(key)))
    except (TypeError, ValueError, UnsupportedAlgorithm, TrustError) as error:
        raise ConfigError(f"{path}: it is no P-256 key in PEM without a passphrase") from error


def verify_key(public: bytes) -> VerifyKey:
    """Return a public key as it stands in signed documents."""
    return cose.read_key(cose.write_key(read_public(public)))


def write_public(path: Path, data: bytes) -> None:
    """Write a file that is no secret; one that is there is replaced. Raise ConfigError."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


def begin(folder: Path, site: str, server: str, now: int) -> str:
    """Make the keys of a site and a configuration; return the public key that hubs pin.

    `now` in Unix seconds. Raise ConfigError when one of the files is there already.
    """
    issuer = _new_key()
    authority = new_authority(site, _new_key(), now)
    enrolment_public, enrolment_secret = zmq.curve_keypair()
    public, secret = zmq.curve_keypair()
    if not _PLAIN.fullmatch(site) or not _PLAIN.fullmatch(server):
        raise ConfigError("a site and a server are words of letters, digits and :/._-")
    config = (
        f'site = "{site}"\nservers = ["{server}"]\nissuer_key = "{ISSUER_KEY}"\n'
        f'authority_key = "{AUTHORITY_KEY}"\ntls_authority = "{AUTHORITY}"\n'
        f'enrolment_key = "{enrolment_public.decode("ascii")}"\n'
    )
    files = {
        ISSUER_KEY: (_pem(issuer), _SECRET_MODE),
        ISSUER: (cbor.encode(issuer.cose_key), _PUBLIC_MODE),
        AUTHORITY_KEY: (_pem(authority.key), _SECRET_MODE),
        AUTHORITY: (pem_of(authority.document), _PUBLIC_MODE),
        ENROLMENT_SECRET: (enrolment_secret, _SECRET_MODE),
        CURVE_SECRET: (secret, _SECRET_MODE),
        CONFIG: (config.encode(), _PUBLIC_MODE),
    }
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in files:
        if (folder / name).exists():
            raise ConfigError(f"{folder / name} is there already: choose another folder")
    for name, (data, mode) in files.items():
        _write_new(folder / name, data, mode)
    return public.decode("ascii")


def new_authority(site: str, key: SigningKey, now: int) -> Authority:
    """Return a site's TLS authority with this key. Raise ConfigError for no name of a site."""
    try:
        return begin_authority(site, key, now)
    except TrustError as error:
        raise ConfigError(str(error)) from error


def new_pem() -> bytes:
    """Return a new private key, in PEM."""
    return _pem(_new_key())


def _new_key() -> SigningKey:
    return SigningKey(ec.generate_private_key(ec.SECP256R1()))


def _pem(key: SigningKey) -> bytes:
    return key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
