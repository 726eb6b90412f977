"""The keys of the uplink: a hub's own pair, and the backend's one or two public keys, pinned."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import zmq
from zmq.utils import z85

from hubcore.errors import ConfigError

KEY_BYTES = 32
KEY_CHARS = 40
"""The same in Z85."""


@dataclass(frozen=True, slots=True)
class OwnPair:
    """A Curve25519 pair of the hub, 32 bytes each."""

    secret: bytes = field(repr=False)
    public: bytes

    def __post_init__(self) -> None:
        """Raise ConfigError for keys of another length, or that are no pair."""
        _check_length("own secret", self.secret)
        _check_length("own public", self.public)
        if public_of(self.secret) != self.public:
            raise ConfigError(
                "uplink: the hub's public key does not belong to its secret key; "
                "write both files again"
            )


@dataclass(frozen=True, slots=True)
class UplinkKeys:
    """The hub's own pair as it is configured, and the backend's public keys, pinned.

    `next_backend` is the key that the backend is to have next; None while it does not change.
    """

    secret: bytes = field(repr=False)
    public: bytes
    backend: bytes
    next_backend: bytes | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError for keys of another length, or that are no pair."""
        OwnPair(self.secret, self.public)
        for key in self.backends:
            _check_length("backend's public", key)

    @property
    def own(self) -> OwnPair:
        """The configured pair."""
        return OwnPair(self.secret, self.public)

    @property
    def backends(self) -> tuple[bytes, ...]:
        """The pinned keys, the current one first."""
        if self.next_backend is None:
            return (self.backend,)
        return (self.backend, self.next_backend)


def make_pair() -> OwnPair:
    """Make a pair, by the operating system's random source."""
    public, secret = zmq.curve_keypair()
    return OwnPair(secret=z85.decode(secret), public=z85.decode(public))


def _check_length(name: str, key: bytes) -> None:
    if len(key) != KEY_BYTES:
        raise ConfigError(f"uplink: the {name} key has {len(key)} bytes, expected {KEY_BYTES}")


def public_of(secret: bytes) -> bytes:
    """Return the public key that belongs to a secret key."""
    text = zmq.curve_public(z85.encode(secret))
    return z85.decode(text)


def key_from_text(text: str) -> bytes:
    """Return the 32 bytes of a key written in Z85, 40 characters. Raise ConfigError."""
    stripped = text.strip()
    if len(stripped) != KEY_CHARS:
        raise ConfigError(
            f"uplink: a key has {len(stripped)} characters, expected {KEY_CHARS} of Z85"
        )
    try:
        return z85.decode(stripped.encode("ascii"))
    except (KeyError, ValueError, struct.error) as error:
        sentence = "uplink: a key is no Z85 text; write it as `curve_keypair` gives it"
        raise ConfigError(sentence) from error
