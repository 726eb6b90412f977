"""A tag in the advertisement by which a phone of the site, and nobody else, knows the site's hubs.

Laws:
1. The tag is made like the lower half of a resolvable private address of Bluetooth, with nothing
   added (Core, Vol 3, Part H, 2.2.2: hash = ah(key, prand)).
2. Every tag has a fresh prand.
3. A tag proves nothing: it says which hub to try first. Whoever records it can send it again, and
   one in 2**24 of a stranger's tags resolves by chance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

KEY_BYTES = 16
PRAND_BYTES = 3
HASH_BYTES = 3
TAG_BYTES = PRAND_BYTES + HASH_BYTES
ROTATE_SECONDS = 900
"""Unless a hub chooses otherwise; the time that Bluetooth recommends for addresses."""
COMPANY_NONE = 0xFFFF
"""The identifier that the Bluetooth SIG keeps free of owners, for tests and for use at home."""


@dataclass(frozen=True, slots=True)
class Beacon:
    """How a hub advertises its site: a key of KEY_BYTES, and seconds between two tags.

    `company` is the identifier that the Bluetooth SIG gave to a company.
    """

    key: bytes = field(repr=False)
    company: int = COMPANY_NONE
    rotate_seconds: float = ROTATE_SECONDS

    def tag(self, chance: Callable[[int], bytes]) -> bytes:
        """Return a new tag, prand || hash; `chance` returns so many random bytes."""
        prand = chance(PRAND_BYTES)
        return prand + ah(self.key, prand)


def resolves(key: bytes, tag: bytes) -> bool:
    """Tell whether a tag was made with this key; other bytes were not."""
    if len(tag) != TAG_BYTES:
        return False
    prand = tag[:PRAND_BYTES]
    return ah(key, prand) == tag[PRAND_BYTES:]


def ah(key: bytes, prand: bytes) -> bytes:
    """Return e(key, padding || prand) mod 2**24 in 3 bytes, most significant first.

    Source: Core, Vol 3, Part H, 2.2.2.
    """
    block = prand.rjust(KEY_BYTES, b"\0")
    one_block = modes.ECB()  # noqa: S305 - the Core's e is this
    encryptor = Cipher(algorithms.AES(key), one_block).encryptor()
    encrypted = encryptor.update(block) + encryptor.finalize()
    return encrypted[-HASH_BYTES:]
