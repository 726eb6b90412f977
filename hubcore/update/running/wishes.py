"""What a person at a hub may wish of its updates: names of files in a folder of `hubupdate`.

Laws:
1. A wish is a name and nothing else, so what writes it and what reads it agree on names alone.
2. HOLD lies there as long as it holds. Any other wish is taken once.
"""

from __future__ import annotations

from enum import StrEnum

from hubcore.update.image import DIGEST_BYTES

FOLDER = "/var/lib/hubupdate/wishes"
_OUT = "let-out-"


class Wish(StrEnum):
    """What may be wished; the words are the names."""

    HOLD = "hold"
    CHECK = "check"
    ROLL_BACK = "rollback"


def let_out_name(digest: bytes) -> str:
    """Return the name of the wish to let an image out of quarantine."""
    return _OUT + digest.hex()


def digest_of(name: str) -> bytes | None:
    """Return the digest that such a name says; None for any other name."""
    text = name.removeprefix(_OUT)
    if text == name or len(text) != 2 * DIGEST_BYTES:
        return None
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None
