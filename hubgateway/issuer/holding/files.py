"""Keys in files, as PKCS#8 in PEM, and the same behind a passphrase.

Laws:
1. A passphrase is stretched by scrypt, with SCRYPT_N rounds: PBES2 of RFC 8018 with the scheme of
   RFC 7914. `cryptography` reads this and writes PBKDF2 with 2,048 rounds alone; so it is written
   here, by its primitives.
2. A file that is put behind a passphrase is replaced only once the new one was read again and holds
   the same key. Whatever ends the writing leaves one of both, whole.
3. A passphrase has PASSPHRASE_MIN characters or more.

The command `openssl` takes no more than 32 MiB for scrypt and cannot read such a file.
"""

from __future__ import annotations

import base64
import os
import textwrap
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from hubcore.codec.cose import SigningKey
from hubcore.errors import ConfigError, StoreError
from hubgateway.config import secret_file
from hubterm.files import whole_file

SCRYPT_N = 1 << 17
"""With `SCRYPT_R` blocks this takes 128 MiB of memory."""
SCRYPT_R = 8
SCRYPT_P = 1
PASSPHRASE_MIN = 12

_KEY_BYTES = 32
_SALT_BYTES = 16
_BLOCK_BITS = 128
_LOCKED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"
_SEQUENCE = 0x30
_OCTETS = 0x04
_INTEGER = 0x02
_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_SCRYPT = bytes.fromhex("06092b06010401da47040b")
_AES_256_CBC = bytes.fromhex("060960864801650304012a")
"""Object identifiers in DER: 1.2.840.113549.1.5.13, 1.3.6.1.4.1.11591.4.11 and
2.16.840.1.101.3.4.1.42."""


def is_locked(name: str, pem: bytes) -> bool:
    """Tell whether a key in PEM needs a passphrase. Raise ConfigError for what is no key."""
    try:
        load_pem_private_key(pem, None)
    except TypeError:  # it is encrypted
        return True
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{name}: it cannot be read: {error}") from error
    return False


def read_plain(name: str, pem: bytes) -> SigningKey:
    """Read a P-256 key that is not encrypted. Raise ConfigError."""
    return _read(name, pem, None)


def read_locked(name: str, pem: bytes, passphrase: str) -> SigningKey:
    """Read a P-256 key behind a passphrase. Raise ConfigError, also for a wrong one."""
    return _read(name, pem, passphrase.encode())


def _read(name: str, pem: bytes, passphrase: bytes | None) -> SigningKey:
    try:
        key = load_pem_private_key(pem, passphrase)
    except (TypeError, ValueError, UnsupportedAlgorithm, MemoryError) as error:
        raise ConfigError(f"{name}: it cannot be read: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError(f"{name}: it is no key of the curve P-256")
    return SigningKey(key)


def private_half(name: str, key: SigningKey) -> ec.EllipticCurvePrivateKey:
    """Return the key itself, as `cryptography` has it. Raise ConfigError for none on a curve."""
    if not isinstance(key.private, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"{name}: it is no key of the curve P-256")
    return key.private


def write_locked(key: ec.EllipticCurvePrivateKey, passphrase: str, rounds: int = SCRYPT_N) -> bytes:
    """Return a key behind a passphrase, in PEM (law 1). `rounds` is a power of 2."""
    salt = os.urandom(_SALT_BYTES)
    iv = os.urandom(_BLOCK_BITS // 8)
    stretch = Scrypt(salt=salt, length=_KEY_BYTES, n=rounds, r=SCRYPT_R, p=SCRYPT_P)
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    sealed = _encrypt(stretch.derive(passphrase.encode()), iv, plain)
    costs = (_integer(number) for number in (rounds, SCRYPT_R, SCRYPT_P, _KEY_BYTES))
    stretching = _der(_SEQUENCE, _SCRYPT, _der(_SEQUENCE, _der(_OCTETS, salt), *costs))
    cipher = _der(_SEQUENCE, _AES_256_CBC, _der(_OCTETS, iv))
    scheme = _der(_SEQUENCE, _PBES2, _der(_SEQUENCE, stretching, cipher))
    return _pem(_der(_SEQUENCE, scheme, _der(_OCTETS, sealed)))


def lock_file(path: Path, passphrase: str, rounds: int = SCRYPT_N) -> SigningKey:
    """Put the key of a file behind a passphrase (law 2). Raise ConfigError or StoreError."""
    if len(passphrase) < PASSPHRASE_MIN:
        raise ConfigError(f"a passphrase has {PASSPHRASE_MIN} characters or more")
    pem = secret_file(path.name, path, "key")
    if is_locked(str(path), pem):
        raise ConfigError(f"{path}: it is behind a passphrase already")
    key = read_plain(str(path), pem)
    locked = write_locked(private_half(str(path), key), passphrase, rounds)
    again = read_locked(str(path), locked, passphrase)
    if again.cose_key != key.cose_key:
        raise StoreError(f"{path}: what was written holds another key; nothing is changed")
    try:
        with whole_file(path) as file:
            file.write(locked)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; nothing is changed") from error
    return again


def _encrypt(key: bytes, iv: bytes, plain: bytes) -> bytes:
    pad = padding.PKCS7(_BLOCK_BITS).padder()
    padded = pad.update(plain) + pad.finalize()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(padded) + encryptor.finalize()


def _der(tag: int, *parts: bytes) -> bytes:
    """Return one item of DER."""
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def _integer(number: int) -> bytes:
    return _der(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _pem(document: bytes) -> bytes:
    text = "\n".join(textwrap.wrap(base64.b64encode(document).decode("ascii"), 64))
    end = _LOCKED.replace(b"BEGIN", b"END")
    return _LOCKED + b"\n" + text.encode("ascii") + b"\n" + end + b"\n"
