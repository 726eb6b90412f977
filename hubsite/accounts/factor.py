"""The second factor: codes of six digits that change each 30 seconds (TOTP, RFC 6238).

Laws:
1. A code counts once. A later one than the last that counted is asked for.
2. A clock may be one step wrong, not more.
3. The secret lies in the database sealed, by a key that is not there. Whoever has a copy of the
   database makes no codes.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from urllib.parse import quote

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from hubcore.errors import ConfigError

STEP_SECONDS = 30
DIGITS = 6
SECRET_BYTES = 20
STEPS_WRONG = 1
_NONCE_BYTES = 12
_KEY_BYTES = 32
_LABEL = b"hubsite second factor 1"


def new_secret() -> bytes:
    """Return a secret for a new account."""
    return secrets.token_bytes(SECRET_BYTES)


def code_at(secret: bytes, step: int) -> str:
    """Return the code of a step: Unix seconds, divided by STEP_SECONDS."""
    made = TOTP(secret, DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303, what authenticator apps make
    return made.generate(step * STEP_SECONDS).decode("ascii")


def step_of(secret: bytes, code: str, now: float, after: int) -> int | None:
    """Return the step whose code this is, None for a wrong one (laws 1 and 2).

    `now` in Unix seconds. `after` is the last step that counted.
    """
    typed = "".join(code.split()).encode("utf-8", "replace")
    middle = int(now) // STEP_SECONDS
    found = None
    for step in range(middle - STEPS_WRONG, middle + STEPS_WRONG + 1):
        is_right = hmac.compare_digest(code_at(secret, step).encode("ascii"), typed)
        if is_right and step > after and found is None:
            found = step
    return found


def seal(secret: bytes, name: str, key: bytes) -> bytes:
    """Return the secret as it lies in the database, for the account of this name (law 3)."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(_sealing_key(key)).encrypt(nonce, secret, name.encode())


def unseal(sealed: bytes, name: str, key: bytes) -> bytes:
    """Return the secret. Raise ConfigError when this server's secret is not the one of then."""
    try:
        nonce = sealed[:_NONCE_BYTES]
        return AESGCM(_sealing_key(key)).decrypt(nonce, sealed[_NONCE_BYTES:], name.encode())
    except (InvalidTag, ValueError) as error:
        raise ConfigError(
            f"the second factor of {name} was sealed by another secret: put the file back that "
            f"`secret` named then, or give {name} a new one: hubsite operator renew {name}"
        ) from error


def _sealing_key(key: bytes) -> bytes:
    return HKDF(SHA256(), _KEY_BYTES, None, _LABEL).derive(key)


def address_of(secret: bytes, site: str, name: str) -> str:
    """Return what an authenticator app takes, as text or as a QR code."""
    text = base64.b32encode(secret).decode("ascii").rstrip("=")
    label = quote(f"{site}:{name}")
    return f"otpauth://totp/{label}?secret={text}&issuer={quote(site)}"
