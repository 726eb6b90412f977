"""What a browser carries of a sign-in at the provider: signed, of this host, for a short time.

Laws:
1. The first cookie goes to the provider and back with the browser: it is Lax, since a browser that
   comes from elsewhere brings no other kind. It has no more than a random word.
2. What only this server and the provider may know (nonce, the secret of PKCE) is made of that word
   by this server's secret. It is in no cookie.
3. The second cookie says what was proven. It is Strict.
4. Whatever page was wanted, both are short enough for a browser: an address of more than
   NEXT_LENGTH_MAX is carried by neither, and the way ends on the first page.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from dataclasses import asdict, dataclass
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.encoding import iri_to_uri

from hubsite.signin.proven import PROVEN_SECONDS, Proven

GOING_COOKIE = "__Host-elsewhere"
PROVEN_COOKIE = "__Host-proven"
GOING_SECONDS = 600
NEXT_LENGTH_MAX = 500
_LENGTH_MAX = 4096
_SALT = "hubsite.elsewhere"
_STATE_BYTES = 24


@dataclass(frozen=True, slots=True)
class Going:
    """A browser that was sent to the provider, and where it goes after the sign-in."""

    state: str
    wanted: str

    def secret(self, what: str, key: bytes) -> str:
        """Return a secret of this way (law 2): 43 characters, as PKCE wants them."""
        mac = HMAC(key, SHA256())
        mac.update(f"{_SALT} {what} {self.state}".encode())
        return urlsafe_b64encode(mac.finalize()).rstrip(b"=").decode("ascii")


def new_going(wanted: str) -> Going:
    """Begin a way, to where somebody `wanted` to be (law 4)."""
    address = iri_to_uri(wanted)
    is_short = len(address) <= NEXT_LENGTH_MAX
    return Going(secrets.token_urlsafe(_STATE_BYTES), address if is_short else "")


def keep_going(response: HttpResponse, going: Going) -> None:
    """Let the browser carry the way (law 1)."""
    _set(response, GOING_COOKIE, asdict(going), GOING_SECONDS, "Lax")


def going_of(request: HttpRequest) -> Going | None:
    """Return the way that a browser is on, None for none."""
    said = _read(request, GOING_COOKIE, GOING_SECONDS)
    return None if said is None else Going(**said)


def keep_proven(response: HttpResponse, proven: Proven, wanted: str) -> None:
    """Let the browser carry what was proven, and no way any more (law 3)."""
    _set(response, PROVEN_COOKIE, {**asdict(proven), "wanted": wanted}, PROVEN_SECONDS, "Strict")
    forget(response, GOING_COOKIE)


def proven_of(request: HttpRequest) -> tuple[Proven, str] | None:
    """Return what was proven, and where to go afterwards; None for nothing that counts."""
    said = _read(request, PROVEN_COOKIE, PROVEN_SECONDS)
    if said is None:
        return None
    wanted = said.pop("wanted")
    return Proven(**said), wanted


def forget(response: HttpResponse, cookie: str) -> None:
    """Let the browser carry this no more."""
    response.set_cookie(cookie, "", max_age=0, secure=True, httponly=True, samesite="Strict")


def _set(
    response: HttpResponse, cookie: str, said: dict[str, Any], seconds: int, site: str
) -> None:
    response.set_cookie(
        cookie,
        signing.dumps(said, salt=f"{_SALT} {cookie}"),
        max_age=seconds,
        secure=True,
        httponly=True,
        samesite=site,
    )


def _read(request: HttpRequest, cookie: str, seconds: int) -> dict[str, Any] | None:
    kept = request.COOKIES.get(cookie, "")
    if not 0 < len(kept) <= _LENGTH_MAX:
        return None
    try:
        said: dict[str, Any] = signing.loads(kept, salt=f"{_SALT} {cookie}", max_age=seconds)
    except signing.BadSignature:
        return None
    return said
