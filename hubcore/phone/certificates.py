"""The certificates that a phone checks: the hub's, signed by the issuer, and the epoch's.

Laws:
1. Each is a CWT of its own kind (`hubcore.codec.cwt`). No other document can stand for it.
2. In a hub certificate the issuer says: this key is this hub's, for these access points.
3. In an epoch certificate the hub says: this RSA key may seal requests to it, with these AEADs, for
   at most two hours.
4. Whether one is valid now is for the reader to judge.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hubcore.access.grant import SCOPE_ITEMS, is_point
from hubcore.codec import cbor, cose, cwt
from hubcore.codec.cose import Aead, SigningKey, VerifyKey
from hubcore.codec.cwt import is_uint
from hubcore.errors import PeerError, ProofError, RollbackError, SignatureError, TrustError

HUB = "application/hub-cert+cwt"
EPOCH = "application/hub-epoch+cwt"
_AEADS = -65537
_HUB_CLAIMS = (cwt.ISS, cwt.SUB, cwt.AUD, cwt.EXP, cwt.NBF, cwt.CNF, cwt.SCOPE)
_EPOCH_CLAIMS = (cwt.ISS, cwt.AUD, cwt.EXP, cwt.NBF, cwt.CNF, _AEADS)

EPOCH_SECONDS_MAX = 7200


@dataclass(frozen=True, slots=True)
class HubCertificate:
    """`key` is the hub's identity; times in Unix seconds; `access_points` rising."""

    site: str
    hub: str
    not_before: int
    expires: int
    key: VerifyKey
    access_points: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EpochCertificate:
    """`kid` is the id of the RSA key of that `modulus` (big-endian).

    `aeads` stand in the hub's order of preference.
    """

    hub: str
    site: str
    not_before: int
    expires: int
    kid: bytes
    modulus: bytes
    aeads: tuple[Aead, ...]


def issue_hub_certificate(
    issuer: SigningKey, certificate: HubCertificate, key: dict[int, Any]
) -> bytes:
    """Return the signed document; `key` is the COSE_Key of `certificate.key`."""
    claims = {
        cwt.ISS: certificate.site,
        cwt.SUB: certificate.hub,
        cwt.AUD: certificate.site,
        cwt.EXP: certificate.expires,
        cwt.NBF: certificate.not_before,
        cwt.CNF: {1: key},
        cwt.SCOPE: cbor.encode(list(certificate.access_points)),
    }
    return cwt.issue(HUB, claims, issuer, issuer.verify_key.kid)


def issue_epoch_certificate(hub: SigningKey, certificate: EpochCertificate) -> bytes:
    """Return the signed document."""
    key = {
        1: 3,
        2: certificate.kid,
        3: cose.RSAES_OAEP_SHA256,
        -1: certificate.modulus,
        -2: b"\x01\x00\x01",
    }
    claims = {
        cwt.ISS: certificate.hub,
        cwt.AUD: certificate.site,
        cwt.EXP: certificate.expires,
        cwt.NBF: certificate.not_before,
        cwt.CNF: {1: key},
        _AEADS: [int(aead) for aead in certificate.aeads],
    }
    return cwt.issue(EPOCH, claims, hub, None)


def read_hub_certificate(data: bytes, issuer: VerifyKey) -> HubCertificate:
    """Verify and read. Raise ProofError for any other document, signer or claim."""
    claims = cwt.read(HUB, data, issuer, issuer.kid, _HUB_CLAIMS)
    site = cwt.site_of(claims)
    not_before, expires = cwt.times_of(claims)
    access_points = _read_points(claims[cwt.SCOPE])
    key = cose.read_key(cwt.confirmed_key(claims))
    if key.alg != cose.ES256:
        raise ProofError("hub certificate: a hub's key is an ES256 key")
    return HubCertificate(
        site=site,
        hub=cwt.name(claims[cwt.SUB], "hub"),
        not_before=not_before,
        expires=expires,
        key=key,
        access_points=access_points,
    )


def _read_points(scope: Any) -> tuple[int, ...]:
    """Read the access points that a hub serves."""
    points = cwt.decode(scope, SCOPE_ITEMS)
    if not isinstance(points, list) or not points or not all(map(is_point, points)):
        raise ProofError("hub certificate: its scope is no list of access points")
    if points != sorted(set(points)):
        raise ProofError("hub certificate: its access points do not rise")
    return tuple(points)


