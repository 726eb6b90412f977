"""A phone's requests: sealed to the hub's epoch key (full path) or by a ticket (short path)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from hubcore.access.words import Action
from hubcore.codec import cbor, cose, cwt
from hubcore.codec.cose import IV_BYTES, Aead
from hubcore.phone import sealing
from hubcore.phone.certificates import EpochCertificate
from hubcore.phone.messages import (
    PAD_REQUEST,
    SECRET_BYTES,
    Open,
    Request,
    ResumeRequest,
    ToHub,
)
from hubsim.phone.trust import choose_aead
from hubsim.phone.wallet import KeptTicket, KnownEpoch, Wallet

_RSA_EXPONENT = b"\x01\x00\x01"
_ES256_SIGNATURE_BYTES = 64
_PADDING_KEY = 6
_HEAD_GROWTH_BYTES = 6
"""Two nested strings, whose heads grow by up to three bytes each as the padding grows."""


@dataclass(frozen=True, slots=True)
class CertifiedHub:
    """What a hub's certificate said, now or on the full path that began a chain of tickets."""

    hub: str
    access_points: frozenset[int]
    expires: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is ready to go, and what the answer is read with."""

    message: ToHub
    secret: bytes = field(repr=False)
    aead: Aead
    certified: CertifiedHub


def by_full_path(
    *,
    wallet: Wallet,
    known: KnownEpoch,
    op: bytes,
    access_point: int,
    action: Action,
    revocations: bytes,
    transport: str,
    challenge: bytes,
    chance: Callable[[int], bytes],
) -> Asked:
    """Make a request to a hub whose certificates the phone trusts."""
    aead = choose_aead(wallet, known.epoch)
    assert aead is not None
    secret = chance(SECRET_BYTES)
    bound = sealing.binding(
        transport=transport,
        challenge=challenge,
        epoch_digest=hashlib.sha256(known.epoch_bytes).digest(),
        aead=aead,
    )
    request = Request(
        grant=wallet.grant,
        op=op,
        access_point=access_point,
        action=action,
        secret=secret,
        revocations=revocations,
    )
    message = seal_open(
        request=request,
        key=wallet.key,
        epoch=known.epoch,
        bound=bound,
        aead=aead,
        chance=chance,
    )
    certified = CertifiedHub(
        hub=known.hub.hub,
        access_points=frozenset(known.hub.access_points),
        expires=known.hub.expires,
    )
    return Asked(message, secret, aead, certified)


def by_ticket(
    *,
    ticket: KeptTicket,
    request: ResumeRequest,
    transport: str,
    challenge: bytes,
    chance: Callable[[int], bytes],
) -> Asked:
    """Make a request to the hub that gave this ticket."""
    key = sealing.resume_key(
        secret=ticket.secret,
        transport=transport,
        challenge=challenge,
        aead=ticket.aead,
        hub=ticket.hub,
    )
    message = sealing.seal_resume(
        request=request,
        key=key,
        aead=ticket.aead,
        iv=chance(IV_BYTES),
        ticket=ticket.id,
    )
    certified = CertifiedHub(
        hub=ticket.hub,
        access_points=ticket.access_points,
        expires=ticket.hub_expires,
    )
    return Asked(message, ticket.secret, ticket.aead, certified)


def seal_open(
    request: Request,
    key: cose.SigningKey,
    epoch: EpochCertificate,
    bound: bytes,
    *,
    aead: Aead,
    chance: Callable[[int], bytes],
) -> Open:
    """Sign a request and seal it to the epoch key; `chance(n)` gives n random bytes."""
    plaintext = signed_request(request, key, bound)
    content_key = chance(aead.key_bytes)
    iv = chance(IV_BYTES)
    ciphertext = cose.seal(
        aead=aead,
        key=content_key,
        iv=iv,
        plaintext=plaintext,
        aad=bound,
    )
    sizes = (len(epoch.modulus),)
    epoch_key = cose.rsa_public(epoch.modulus, _RSA_EXPONENT, sizes)
    return Open(
        aead=aead,
        iv=iv,
        ciphertext=ciphertext,
        epoch=epoch.kid,
        encrypted_key=cose.wrap_key(epoch_key, content_key),
    )


def signed_request(request: Request, key: cose.SigningKey, bound: bytes) -> bytes:
    """Return the COSE_Sign1 inside an open, its size padded to a multiple of PAD_REQUEST.

    The padding is inside the signature, so that nobody can put bytes of their own there.
    """
    protected = cwt.header(key.alg, sealing.REQUEST_TYPE)
    signature = bytes(_signature_bytes(key))
    fields = request.encode()

    def padded(zeros: int) -> bytes:
        return cbor.encode({**fields, _PADDING_KEY: bytes(zeros)})

    def size(zeros: int) -> int:
        message = [protected, {}, padded(zeros), signature]
        return len(cbor.encode(message))

    payload = padded(_zeros_to_multiple(size))
    return cbor.encode(
        cose.sign1(
            protected=protected,
            payload=payload,
            key=key,
            aad=bound,
        )
    )


def _signature_bytes(key: cose.SigningKey) -> int:
    if key.alg == cose.ES256:
        return _ES256_SIGNATURE_BYTES
    modulus = cose.write_key(key.private.public_key())[-1]
    return len(modulus)


def _zeros_to_multiple(size: Callable[[int], int]) -> int:
    """Return the least number of zeros whose `size` is a multiple of PAD_REQUEST.

    A longer string has a longer head, so the missing bytes may be a few too many.
    """
    missing = -size(0) % PAD_REQUEST
    for most in (missing, missing + PAD_REQUEST):
        least = max(0, most - _HEAD_GROWTH_BYTES)
        for zeros in range(least, most + 1):
            if size(zeros) % PAD_REQUEST == 0:
                return zeros
    raise AssertionError("two multiples of PAD_REQUEST hold every head")
