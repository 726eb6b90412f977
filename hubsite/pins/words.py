"""What a pin looks like in the file (RFC 7469, section 2.4).

Law: `sha256/` and the SHA-256 of a public key (DER SubjectPublicKeyInfo) in base64, in the one
spelling that this digest has: pins are compared as texts.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

PIN = r"\Asha256/[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=\Z"
PINS_MAX = 10
Pins = Annotated[
    tuple[Annotated[str, Meta(pattern=PIN)], ...], Meta(min_length=1, max_length=PINS_MAX)
]
"""The pins of one server: the key that it has, and those that it may change to."""
