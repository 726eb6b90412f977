"""The request of the full path: signed by the phone, then sealed to the hub's epoch key."""

from __future__ import annotations

from collections.abc import Callable

from hubcore.codec import cbor, cose, cwt
from hubcore.codec.cose import IV_BYTES, Aead
from hubcore.phone import sealing
from hubcore.phone.certificates import EpochCertificate
from hubcore.phone.messages import PAD_REQUEST, Open, Request

_RSA_EXPONENT = b"\x01\x00\x01"
_ES256_SIGNATURE_BYTES = 64
_PADDING_KEY = 6
_HEAD_GROWTH_BYTES = 6
"""Two nested strings, whose heads grow by up to three bytes each as the padding grows."""


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
