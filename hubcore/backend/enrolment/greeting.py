"""What a backend says first, to everybody and in clear: its site, and the key that tokens know.

Law: nothing here is believed before the token's hash fits the key.
"""

from __future__ import annotations

from dataclasses import dataclass

from hubcore.backend.enrolment.token import KEY_BYTES, Token, trust_of
from hubcore.backend.uplink.fields import check_bytes, check_text, check_uint
from hubcore.backend.uplink.words import MAX_TEXT_BYTES
from hubcore.codec import cbor
from hubcore.errors import FrameError, ProofError

GREETING_BYTES_MAX = 128
VERSION = 1
_ITEMS = 5
_PORT_MAX = 65_535


@dataclass(frozen=True, slots=True)
class Greeting:
    """`key` is the CURVE public key of the enrolment port, `port` its number on the same host."""

    site: str
    key: bytes
    port: int

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        check_text("site", self.site, MAX_TEXT_BYTES)
        check_bytes("key", self.key, KEY_BYTES, KEY_BYTES)
        check_uint("port", self.port, _PORT_MAX, 1)


def write_greeting(greeting: Greeting) -> bytes:
    """Return its bytes."""
    return cbor.encode([VERSION, greeting.site, greeting.key, greeting.port])


def prove_greeting(data: bytes, token: Token) -> Greeting:
    """Read what came from HOST:PORT. Raise FrameError, or ProofError for another backend's key."""
    if len(data) > GREETING_BYTES_MAX:
        raise FrameError("greeting: it is too long")
    match cbor.decode(data, max_depth=1, max_items=_ITEMS):
        case [int(version), site, key, port] if version == VERSION:
            greeting = Greeting(site, key, port)
        case _:
            raise FrameError("greeting: none of this version")
    if trust_of(greeting.key) != token.trust:
        raise ProofError("greeting: its key is not the one that the token knows")
    return greeting
