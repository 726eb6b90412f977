"""Signing in by what a provider has proven, and by a second factor of this server.

Laws:
1. A proof counts once and for PROVEN_SECONDS, in the browser that brought it.
2. Unless the provider has asked for a second factor as the file demands it, ours is asked, at the
   same pace as beside a password. A wrong one is a wrong try, and leaves the proof.
"""

from __future__ import annotations

from dataclasses import dataclass

from hubsite.accounts.gate import Gate
from hubsite.accounts.models import Account
from hubsite.accounts.once import spend
from hubsite.signin.judging import (
    SignedIn,
    SignInOutcome,
    Typed,
    at_pace,
    count_wrong,
    has_factor,
    signed_in,
)

PROVEN_SECONDS = 300
BY = "provider"


@dataclass(frozen=True, slots=True)
class Proven:
    """What a provider has proven of somebody, by the answer of this `state`.

    `signed_in_at`: when he signed in there, in Unix seconds, 0 for nobody knows.
    """

    issuer: str
    subject: str
    has_second: bool
    state: str
    signed_in_at: int = 0


def sign_in_proven(
    proven: Proven, account: Account, typed: Typed, gate: Gate, key: bytes
) -> SignedIn | SignInOutcome:
    """Judge a try of who has proven to be this account's owner; `key` unseals second factors."""
    if not gate.lets(typed.address, typed.browser):
        return SignInOutcome.SLOWED
    has_second = proven.has_second or at_pace(
        account, typed, gate, lambda one: has_factor(one, typed, key)
    )
    if not has_second:
        count_wrong(account, typed.address)
        return SignInOutcome.WRONG
    if not spend(f"proven {proven.state}".encode()):
        return SignInOutcome.WRONG
    return signed_in(account, typed.address, BY)
