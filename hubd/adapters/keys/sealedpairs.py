"""A pair of keys as it lies in a file: sealed by the hub's configured secret.

The form is a CBOR array: form, public key, when it was made (Unix seconds), the public key that it
follows, nonce, sealed secret. All that is in clear is authenticated with the secret.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hubcore.codec import cbor
from hubcore.errors import ConfigError, PeerError
from hubd.adapters.keys.uplinkkeys import KEY_BYTES, OwnPair

FORM = 1
PAIR_BYTES_MAX = 512
NAME_BEGINS = "p-"

_NONCE_BYTES = 12
_INFO = b"hubd uplink pair 1"


@dataclass(frozen=True, slots=True)
class StoredPair:
    """A pair, when it was made (Unix seconds), and the public key that it follows."""

    pair: OwnPair
    made_at: int
    before: bytes

    @property
    def name(self) -> str:
        """The name of its directory."""
        return f"{NAME_BEGINS}{self.pair.public[:8].hex()}"


class PairSeal:
    """Seals pairs by the configured secret; `chance` returns so many random bytes."""

    def __init__(self, configured_secret: bytes, chance: Callable[[int], bytes]) -> None:
        hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=_INFO)
        self._cipher = ChaCha20Poly1305(hkdf.derive(configured_secret))
        self._chance = chance

    def sealed(self, made: StoredPair) -> bytes:
        """Return the bytes of the file."""
        said = [FORM, made.pair.public, made.made_at, made.before]
        nonce = self._chance(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, made.pair.secret, cbor.encode(said))
        return cbor.encode([*said, nonce, sealed])

    def opened(self, path: Path) -> StoredPair | None:
        """Return the pair in a directory, None for one that does not prove itself."""
        try:
            fields = cbor.decode(bytes_of(path / "pair"), max_depth=1)
            form, public, made_at, before, nonce, sealed = fields
            if form != FORM or type(made_at) is not int or len(before) != KEY_BYTES:
                return None
            said = cbor.encode([form, public, made_at, before])
            secret = self._cipher.decrypt(nonce, sealed, said)
            opened = StoredPair(OwnPair(secret, public), made_at, before)
        except (OSError, PeerError, ConfigError, InvalidTag, TypeError, ValueError):
            return None
        return opened if opened.name == path.name else None


def bytes_of(path: Path) -> bytes:
    """Return the bytes of a small regular file. Raise OSError or ValueError."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    with os.fdopen(os.open(path, flags), "rb") as file:
        data = file.read(PAIR_BYTES_MAX + 1)
    if len(data) > PAIR_BYTES_MAX:
        raise ValueError("too long")
    return data
