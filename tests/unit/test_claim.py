"""The claim of a grant's holder: what it takes from the grant, and when it holds an intent."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hubcore.access.claim import Claim, Strength
from hubcore.access.factors import Factor
from hubcore.access.grant import KEY_ASKS, Access, Grant
from hubcore.access.words import Action
from hubcore.codec.cose import SigningKey

ASKING = Access(access_point=1, rights=KEY_ASKS | 1, rules=())
SILENT = Access(access_point=2, rights=KEY_ASKS - 1, rules=(7,))
GRANT = Grant(
    site="site",
    credential="anna",
    not_before=100,
    expires=200,
    grant_id=b"grant-01",
    key=SigningKey(ec.generate_private_key(ec.SECP256R1())).verify_key,
    access=(ASKING, SILENT),
)


def claim_at(access_point: int, strength: Strength) -> Claim:
    return Claim.under(
        GRANT,
        access_point=access_point,
        action=Action.QUERY,
        op=b"op-of-it",
        strength=strength,
        arrived=7.5,
    )


def test_a_claim_takes_what_the_grant_says_of_its_access_point() -> None:
    assert claim_at(2, Strength.FULL) == Claim(
        credential="anna",
        grant_id=b"grant-01",
        not_before=100,
        expires=200,
        entry=SILENT,
        access_point=2,
        action=Action.QUERY,
        op=b"op-of-it",
        strength=Strength.FULL,
        arrived=7.5,
        intent=False,
        duress=False,
    )
    assert claim_at(1, Strength.SHORT).entry == ASKING
    assert claim_at(3, Strength.FULL).entry is None


@pytest.mark.parametrize(
    ("access_point", "strength", "intent"),
    [
        (1, Strength.FULL, True),
        (1, Strength.SHORT, False),
        (2, Strength.FULL, False),
        (3, Strength.FULL, False),
    ],
)
def test_only_a_signature_of_now_by_a_key_that_asks_shows_an_intent(
    access_point: int, strength: Strength, intent: bool
) -> None:
    """A ticket is no signature: the phone made none for it, so that nobody was asked."""
    claim = claim_at(access_point, strength)
    assert claim.intent is intent
    assert (Factor.INTENT in claim.factors) is intent
    assert Factor.PHONE in claim.factors
