"""The kinds of place where a key lies, and the opening of one by what a configuration says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hubcore.codec.cose import SigningKey
from hubcore.errors import ConfigError
from hubgateway.config import secret_file
from hubgateway.issuer.holding import files, tokenuri

Secret = Callable[[str], str]
"""Returns a passphrase or PIN; it is given what to ask for. May raise ConfigError."""


class KeyKind(StrEnum):
    """Where a key lies."""

    FILE = "file"
    """In a file that is not encrypted."""
    LOCKED = "file behind a passphrase"
    TOKEN = "PKCS#11 token"  # noqa: S105, its name
    """In a device that signs by itself. The key never leaves it."""


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key that signs, and where it lies."""

    kind: KeyKind
    key: SigningKey


def kind_of(name: str, named: str, config_file: Path) -> KeyKind:
    """Tell where a key lies, and ask for no secret. Raise ConfigError.

    `name` is the key of the configuration, `named` a file, `credential:NAME` or a `pkcs11:` URI.
    """
    if tokenuri.is_uri(named):
        tokenuri.read(name, named)
        return KeyKind.TOKEN
    pem = secret_file(named, config_file, name)
    return KeyKind.LOCKED if files.is_locked(name, pem) else KeyKind.FILE


def open_key(name: str, named: str, config_file: Path, secret: Secret) -> HeldKey:
    """Open a key of any kind. Raise ConfigError, or HardwareError for a token that does not answer.

    `secret` is asked where the kind has one.
    """
    if tokenuri.is_uri(named):
        uri = tokenuri.read(name, named)
        return HeldKey(KeyKind.TOKEN, _in_token(uri, secret(f"PIN of {name}")))
    pem = secret_file(named, config_file, name)
    if not files.is_locked(name, pem):
        return HeldKey(KeyKind.FILE, files.read_plain(name, pem))
    passphrase = secret(f"Passphrase of {name}")
    return HeldKey(KeyKind.LOCKED, files.read_locked(name, pem, passphrase))


def _in_token(uri: tokenuri.TokenUri, pin: str) -> SigningKey:
    try:
        from hubgateway.issuer.holding import token
    except ImportError as error:
        raise ConfigError(
            f"{uri.text}: a key in a token needs the extra token of this program: {error}"
        ) from error
    return SigningKey(token.open_token(uri, pin))
