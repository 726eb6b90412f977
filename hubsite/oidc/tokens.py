"""What a token of a provider proves (OpenID Connect Core 1.0, 3.1.3.7).

Laws:
1. It was signed by a key of the provider, for this server, for this very sign-in (nonce), and with
   the access token beside it.
2. It was made just now. One of another time is told apart: then a clock is wrong.
3. Whatever is wrong, ProofError says it in a sentence for who signs in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from authlib.oidc.core.claims import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from hubcore.errors import ProofError
from hubsite.config import Oidc
from hubsite.oidc.documents import ALGORITHMS

TOKEN_LENGTH_MAX = 16_384
SUBJECT_LENGTH_MAX = 255
CLOCK_SECONDS = 60
"""So much may two clocks differ."""
AGE_SECONDS = 600
YEAR_3000 = 32_503_680_000
_NO_PROOF = "The provider's answer proves nothing to this server. Begin the sign-in again."


class UnknownKeyError(Exception):
    """A token is signed by a key that is not among those that were read: it may be newer."""


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody, as the provider knows him; `has_second`: its second factor counts here.

    `signed_in_at`: when he signed in there, in Unix seconds, 0 where the provider does not say.
    """

    issuer: str
    subject: str
    has_second: bool
    signed_in_at: int = 0


def read_token(said: dict[str, Any], keys: KeySet, section: Oidc, nonce: str, now: float) -> Who:
    """Return whom an answer with tokens proves. Raise ProofError, UnknownKeyError.

    `now` in Unix seconds.
    """
    text = said.get("id_token")
    if not isinstance(text, str) or len(text) > TOKEN_LENGTH_MAX:
        raise ProofError(_NO_PROOF)
    try:
        token = jwt.decode(text, keys, algorithms=ALGORITHMS)
        _check_times(token.claims, now)
        expected = {
            "nonce": nonce,
            "client_id": section.client_id,
            "access_token": said.get("access_token"),
        }
        claims = CodeIDToken(token.claims, token.header, _demands(section), expected)
        claims.validate(now=int(now), leeway=CLOCK_SECONDS)
    except InvalidKeyIdError as error:
        raise UnknownKeyError from error
    except ProofError:
        raise
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ProofError(_NO_PROOF) from error
    at = int(_seconds(claims.get("auth_time", 0)))
    return Who(section.issuer, _subject(claims, section), _has_second(claims, section), at)


def _demands(section: Oidc) -> dict[str, Any]:
    return {
        "iss": {"essential": True, "value": section.issuer},
        "aud": {"essential": True, "value": section.client_id},
    }


def _check_times(claims: dict[str, Any], now: float) -> None:
    """Tell a wrong clock from a wrong token (law 2)."""
    made = _seconds(claims.get("iat"))
    ends = _seconds(claims.get("exp"))
    if made > now + CLOCK_SECONDS:
        raise ProofError(
            f"The provider's answer was made {made - now:.0f} seconds from now. The clock of this "
            "server or of the provider is wrong: tell who runs them."
        )
    if made < now - AGE_SECONDS or ends < now - CLOCK_SECONDS:
        raise ProofError(
            f"The provider's answer was made {now - made:.0f} seconds ago and is too old. Begin "
            "again; if that stays, the clock of this server or of the provider is wrong."
        )


def _seconds(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value < YEAR_3000:  # nor one that is no number (NaN)
        raise ProofError(_NO_PROOF)
    return float(value)


def is_subject(text: Any) -> bool:
    """Tell whether this may be a provider's name for somebody."""
    if not isinstance(text, str) or not 0 < len(text) <= SUBJECT_LENGTH_MAX:
        return False
    return text.isascii() and text.isprintable()


def _subject(claims: dict[str, Any], section: Oidc) -> str:
    subject = claims.get(section.claim)
    if not is_subject(subject):
        raise ProofError(_NO_PROOF)
    return str(subject)


def _has_second(claims: dict[str, Any], section: Oidc) -> bool:
    """Tell whether the provider has asked for what the file demands of it."""
    methods = claims.get("amr")
    has_method = isinstance(methods, list) and any(one in methods for one in section.amr)
    return has_method or claims.get("acr") in section.acr
