"""Epoch keys: the short-lived RSA keys that requests are sealed to.

Laws:
1. A private key is in memory only, and is forgotten when it expires. So what was recorded before
   stays closed.
2. At most two keys are live.
3. The next key is made before it is needed.
4. When the wall clock jumps, the certificate is worthless: a new key is made.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hubcore.access.words import HubName
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
    """One key with its certificate; `began` and `expires` in Unix seconds.

    `digest` is SHA-256 of the certificate. `clock_offset` is wall less monotonic seconds.
    """

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
    name: HubName,
    aeads: tuple[Aead, ...],
    wall: float,
    monotonic: float,
) -> Epoch:
    """Return a new epoch for `key`, with a certificate that the hub's identity signs.

    `wall` is now in Unix seconds, `monotonic` in seconds of the monotonic clock.
    """
    assert key.public_key().public_numbers().e == EXPONENT  # noqa: S101 - a key of our own making
    cose_key = write_encryption_key(key.public_key())
    began = int(wall)
    document = EpochCertificate(
        hub=name.hub,
        site=name.site,
        not_before=began,
        expires=began + LIFE_SECONDS,
        kid=cose_key[2],
        modulus=cose_key[-1],
        aeads=aeads,
    )
    certificate = issue_epoch_certificate(identity, document)
    return Epoch(
        kid=document.kid,
        certificate=certificate,
        digest=hashlib.sha256(certificate).digest(),
        key=key,
        aeads=aeads,
        began=began,
        expires=document.expires,
        clock_offset=wall - monotonic,
    )


class EpochRing:
    """The live epochs, newest last."""

    def __init__(self) -> None:
        self._live: list[Epoch] = []

    @property
    def current(self) -> Epoch | None:
        """The epoch that phones are to use."""
        return self._live[-1] if self._live else None

    @property
    def live(self) -> tuple[Epoch, ...]:
        """The epochs that are not forgotten, newest last."""
        return tuple(self._live)

    def add(self, epoch: Epoch) -> None:
        """Use this epoch from now on; forget the oldest beyond LIVE_MAX."""
        self._live.append(epoch)
        del self._live[:-LIVE_MAX]

    def find(self, kid: bytes, wall: float) -> Epoch | None:
        """Return the live epoch of that key id; forget those that have expired."""
        self.expire(wall)
        for epoch in self._live:
            if epoch.kid == kid:
                return epoch
        return None

    def expire(self, wall: float) -> None:
        """Forget the keys that have expired."""
        self._live = [epoch for epoch in self._live if epoch.expires >= wall]

    def due(self, wall: float, monotonic: float) -> bool:
        """Tell whether the next key must be made now."""
        epoch = self.current
        if epoch is None:
            return True
        if wall >= epoch.began + ANNOUNCED_SECONDS:
            return True
        jumped = wall - monotonic - epoch.clock_offset
        return abs(jumped) > CLOCK_JUMP_SECONDS
