"""Epoch keys: the short-lived RSA keys that requests are sealed to, and when each is made, used and
forgotten.

Laws: a private key lives in memory only and is forgotten at its expiry, so what was recorded before
stays closed; at most two are live; the next is made ahead of need; a wall clock that jumps makes
the certificate worthless, so a new one is made.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hubcore.codec.cose import EXPONENT, Aead, SigningKey, write_encryption_key
from hubcore.phone.certificates import EpochCertificate, issue_epoch_certificate

ANNOUNCED_SECONDS = 3000
"""After so long the next key is made, and announced in its place."""
LIFE_SECONDS = 3900
"""What is sealed to a key opens for so long; then the key is forgotten."""
CLOCK_JUMP_SECONDS = 120
LIVE_MAX = 2


@dataclass(frozen=True, slots=True)
class Epoch:
    """One key with its certificate; `began` and `expires` in Unix seconds."""

    kid: bytes
    certificate: bytes
    digest: bytes
    key: RSAPrivateKey
    aeads: tuple[Aead, ...]
    began: int
    expires: int
    clock_offset: float


def certify(
    key: RSAPrivateKey,
    identity: SigningKey,
    names: tuple[str, str],
    aeads: tuple[Aead, ...],
    now: tuple[float, float],
) -> Epoch:
    """Return a new epoch for `key`; `names` are (hub, site), `now` is (Unix time, monotonic time)
    in seconds.
    """
    assert key.public_key().public_numbers().e == EXPONENT  # noqa: S101 - a key of our own making
    cose_key = write_encryption_key(key.public_key())
    began = int(now[0])
    expires = int(now[0]) + LIFE_SECONDS
    document = EpochCertificate(*names, began, expires, cose_key[2], cose_key[-1], aeads)
    certificate = issue_epoch_certificate(identity, document)
    digest = hashlib.sha256(certificate).digest()
    return Epoch(cose_key[2], certificate, digest, key, aeads, began, expires, now[0] - now[1])


class EpochRing:
    """The live epochs, newest last."""

    def __init__(self) -> None:
        self._live: list[Epoch] = []

    @property
    def current(self) -> Epoch | None:
        """The epoch that phones are told to use."""
        return self._live[-1] if self._live else None

    def add(self, epoch: Epoch) -> None:
        """Use this epoch from now on; the oldest beyond two is forgotten."""
        self._live = [*self._live[1 - LIVE_MAX :], epoch]

    def find(self, kid: bytes, wall: float) -> Epoch | None:
        """Return the live epoch of that key id; expired ones are forgotten on the way."""
        self.expire(wall)
        return next((epoch for epoch in self._live if epoch.kid == kid), None)

    def expire(self, wall: float) -> None:
        """Forget the keys that are over."""
        self._live = [epoch for epoch in self._live if epoch.expires >= wall]

    def due(self, wall: float, monotonic: float) -> bool:
        """Tell whether the next key must be made now."""
        epoch = self.current
        if epoch is None or wall >= epoch.began + ANNOUNCED_SECONDS:
            return True
        return abs(wall - monotonic - epoch.clock_offset) > CLOCK_JUMP_SECONDS
