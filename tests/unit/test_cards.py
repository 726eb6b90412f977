"""Cards and PINs: their digests, what a PIN is to a card, and the claim of a card's holder."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from hmac import HMAC

import pytest

from hubcore.access.cards import (
    CARD_KEY_BYTES,
    DIGEST_BYTES,
    Card,
    PinMatch,
    card_digest,
    match_pin,
    pin_digest,
)
from hubcore.access.claim import Claim, ClaimOutcome, Strength
from hubcore.access.grant import Access
from hubcore.access.words import Action, Denial
from hubcore.door.state import DoorState

KEY = bytes(range(CARD_KEY_BYTES))
DIGEST = card_digest(KEY, 26, b"\x12\x34\x56\x40")
HERE = Access(access_point=2, rights=1, rules=())
CARD = Card(
    digest=DIGEST,
    credential="anna",
    not_before=100,
    expires=200,
    access=(Access(access_point=1, rights=9, rules=()), HERE),
    pin=pin_digest(KEY, DIGEST, "2468"),
    duress=pin_digest(KEY, DIGEST, "8642"),
)


def test_a_digest_is_what_the_documents_say() -> None:  # law 1
    """By hand, so that a hub of tomorrow still finds the cards of a policy of today."""
    card = HMAC(KEY, b"hub card\x00" + b"\x00\x1a" + b"\x12\x34\x56\x40", sha256).digest()
    pin = HMAC(KEY, b"hub pin\x00" + DIGEST + b"2468", sha256).digest()
    assert card_digest(KEY, 26, b"\x12\x34\x56\x40") == card[:DIGEST_BYTES]
    assert pin_digest(KEY, DIGEST, "2468") == pin[:DIGEST_BYTES]


def test_cards_of_other_lengths_keys_and_numbers_look_different() -> None:
    digests = {
        DIGEST,
        card_digest(KEY, 27, b"\x12\x34\x56\x40"),
        card_digest(KEY, 26 + 256, b"\x12\x34\x56\x40"),
        card_digest(KEY, 26, b"\x12\x34\x56\x80"),
        card_digest(bytes(CARD_KEY_BYTES), 26, b"\x12\x34\x56\x40"),
    }
    assert len(digests) == 5


def test_the_same_pin_of_two_cards_looks_different() -> None:  # law 3
    other = card_digest(KEY, 26, b"\x12\x34\x56\x80")
    assert pin_digest(KEY, other, "2468") != pin_digest(KEY, DIGEST, "2468")


@pytest.mark.parametrize("pin", ["", "123", "1" * 13, "12a4", "12 4", "١٢٣٤", "²²²²", "-123"])
def test_what_is_no_pin_has_no_digest_and_is_wrong(pin: str) -> None:
    with pytest.raises(ValueError, match="a PIN has 4 to 12 digits"):
        pin_digest(KEY, DIGEST, pin)
    assert match_pin(KEY, CARD, pin) is PinMatch.WRONG


@pytest.mark.parametrize("pin", ["1234", "123456789012"])
def test_a_pin_has_4_to_12_digits(pin: str) -> None:
    card = replace(CARD, pin=pin_digest(KEY, DIGEST, pin))
    assert match_pin(KEY, card, pin) is PinMatch.RIGHT


@pytest.mark.parametrize(
    ("card", "pin", "expected"),
    [
        (CARD, "2468", PinMatch.RIGHT),
        (CARD, "8642", PinMatch.DURESS),
        (CARD, "2469", PinMatch.WRONG),
        (replace(CARD, duress=None), "2468", PinMatch.RIGHT),
        (replace(CARD, duress=None), "8642", PinMatch.WRONG),
        (replace(CARD, pin=None), "2468", PinMatch.WRONG),
        (replace(CARD, pin=None), "8642", PinMatch.DURESS),
        (replace(CARD, pin=None, duress=None), "2468", PinMatch.WRONG),
        (replace(CARD, duress=CARD.pin), "2468", PinMatch.DURESS),
    ],
)
def test_what_a_pin_is_to_a_card(card: Card, pin: str, expected: PinMatch) -> None:
    assert match_pin(KEY, card, pin) is expected


def test_a_pin_under_another_card_key_is_wrong() -> None:
    assert match_pin(bytes(CARD_KEY_BYTES), CARD, "2468") is PinMatch.WRONG


@pytest.mark.parametrize("strength", [Strength.CARD, Strength.CARD_AND_PIN])
@pytest.mark.parametrize("duress", [True, False])
def test_a_card_claims_what_its_row_says(strength: Strength, duress: bool) -> None:
    claim = Claim.by_card(
        CARD,
        access_point=2,
        op=b"op-of-it",
        strength=strength,
        arrived=7.5,
        reader="front",
        duress=duress,
    )
    assert claim == Claim(
        credential="anna",
        grant_id=DIGEST,
        not_before=100,
        expires=200,
        entry=HERE,
        access_point=2,
        action=Action.OPEN,
        op=b"op-of-it",
        strength=strength,
        arrived=7.5,
        intent=False,
        duress=duress,
        reader="front",
    )


def test_nobody_is_threatened_unless_it_is_said() -> None:
    claim = Claim.by_card(
        CARD, access_point=2, op=b"op", strength=Strength.CARD, arrived=0.0, reader="r"
    )
    assert claim.duress is False


def test_a_card_has_no_right_where_its_row_says_nothing() -> None:
    claim = Claim.by_card(
        CARD, access_point=3, op=b"op", strength=Strength.CARD, arrived=0.0, reader="r"
    )
    assert claim.entry is None


def test_an_outcome_without_a_reason_is_a_yes() -> None:
    assert ClaimOutcome(None, DoorState.SECURED).allowed
    assert not ClaimOutcome(Denial.NO_GRANT, DoorState.SECURED).allowed