def read_epoch_certificate(
    data: bytes, hub: HubCertificate, sizes: tuple[int, ...]
) -> EpochCertificate:
    """Verify with the hub's certified key and read.

    Raise ProofError, also for a modulus not of `sizes` bytes.
    """
    claims = cwt.read(EPOCH, data, hub.key, None, _EPOCH_CLAIMS)
    not_before, expires = cwt.times_of(claims)
    key = cwt.confirmed_key(claims)
    if claims[cwt.ISS] != hub.hub or claims[cwt.AUD] != hub.site:
        raise ProofError("epoch certificate: of another hub or site")
    if expires - not_before > EPOCH_SECONDS_MAX:
        raise ProofError("epoch certificate: valid for longer than two hours")
    modulus = _read_modulus(key, sizes)
    return EpochCertificate(
        hub=hub.hub,
        site=hub.site,
        not_before=not_before,
        expires=expires,
        kid=key[2],
        modulus=modulus,
        aeads=_read_aeads(claims[_AEADS]),
    )


def _read_modulus(key: dict[int, Any], sizes: tuple[int, ...]) -> bytes:
    """Check the RSA key of an epoch, and that its id is its thumbprint; return its modulus."""
    match key:
        case {1: 3, 2: bytes() as kid, 3: alg, -1: bytes() as n, -2: bytes() as e, **rest}:
            if rest:
                raise ProofError("epoch certificate: no RSA encryption key")
            if alg != cose.RSAES_OAEP_SHA256 or kid != cose.thumbprint(key)[: cose.KID_BYTES]:
                raise ProofError(
                    "epoch certificate: key of another use, or its id is not its thumbprint"
                )
            cose.rsa_public(n, e, sizes)
            return n
    raise ProofError("epoch certificate: no RSA encryption key")


def _read_aeads(numbers: Any) -> tuple[Aead, ...]:
    if not isinstance(numbers, list) or not numbers or not all(map(_is_aead, numbers)):
        raise ProofError("epoch certificate: its AEADs are not of the three")
    if len(set(numbers)) != len(numbers):
        raise ProofError("epoch certificate: an AEAD twice")
    return tuple(map(Aead, numbers))


def _is_aead(value: Any) -> bool:
    return is_uint(value) and value in set(Aead)


class CertificateInForce:
    """The certificate of a hub that phones get now: that of the start, or a newer one since."""

    def __init__(self, document: bytes, certified: HubCertificate) -> None:
        """`certified` is what `document` says."""
        self.document = document
        self.certified = certified

    @classmethod
    def of(cls, document: bytes, issuer: VerifyKey) -> CertificateInForce:
        """Return that of a document. Raise ProofError."""
        return cls(document, read_hub_certificate(document, issuer))

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the document."""
        return hashlib.sha256(self.document).digest()

    def newer(
        self,
        document: bytes,
        issuer: VerifyKey,
        points: Collection[int],
        now: float | None = None,
    ) -> HubCertificate:
        """Read a document that may take its place, for a hub with doors at these access points.

        Raise TrustError for one that is not of the issuer, of another hub, site or key, older, not
        valid at `now` (Unix seconds; None: not judged), or without one of the doors.
        """
        old = self.certified
        try:
            new = read_hub_certificate(document, issuer)
        except PeerError as error:
            raise SignatureError(f"certificate: {error}") from error
        if (new.hub, new.site, new.key.kid) != (old.hub, old.site, old.key.kid):
            raise TrustError("certificate: it is of another hub, site or key")
        if new.not_before < old.not_before:
            raise RollbackError("certificate: it is older than the one in force")
        if now is not None and not new.not_before <= now <= new.expires:
            raise TrustError("certificate: it is not valid now")
        missing = set(points) - set(new.access_points)
        if missing:
            raise TrustError(
                f"certificate: it lacks access point {min(missing)}, where this hub has a door"
            )
        return new

    def renew(self, document: bytes, certified: HubCertificate) -> None:
        """Take a newer one, which `newer` has read and which is durable."""
        self.document = document
        self.certified = certified

    def renew_at(self) -> float:
        """Return when to ask for a newer one: with a third of its life left, in Unix seconds."""
        life = self.certified.expires - self.certified.not_before
        return self.certified.expires - life / 3


RENEW_DAYS = 30
DAY_SECONDS = 86_400


class CertificateState(Enum):
    """Whether a certificate is valid; phones refuse NOT_YET and ENDED."""

    NOT_YET = "it begins later"
    VALID = "valid for long"
    ENDING = "valid, and to be renewed"
    ENDED = "it has ended"


def judge(begins: int, ends: int, now: float) -> CertificateState:
    """Judge a certificate; all three in Unix seconds."""
    if now > ends:
        return CertificateState.ENDED
    if now < begins:
        return CertificateState.NOT_YET
    if ends - now <= RENEW_DAYS * DAY_SECONDS:
        return CertificateState.ENDING
    return CertificateState.VALID
