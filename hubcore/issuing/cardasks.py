"""What a site's server may ask about cards, and phones that others make: the digest of one.

How it works: a policy names them by digests under the site's card key (`hubcore.access.cards`). The
server does not have that key. What signs has it, and makes the digest.

Laws:
1. An ask that exists is checked, whoever made it. What is no ask gives FrameError.
2. Without a number of cards in the limits no digest is made.
3. The server says how many cards its policy would name with this one. More than the limits say are
   refused here. Two asks may say the same number: that both rows come to be is the server's to
   prevent (`hubsite.phones.atreaders.adding`, law 3).
4. What a hub has recorded is asked for by its digest. It comes back as it is, judged like any.

Shape: [count, what, data].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from hubcore.access.cards import (
    CARD_BITS,
    DIGEST_BYTES,
    CardNumber,
    card_digest,
    public_key_digest,
)
from hubcore.codec import cbor
from hubcore.errors import FrameError
from hubcore.issuing.limits import Limits
from hubcore.issuing.words import Refusal, RefusedError

POINT_BYTES = 65
COUNT_MAX = 1_000_000
CARD_ASK_BYTES = 96
CARD_BITS_ASKED = range(CARD_BITS, 257)
"""So many bits a card may have that is typed: a usual one, or up to 32 bytes. 200 are the most that
cards of offices tell (FASC-N)."""
_LENGTH_BYTES = 2
_UNCOMPRESSED = 4
_ITEMS = 4


class Shown(IntEnum):
    """What is asked for. The numbers stand in messages."""

    KEY = 1
    """A public key on P-256, uncompressed (SEC 1, 2.3.3): 65 bytes."""
    RECORDED = 2
    """A digest as a hub's record of an unknown card or key has it: 16 bytes."""
    CARD = 3
    """The number of a card, as `of_card` writes it."""


@dataclass(frozen=True, slots=True)
class CardAsk:
    """Make the digest of this; `count` cards would be in the policy with it."""

    count: int
    what: Shown
    data: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Raise FrameError for what is no ask (law 1)."""
        if type(self.count) is not int or not 1 <= self.count <= COUNT_MAX:
            raise FrameError(f"card: there are 1 to {COUNT_MAX} with it")
        if type(self.data) is not bytes or not _is_one(self.what, self.data):
            raise FrameError(
                f"card: expected a key of {POINT_BYTES} bytes that begins with 04, a digest of "
                f"{DIGEST_BYTES} bytes, or a card of {CARD_BITS_ASKED.start} to "
                f"{CARD_BITS_ASKED.stop - 1} bits"
            )


def of_card(number: CardNumber) -> bytes:
    """Return what asks for a card: how many bits (2 bytes, big-endian), and they from the left."""
    return number.bits.to_bytes(_LENGTH_BYTES, "big") + number.data


def _card_in(data: bytes) -> CardNumber:
    """Read what `of_card` wrote. Raise ValueError."""
    bits = int.from_bytes(data[:_LENGTH_BYTES], "big")
    if bits not in CARD_BITS_ASKED:
        raise ValueError(f"a card of {bits} bits")
    return CardNumber(bits, data[_LENGTH_BYTES:])


def _is_card(data: bytes) -> bool:
    try:
        _card_in(data)
    except ValueError:
        return False
    return True


def _is_one(what: Shown, data: bytes) -> bool:
    if what is Shown.RECORDED:
        return len(data) == DIGEST_BYTES
    if what is Shown.CARD:
        return _is_card(data)
    return len(data) == POINT_BYTES and data[0] == _UNCOMPRESSED


def write_card_ask(ask: CardAsk) -> bytes:
    """Return the bytes of an ask."""
    return cbor.encode([ask.count, int(ask.what), ask.data])


def read_card_ask(data: bytes) -> CardAsk:
    """Read what `write_card_ask` wrote, whoever did. Raise FrameError."""
    if len(data) > CARD_ASK_BYTES:
        raise FrameError(f"card: an ask has at most {CARD_ASK_BYTES} bytes")
    match cbor.decode(data, max_depth=1, max_items=_ITEMS):
        case [count, int() as what, bytes() as shown]:
            if type(what) is not int or what not in set(Shown):
                raise FrameError(f"card: nobody makes a digest of kind {what} here")
            return CardAsk(count, Shown(what), shown)
    raise FrameError("card: expected [count, what, data]")


def judge_card(ask: CardAsk, limits: Limits) -> None:
    """Keep laws 2 and 3. Raise RefusedError."""
    if not limits.cards:
        raise RefusedError(
            Refusal.RULE,
            "cards: the signer's limits allow no card and no phone of others (cards in [limits] "
            "of its file: hubsite setup --cards writes it)",
        )
    if ask.count > limits.cards:
        raise RefusedError(
            Refusal.RULE,
            f"cards: {ask.count} cards and phones of others, and the signer's limits allow "
            f"{limits.cards}",
        )


def digest_of_card(ask: CardAsk, card_key: bytes) -> bytes:
    """Return the digest that is asked for: 16 bytes. `card_key` is the site's."""
    if ask.what is Shown.RECORDED:
        return ask.data
    if ask.what is Shown.CARD:
        number = _card_in(ask.data)
        return card_digest(card_key, number.bits, number.data)
    return public_key_digest(card_key, ask.data)
