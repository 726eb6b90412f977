"""A phone's public key, as people and pages hand it over."""

from __future__ import annotations

import base64
import binascii

from hubcore.codec import cbor, cose
from hubcore.errors import FrameError


def read_public_key(text: str) -> bytes:
    """Return a COSE_Key (P-256, RFC 9053 section 7.1.1) in CBOR; `text` is its base64url.

    Raise PeerError for what is no such key.
    """
    padded = text + "=" * (-len(text) % 4)
    try:
        data = base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise FrameError(f"no base64url: {error}") from error
    cose.read_key(cbor.decode(data))
    return data
