"""Signatures of messages (Standard Webhooks 1.0.0, symmetric).

Law: what is signed is the id, the moment and the body. A receiver that checks all three takes no
message that was made, changed, kept back or sent again by others.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from hashlib import sha256

SECRET_BYTES = 32
_PREFIX = "whsec_"


def new_secret() -> bytes:
    """Return a secret for a new webhook."""
    return secrets.token_bytes(SECRET_BYTES)


def shown(secret: bytes) -> str:
    """Return a secret as its receiver takes it."""
    return _PREFIX + base64.b64encode(secret).decode("ascii")


def headers_of(secret: bytes, message: str, at: int, body: bytes) -> dict[str, str]:
    """Return what a message bears; `at` in Unix seconds."""
    signed = f"{message}.{at}.".encode("ascii") + body
    signature = base64.b64encode(hmac.digest(secret, signed, sha256)).decode("ascii")
    return {
        "Content-Type": "application/json",
        "webhook-id": message,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{signature}",
    }
