"""What vector files have in common: bytes as hex, keys, and chance that is recorded or replayed.

Law: a reader of a file gets every byte of chance from the file, in the file's order. One draw more,
one fewer or one of another size is a failure.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hubcore.codec import cbor, cose
from hubcore.codec.cose import SigningKey, VerifyKey

FOLDER = Path(__file__).parent / "v1"
WALL = 1_800_000_000
"""Unix seconds at which every file's clock begins: Friday, 15 January 2027, 08:00 UTC."""
MONOTONIC = 1000.0
BYTES_MAX = 2_000_000
"""Ceiling of all files together."""

Json = dict[str, Any]


def files(reader: str) -> list[Path]:
    """Return the files for a reader (hub, phone, known), sorted by name."""
    return [path for path in sorted(FOLDER.glob("*.json")) if load(path)["reader"] == reader]


@lru_cache
def _text(path: Path) -> str:
    return path.read_text()


def load(path: Path) -> Json:
    """Read one file."""
    value = json.loads(_text(path))
    assert isinstance(value, dict)
    return value


@lru_cache
def private_key(pem: str) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    """Read a private key once for all files.

    RSA's slow check of primes is left out: the files' keys are known good.
    """
    key = serialization.load_pem_private_key(
        pem.encode(), None, unsafe_skip_rsa_key_validation=True
    )
    assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    return key


def rsa_key(pem: str) -> rsa.RSAPrivateKey:
    """Read an RSA key."""
    key = private_key(pem)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def verify_key(cose_key: str) -> VerifyKey:
    """Read a COSE_Key in hex."""
    return cose.read_key(cbor.decode(bytes.fromhex(cose_key)))


def pem(key: SigningKey | rsa.RSAPrivateKey) -> str:
    """Write a private key."""
    private = key.private if isinstance(key, SigningKey) else key
    encoding = serialization.Encoding.PEM
    form = serialization.PrivateFormat.PKCS8
    return private.private_bytes(encoding, form, serialization.NoEncryption()).decode()


class Chance:
    """Random bytes of one file: drawn from `seed` and written down, or read back from `drawn`."""

    def __init__(self, drawn: list[Json] | None, seed: str) -> None:
        self.drawn: list[Json] = [] if drawn is None else drawn
        self._replays = drawn is not None
        self._seed = seed
        self._at = 0
        self.purpose = ""

    def __call__(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        if self._replays:
            assert self._at < len(self.drawn), f"a draw of {size} bytes that the file does not hold"
            value = bytes.fromhex(self.drawn[self._at]["bytes"])
            assert len(value) == size, (
                f"draw {self._at}: {size} bytes wanted, the file holds {len(value)}"
            )
        else:
            value = hashlib.shake_256(f"{self._seed}/{self._at}".encode()).digest(size)
            self.drawn.append({"for": self._name(size), "bytes": value.hex()})
        self._at += 1
        return value

    def _name(self, size: int) -> str:
        by_size = {1: "jitter", 4: "session id", 8: "op", 12: "iv"}
        return by_size.get(size, self.purpose)

    @property
    def left(self) -> int:
        """How many draws of the file were not made."""
        return len(self.drawn) - self._at
