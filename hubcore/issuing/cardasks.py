"""What a site's server may ask about phones that others make and cards: the digest of one.

How it works: a policy names them by digests under the site's card key (`hubcore.access.cards`). The
server does not have that key. What signs has it, and makes the digest.

Laws:
1. An ask that exists is checked, whoever made it. What is no ask gives FrameError.
2. Without a number of cards in the limits no digest is made.
3. The server says how many cards its policy would name with this one. More than the limits say are
   refused here. Two asks may say the same number: that both rows come to be is the server's to
   prevent (`hubsite.phones.others`, law 4).
4. What a hub has recorded is asked for by its digest. It comes back as it is, judged like any.

Shape: [count, what, data].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from hubcore.access.cards import DIGEST_BYTES, public_key_digest
from hubcore.codec import cbor
from hubcore.errors import FrameError
from hubcore.issuing.limits import Limits
from hubcore.issuing.words import Refusal, RefusedError

POINT_BYTES = 65
COUNT_MAX = 1_000_000
CARD_ASK_BYTES = 96
_UNCOMPRESSED = 4
_ITEMS = 4


class Shown(IntEnum):
    """What is asked for. The numbers stand in messages."""

    KEY = 1
    """A public key on P-256, uncompressed (SEC 1, 2.3.3): 65 bytes."""
    RECORDED = 2
    """A digest as a hub's record of an unknown card or key has it: 16 bytes."""


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
                f"card: expected a key of {POINT_BYTES} bytes that begins with 04, or a digest of "
                f"{DIGEST_BYTES} bytes"
            )


def _is_one(what: Shown, data: bytes) -> bool:
    if what is Shown.RECORDED:
        return len(data) == DIGEST_BYTES
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
            "cards: the signer's limits allow no phone of others and no card (cards in [limits] "
            "of its file)",
        )
    if ask.count > limits.cards:
        raise RefusedError(
            Refusal.RULE,
            f"cards: {ask.count} phones of others and cards, and the signer's limits allow "
            f"{limits.cards}",
        )


def digest_of_card(ask: CardAsk, card_key: bytes) -> bytes:
    """Return the digest that is asked for: 16 bytes. `card_key` is the site's."""
    if ask.what is Shown.RECORDED:
        return ask.data
    return public_key_digest(card_key, ask.data)
