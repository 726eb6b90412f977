"""Cards, keys and PINs as a policy has them: by keyed digests, never by their numbers.

Laws:
1. A digest is made with the card key of the site (HMAC-SHA256, RFC 2104; the first 16 bytes). The
   card key is in no policy and in no file of the state directory.
2. Who has a policy but not the card key learns no card number and no PIN. Who has both can try all
   numbers: a card of 26 bits or a PIN of 4 digits is found within seconds.
3. The digest of a PIN is bound to its card: the same PIN of two cards looks different.
4. Digests are compared in constant time.
5. A phone that others make (PKOC) is a row like a card's: its digest is of its whole public key. No
   card has the digest of a key, whatever its number.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256

from hubcore.access.grant import Access

CARD_KEY_BYTES = 32
DIGEST_BYTES = 16
PIN_DIGITS = range(4, 13)
CARD_BITS = 26
"""Of a usual card."""
_CARD = b"hub card\x00"
_PIN = b"hub pin\x00"
_KEY = b"hub pkoc key\x00"


@dataclass(frozen=True, slots=True)
class CardNumber:
    """What a card tells a reader: its first `bits` bits in `data`, from the left."""

    bits: int
    data: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Raise ValueError unless the bytes hold these bits and nothing else."""
        size = (self.bits + 7) // 8
        if self.bits < 1 or len(self.data) != size:
            raise ValueError(f"{self.bits} bits are not in {len(self.data)} bytes")
        spare = size * 8 - self.bits
        if self.data[-1] & ((1 << spare) - 1):
            raise ValueError(f"there is something behind the first {self.bits} bits")

    @classmethod
    def of(cls, number: int, bits: int) -> CardNumber:
        """Return the card of a number. Raise ValueError for one that has not so many bits."""
        if not 0 <= number < 1 << bits:
            raise ValueError(f"that number does not fit into {bits} bits")
        size = (bits + 7) // 8
        return cls(bits, (number << (size * 8 - bits)).to_bytes(size, "big"))

    @classmethod
    def of_facility(cls, facility: int, number: int) -> CardNumber:
        """Return a card of the usual 26 bits (H10301), by the two numbers printed on it.

        Even parity over the first 12 bits, facility (8), number (16), odd parity over the last 12.
        Raise ValueError.
        """
        if not (0 <= facility < 1 << 8 and 0 <= number < 1 << 16):
            raise ValueError("a card of 26 bits has a facility of 0..255 and a number of 0..65535")
        middle = facility << 16 | number
        first = (middle >> 12).bit_count() & 1
        last = 1 - ((middle & 0xFFF).bit_count() & 1)
        return cls.of(first << 25 | middle << 1 | last, CARD_BITS)


@dataclass(frozen=True, slots=True)
class Card:
    """A row of the policy: the holder of this card may go in by these rules.

    Times in Unix seconds. `pin` is the digest of its PIN, `duress` that of the PIN which opens and
    tells of a threat; None where it has none.
    """

    digest: bytes
    credential: str
    not_before: int
    expires: int
    access: tuple[Access, ...]
    pin: bytes | None = None
    duress: bytes | None = None


class PinMatch(Enum):
    """What a PIN is to a card."""

    RIGHT = "right"
    DURESS = "duress"
    WRONG = "wrong"


def card_digest(card_key: bytes, bits: int, data: bytes) -> bytes:
    """Return the digest of a card's first `bits` bits, which stand in `data` from the left."""
    return _digest(card_key, _CARD + bits.to_bytes(2, "big") + data)


def public_key_digest(card_key: bytes, point: bytes) -> bytes:
    """Return the digest of a phone's public key, uncompressed (SEC 1, 2.3.3): all 65 bytes."""
    return _digest(card_key, _KEY + point)


def pin_digest(card_key: bytes, card: bytes, pin: str) -> bytes:
    """Return the digest of a PIN for the card of that digest. Raise ValueError for no PIN."""
    if len(pin) not in PIN_DIGITS or not (pin.isascii() and pin.isdigit()):
        raise ValueError(f"a PIN has {PIN_DIGITS[0]} to {PIN_DIGITS[-1]} digits")
    return _digest(card_key, _PIN + card + pin.encode())


def match_pin(card_key: bytes, card: Card, pin: str) -> PinMatch:
    """Tell what a PIN, as it was pressed, is to a card."""
    try:
        digest = pin_digest(card_key, card.digest, pin)
    except ValueError:
        return PinMatch.WRONG
    is_duress = card.duress is not None and hmac.compare_digest(digest, card.duress)
    is_right = card.pin is not None and hmac.compare_digest(digest, card.pin)
    if is_duress:
        return PinMatch.DURESS
    return PinMatch.RIGHT if is_right else PinMatch.WRONG


def _digest(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, sha256).digest()[:DIGEST_BYTES]
