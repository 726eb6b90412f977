"""The two certificates that a phone checks: the hub's, signed by the issuer, and the epoch's,
signed by the hub.

Laws:
1. Each is a CWT of its own kind (`hubcore.codec.cwt`); no other document can stand for it.
2. Hub certificate: the issuer says that this key is this hub's, for these access points.
3. Epoch certificate: the hub says that this RSA key may seal requests to it, for at most two hours,
   with these AEADs.
4. Whether one is valid now is the reader's to judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from hubcore.access.grant import SCOPE_ITEMS, is_point
from hubcore.codec import cbor, cose, cwt
from hubcore.codec.cose import Aead, SigningKey, VerifyKey
from hubcore.codec.cwt import is_uint
from hubcore.errors import ProofError

HUB = "application/hub-cert+cwt"
EPOCH = "application/hub-epoch+cwt"
_AEADS = -65537


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
    """`kid` is the thumbprint of the RSA key (`modulus` big-endian); `aeads` in the hub's order of
    preference.
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
    c = certificate
    claims = {
        cwt.ISS: c.site,
        cwt.SUB: c.hub,
        cwt.AUD: c.site,
        cwt.EXP: c.expires,
        cwt.NBF: c.not_before,
        cwt.CNF: {1: key},
    }
    claims[cwt.SCOPE] = cbor.encode(list(c.access_points))
    return cwt.issue(HUB, claims, issuer, issuer.verify_key.kid)


def issue_epoch_certificate(hub: SigningKey, c: EpochCertificate) -> bytes:
    """Return the signed document."""
    key = {1: 3, 2: c.kid, 3: cose.RSAES_OAEP_SHA256, -1: c.modulus, -2: b"\x01\x00\x01"}
    claims = {
        cwt.ISS: c.hub,
        cwt.AUD: c.site,
        cwt.EXP: c.expires,
        cwt.NBF: c.not_before,
        cwt.CNF: {1: key},
    }
    claims[_AEADS] = [int(aead) for aead in c.aeads]
    return cwt.issue(EPOCH, claims, hub, None)


def read_hub_certificate(data: bytes, issuer: VerifyKey) -> HubCertificate:
    """Verify and read. Raise ProofError for any other document, signer or claim."""
    claims = cwt.read(
        HUB,
        data,
        issuer,
        issuer.kid,
        (cwt.ISS, cwt.SUB, cwt.AUD, cwt.EXP, cwt.NBF, cwt.CNF, cwt.SCOPE),
    )
    site = cwt.site_of(claims)
    nbf, exp = cwt.times_of(claims)
    points = cwt.decode(claims[cwt.SCOPE], SCOPE_ITEMS)
    if not (isinstance(points, list) and points and all(is_point(point) for point in points)):
        raise ProofError("hub certificate: its scope is no list of access points")
    if points != sorted(set(points)):
        raise ProofError("hub certificate: its access points do not rise")
    key = cose.read_key(cwt.confirmed_key(claims))
    if key.alg != cose.ES256:
        raise ProofError("hub certificate: a hub's key is an ES256 key")
    return HubCertificate(
        site=site,
        hub=cwt.name(claims[cwt.SUB], "hub"),
        not_before=nbf,
        expires=exp,
        key=key,
        access_points=tuple(points),
    )


def read_epoch_certificate(
    data: bytes, hub: HubCertificate, sizes: tuple[int, ...]
) -> EpochCertificate:
    """Verify with the hub's certified key and read.

    Raise ProofError, also for a modulus not of `sizes` bytes.
    """
    claims = cwt.read(
        EPOCH, data, hub.key, None, (cwt.ISS, cwt.AUD, cwt.EXP, cwt.NBF, cwt.CNF, _AEADS)
    )
    nbf, exp = cwt.times_of(claims)
    key = cwt.confirmed_key(claims)
    if claims[cwt.ISS] != hub.hub or claims[cwt.AUD] != hub.site:
        raise ProofError("epoch certificate: of another hub or site")
    if exp - nbf > EPOCH_SECONDS_MAX:
        raise ProofError("epoch certificate: valid for longer than two hours")
    match key:
        case {1: 3, 2: bytes(kid), 3: alg, -1: bytes(n), -2: bytes(e)} if len(key) == 5:
            if alg != cose.RSAES_OAEP_SHA256 or kid != cose.thumbprint(key)[: cose.KID_BYTES]:
                raise ProofError(
                    "epoch certificate: key of another use, or its id is not its thumbprint"
                )
            cose.rsa_public(n, e, sizes)
        case _:
            raise ProofError("epoch certificate: no RSA encryption key")
    aeads = claims[_AEADS]
    if not (
        isinstance(aeads, list) and aeads and all(is_uint(a) and a in set(Aead) for a in aeads)
    ):
        raise ProofError("epoch certificate: its AEADs are not of the three")
    if len(set(aeads)) != len(aeads):
        raise ProofError("epoch certificate: an AEAD twice")
    return EpochCertificate(
        hub=hub.hub,
        site=hub.site,
        not_before=nbf,
        expires=exp,
        kid=kid,
        modulus=n,
        aeads=tuple(map(Aead, aeads)),
    )


RENEW_DAYS = 30
DAY_SECONDS = 86_400


class CertificateState(Enum):
    """How a certificate stands; the first and the last are refused by phones."""

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
