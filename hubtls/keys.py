"""Keys and documents that people hand a program in files.

Laws:
1. A private key that others may use refuses the start.
2. What cannot be read refuses the start, with the file's name and what was expected.
"""

from __future__ import annotations

import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from hubcore.bridge.words import DOCUMENT_BYTES
from hubcore.codec import cbor, cose
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.errors import ConfigError, PeerError

ISSUER_BYTES_MAX = 1024
KEY_BYTES_MAX = 4096


def read_private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read a P-256 key in PEM (law 1). Raise ConfigError."""
    text = read_file(path, KEY_BYTES_MAX)
    if stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXO:
        raise ConfigError(f"{path}: others may use it: chmod o= {path}")
    try:
        key = load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path} is no private key in PEM: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError(f"{path} is no private key on the curve P-256")
    return key


def new_key() -> SigningKey:
    """Make a P-256 key."""
    return SigningKey(ec.generate_private_key(ec.SECP256R1()))


def private_pem(key: SigningKey) -> bytes:
    """Return a private key in PEM (PKCS#8), not encrypted."""
    return key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_signing_key(path: Path) -> SigningKey:
    """Read a key that signs. Raise ConfigError."""
    return SigningKey(read_private_key(path))


def read_issuer(path: Path) -> VerifyKey:
    """Read the public key of the site's issuer. Raise ConfigError."""
    try:
        return cose.read_key(cbor.decode(read_file(path, ISSUER_BYTES_MAX)))
    except PeerError as error:
        raise ConfigError(
            f"{path}: expected the issuer's public COSE_Key, raw CBOR: {error}"
        ) from error


def read_document(path: Path) -> bytes:
    """Read a signed document, unproven. Raise ConfigError."""
    return read_file(path, DOCUMENT_BYTES)


def read_file(path: Path, most: int) -> bytes:
    """Read a small file. Raise ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if len(data) > most:
        raise ConfigError(f"{path}: it has more than {most} bytes")
    return data
