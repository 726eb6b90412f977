"""The keys of the uplink: a hub's own pair, and the backend's public key, pinned."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import zmq
from zmq.utils import z85

from hubcore.errors import ConfigError

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class UplinkKeys:
    """Curve25519 keys of 32 bytes: the hub's own pair and the backend's public key, pinned."""

    secret: bytes = field(repr=False)
    public: bytes
    backend: bytes

    def __post_init__(self) -> None:
        """Raise ConfigError for a key of another length, or a public key that is not the secret
        key's.
        """
        for name, key in (
            ("own secret", self.secret),
            ("own public", self.public),
            ("backend's public", self.backend),
        ):
            if len(key) != KEY_BYTES:
                raise ConfigError(
                    f"uplink: the {name} key has {len(key)} bytes, expected {KEY_BYTES}"
                )
        if z85.decode(zmq.curve_public(z85.encode(self.secret))) != self.public:
            raise ConfigError(
                "uplink: the hub's public key does not belong to its secret key; write both "
                "files anew"
            )


def key_from_text(text: str) -> bytes:
    """Return the 32 bytes of a key written in Z85, 40 characters. Raise ConfigError."""
    stripped = text.strip()
    try:
        key = z85.decode(stripped.encode("ascii")) if len(stripped) == 40 else b""
    except (KeyError, ValueError, struct.error) as error:
        raise ConfigError(
            "uplink: a key is no Z85 text; write it as `curve_keypair` gives it"
        ) from error
    if len(key) != KEY_BYTES:
        raise ConfigError(f"uplink: a key has {len(stripped)} characters, expected 40 of Z85")
    return key
