"""A tag in the advertisement by which a phone of the site knows the site's hubs, and nobody else
knows anything.

Laws: the tag is made as Bluetooth makes the lower half of a resolvable private address, with
nothing of our own added (Core, Vol 3, Part H, 2.2.2: hash = ah(key, prand)); every tag has a fresh
prand; a tag proves nothing: whoever records it can send it again, and one in 2**24 of a stranger's
resolves by chance. It says whom to try first, no more.
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
"""The company identifier that the Bluetooth SIG keeps free of owners, for tests and for use inside
one house.
"""


@dataclass(frozen=True, slots=True)
class Beacon:
    """What a hub advertises its site with: key of KEY_BYTES, the SIG's company identifier, seconds
    between two tags.
    """

    key: bytes = field(repr=False)
    company: int = COMPANY_NONE
    rotate_seconds: float = ROTATE_SECONDS

    def tag(self, chance: Callable[[int], bytes]) -> bytes:
        """Return a new tag, prand || hash; `chance` returns so many random bytes."""
        prand = chance(PRAND_BYTES)
        return prand + ah(self.key, prand)


def resolves(key: bytes, tag: bytes) -> bool:
    """Tell whether a tag was made with this key. Whatever is no tag does not resolve."""
    return len(tag) == TAG_BYTES and ah(key, tag[:PRAND_BYTES]) == tag[PRAND_BYTES:]


def ah(key: bytes, prand: bytes) -> bytes:
    """Return the 3 bytes e(key, padding || prand) mod 2**24, most significant first (Core, Vol 3,
    Part H, 2.2.2).
    """
    block = prand.rjust(KEY_BYTES, b"\0")
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 (one block: the e of the Core)
    return (encryptor.update(block) + encryptor.finalize())[-HASH_BYTES:]
