"""What a key is asked to sign: made for one purpose, once, for a short time.

Laws:
1. The browser keeps it, signed by this server. A stranger who asks for many costs no row and no
   memory.
2. It counts for what it was made for, and within LIFE_SECONDS.
3. It counts once: what was signed over it, and was right, spends it.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from enum import StrEnum

from django.core import signing

from hubsite.accounts.once import spend

LIFE_SECONDS = 180
CHALLENGE_BYTES = 32
HANDLE_BYTES = 32
COOKIE_LENGTH_MAX = 512
_SALT = "hubsite.key-challenge"


class Purpose(StrEnum):
    """What a challenge is for."""

    SIGN_IN = "sign-in"
    ADD = "add"
    FIRST = "first"
    AGAIN = "again"
    PHONE_KEEPS = "phone-keeps"
    PHONE_RETURNS = "phone-returns"


@dataclass(frozen=True, slots=True)
class Challenge:
    """`handle` is an account's opaque name in a key that is made by this challenge."""

    value: bytes
    handle: bytes

    def spend(self) -> bool:
        """Tell whether it was not spent yet; from now on it is (law 3)."""
        return spend(b"challenge " + self.value)


def new_challenge() -> Challenge:
    """Return one that was never there before."""
    return Challenge(secrets.token_bytes(CHALLENGE_BYTES), secrets.token_bytes(HANDLE_BYTES))


def write(challenge: Challenge, purpose: Purpose, about: str = "") -> str:
    """Return what the browser keeps (law 1). `about` is the account that it is for, if one is."""
    text = urlsafe_b64encode(challenge.value + challenge.handle).decode("ascii")
    return _signer(purpose, about).sign(text)


def read(
    kept: str, purpose: Purpose, about: str = "", life_seconds: int = LIFE_SECONDS
) -> Challenge | None:
    """Return the challenge that a browser kept, None for one that does not count (law 2)."""
    if len(kept) > COOKIE_LENGTH_MAX:
        return None
    try:
        text = _signer(purpose, about).unsign(kept, max_age=life_seconds)
    except signing.BadSignature:
        return None
    data = urlsafe_b64decode(text)
    return Challenge(data[:CHALLENGE_BYTES], data[CHALLENGE_BYTES:])


def _signer(purpose: Purpose, about: str) -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=f"{_SALT} {purpose} {about}")
