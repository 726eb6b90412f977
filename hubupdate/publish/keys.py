"""The publisher's keys: two files for each, one that is shown and one that is not.

Laws:
1. All are Ed25519.
2. A private key's file is for its owner alone: one that others may read is refused.
3. A key that is there is never written over.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.signer import CryptoSigner, SSlibKey

from hubcore.errors import ConfigError
from hubterm.files import read_ordinary, whole_file

KEY_BYTES_MAX = 4096
PUBLIC_SUFFIX = ".pub"
_OTHERS = 0o077
_PEM = serialization.Encoding.PEM
Ask = Callable[[Path], bytes]
"""Asks for the passphrase of a key's file."""


def make_key(path: Path, passphrase: bytes) -> Path:
    """Make a key; return the file of its public half. An empty passphrase leaves it open."""
    public_path = path.with_name(path.name + PUBLIC_SUFFIX)
    for one in (path, public_path):
        if os.path.lexists(one):
            raise ConfigError(f"{one} is there already: name another file")
    key = Ed25519PrivateKey.generate()
    how: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        how = serialization.BestAvailableEncryption(passphrase)
    private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, how)
    with whole_file(path) as file:
        file.write(private)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    with whole_file(public_path) as file:
        file.write(key.public_key().public_bytes(_PEM, form))
    return public_path


def load_signer(path: Path, ask: Ask) -> CryptoSigner:
    """Return who signs with this key; `ask` is asked only for one that is closed."""
    data = _read(path)
    if path.stat().st_mode & _OTHERS:
        raise ConfigError(f"others may read the private key {path}: chmod 600 {path}")
    passphrase = ask(path) if b"ENCRYPTED" in data else None
    try:
        key = serialization.load_pem_private_key(data, passphrase)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path} is no private key, or the passphrase is another") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path} is a key of another kind than Ed25519")
    return CryptoSigner(key)


def load_public(path: Path) -> SSlibKey:
    """Return a public key."""
    try:
        key = serialization.load_pem_public_key(_read(path))
    except ValueError as error:
        raise ConfigError(f"{path} is no public key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{path} is a key of another kind than Ed25519")
    return SSlibKey.from_crypto(key)


def _read(path: Path) -> bytes:
    try:
        return read_ordinary(path, KEY_BYTES_MAX)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
