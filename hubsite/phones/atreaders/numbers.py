"""The number of a card, as people type it.

Laws:
1. It is one of two: facility and number as they are printed on a usual card of 26 bits, or the
   digits that a reader tells. What is neither is refused, with a sentence that says why.
2. A card and its number are the same bits that a reader tells a hub: none is turned around.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hubcore.access.cards import CardNumber
from hubcore.issuing.cardasks import CARD_BITS_ASKED, Shown, of_card
from hubsite.phones.atreaders.adding import Typed

DIGITS_MAX = CARD_BITS_ASKED.stop - 1 >> 2
_PRINTED = re.compile(r"([0-9]{1,5})\s*[/,]\s*([0-9]{1,5})", re.ASCII)
_TOLD = re.compile(r"([0-9a-f]+)(?:/([0-9]{1,4}))?", re.ASCII)
_BETWEEN = re.compile(r"[\s:-]")
_DIGITS_MIN = 4
FORMS = "facility/number such as 12/34567, or the digits of a reader such as 04A1B2C3D4E5F6"


def read_number(text: str) -> Typed:
    """Return a card by what was typed. Raise ValueError with a sentence (law 1)."""
    number = _number(text)
    if number.bits not in CARD_BITS_ASKED:
        raise ValueError(
            f"A card has {CARD_BITS_ASKED.start} to {CARD_BITS_ASKED.stop - 1} bits here, and this "
            f"one {number.bits}."
        )
    return Typed(Shown.CARD, of_card(number))


def _number(text: str) -> CardNumber:
    printed = _PRINTED.fullmatch(text.strip())
    if printed is not None and len(printed[1]) < _DIGITS_MIN:
        return _sentence_of(CardNumber.of_facility, int(printed[1]), int(printed[2]))
    told = _TOLD.fullmatch(_BETWEEN.sub("", text).lower().removeprefix("0x"))
    if told is None or len(told[1]) < _DIGITS_MIN:
        raise ValueError(f"This is no card: type {FORMS}.")
    if len(told[1]) > DIGITS_MAX:
        raise ValueError(f"A card has {DIGITS_MAX} digits at most, and this one {len(told[1])}.")
    return _told(told[1], told[2])


def _told(digits: str, bits: str | None) -> CardNumber:
    """Return a card by digits of 4 bits, from the left; `bits` where the last are not used."""
    wanted = 4 * len(digits) if bits is None else int(bits)
    size = (wanted + 7) // 8
    data = bytes.fromhex(digits + "0" * (len(digits) % 2))
    if len(data) != size:
        raise ValueError(f"{wanted} bits are {2 * size} digits, and these are {len(digits)}.")
    return _sentence_of(CardNumber, wanted, data)


def _sentence_of(make: Callable[..., CardNumber], *typed: Any) -> CardNumber:
    try:
        return make(*typed)
    except ValueError as error:
        raise ValueError(f"This is no card: {error}.") from error
