"""Binding and keys: what every seal and signature between phone and hub covers, and with which key.

Laws:
1. Everything is bound to the protocol, the transport, this link's challenge, the hub and the epoch
   certificate. So nothing fits elsewhere.
2. Each direction and purpose has a key of its own.
3. A key seals under a fresh IV each time.
4. Inside the seal every failure is one ProofError.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hubcore.access import revocations
from hubcore.access.grant import Grant, read_grant
from hubcore.access.revocations import Revocations
from hubcore.access.words import Action, HubName
from hubcore.codec import cbor, cose, cwt
from hubcore.codec.cose import Aead, VerifyKey
from hubcore.errors import FrameError, ProofError
from hubcore.phone.messages import (
    SECRET_BYTES,
    Open,
    Resume,
    ResumeRequest,
    State,
    StateMessage,
    Verdict,
    VerdictMessage,
    decode_request,
    decode_resume_request,
    decode_state,
    decode_verdict,
    encode_resume_request,
    encode_state,
    encode_verdict,
)

_T = TypeVar("_T")
PROTOCOL = "hub/1"
BLE_GATT = "ble-gatt"
REQUEST_TYPE = "application/hub-request+cose"


def binding(transport: str, challenge: bytes, epoch_digest: bytes, aead: Aead) -> bytes:
    """Return the external AAD of an open, and of the request in it.

    `epoch_digest` is SHA-256 of the epoch certificate.
    """
    return cbor.encode_flat([PROTOCOL, transport, challenge, epoch_digest, int(aead)])


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """Keys of one exchange; the ratchet secret becomes a ticket if the hub issues one."""

    aead: Aead
    to_phone: bytes
    ratchet: bytes


def session_keys(
    secret: bytes,
    transport: str,
    challenge: bytes,
    message: bytes,
    aead: Aead,
    hub: str,
) -> SessionKeys:
    """Derive the keys of what follows a phone's complete `message`.

    `secret` is the one that the message carried, or its ticket's.
    """
    salt = _transcript(transport, challenge, message)
    party = hub.encode()
    to_phone = cose.derive(
        secret=secret,
        salt=salt,
        size=aead.key_bytes,
        alg=int(aead),
        party_v=party,
        label="h2p",
    )
    ratchet = cose.derive(
        secret=secret,
        salt=salt,
        size=SECRET_BYTES,
        alg=cose.DIRECT_HKDF_SHA256,
        party_v=party,
        label="ticket",
    )
    return SessionKeys(aead, to_phone, ratchet)


def resume_key(
    secret: bytes,
    transport: str,
    challenge: bytes,
    aead: Aead,
    hub: str,
) -> bytes:
    """Derive the key that seals a resume, phone to hub."""
    return cose.derive(
        secret=secret,
        salt=_transcript(transport, challenge, b""),
        size=aead.key_bytes,
        alg=int(aead),
        party_v=hub.encode(),
        label="p2h",
    )


def _transcript(transport: str, challenge: bytes, message: bytes) -> bytes:
    covered = cbor.encode_flat([PROTOCOL, transport, challenge, message])
    return hashlib.sha256(covered).digest()


@dataclass(frozen=True, slots=True)
class OpenJob:
    """All that opening one Open needs; nothing else is read.

    `raw` is the whole message. `decoy` is a random content key of the AEAD's size. `guests` are the
    grants that the site itself has given: SHA-256 of each document, and the key that signed it.
    """

    message: Open
    raw: bytes
    transport: str
    challenge: bytes
    epoch_key: RSAPrivateKey
    epoch_digest: bytes
    issuer: VerifyKey
    name: HubName
    decoy: bytes
    guests: Mapping[bytes, VerifyKey] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opened:
    """A request whose proofs hold: the phone of this grant asked for this, here, now."""

    grant: Grant
    op: bytes
    access_point: int
    action: Action
    keys: SessionKeys
    carried: Revocations | ProofError | None = None
    """The revocations that the phone carries, or why they prove nothing."""


def open_request(job: OpenJob) -> Opened:
    """Unseal and verify an Open: one RSA decryption and two signatures, or three with revocations.

    Raise ProofError, whatever fails.
    """
    aead = job.message.aead
    bound = binding(job.transport, job.challenge, job.epoch_digest, aead)
    signed = _unseal_signed(job, bound)
    request = _read(signed.payload, decode_request)
    grant = _read_grant(request.grant, job)
    if signed.protected != cwt.header(grant.key.alg, REQUEST_TYPE):
        raise ProofError("request: its header is not the constant one of the grant's key")
    cose.verify1(
        protected=signed.protected,
        payload=signed.payload,
        signature=signed.signature,
        key=grant.key,
        aad=bound,
    )
    keys = session_keys(
        secret=request.secret,
        transport=job.transport,
        challenge=job.challenge,
        message=job.raw,
        aead=aead,
        hub=job.name.hub,
    )
    return Opened(
        grant=grant,
        op=request.op,
        access_point=request.access_point,
        action=request.action,
        keys=keys,
        carried=_read_carried(request.revocations, job),
    )


def _read_grant(document: bytes, job: OpenJob) -> Grant:
    """Read a grant of the issuer, or one of the site that is known byte for byte."""
    site_key = job.guests.get(hashlib.sha256(document).digest())
    if site_key is None:
        return read_grant(document, job.issuer, job.name.site)
    return read_grant(document, site_key, job.name.site, of_site=True)


def _read_carried(document: bytes, job: OpenJob) -> Revocations | ProofError | None:
    """Read what a phone carries beside its own request, which holds without it."""
    if not document:
        return None
    try:
        return revocations.read(document, job.issuer, job.name.site)
    except ProofError as error:
        return error


@dataclass(frozen=True, slots=True)
class _Signed:
    """The COSE_Sign1 inside an open, taken apart; nothing is proven yet."""

    protected: bytes
    payload: bytes
    signature: bytes


def _unseal_signed(job: OpenJob, bound: bytes) -> _Signed:
    """Unseal what an open carries. Raise ProofError."""
    message = job.message
    content_key = cose.unwrap_key(job.epoch_key, message.encrypted_key, job.decoy)
    plaintext = cose.unseal(
        aead=message.aead,
        key=content_key,
        iv=message.iv,
        ciphertext=message.ciphertext,
        aad=bound,
    )
    match _read(plaintext, cbor.decode):
        case [
            bytes() as protected,
            dict() as unprotected,
            bytes() as payload,
            bytes() as signature,
        ] if not unprotected:
            return _Signed(protected, payload, signature)
    raise ProofError("request: no COSE_Sign1")


def open_resume(message: Resume, key: bytes) -> ResumeRequest:
    """Unseal a resume. Raise ProofError."""
    plaintext = cose.unseal(message.aead, key, message.iv, message.ciphertext)
    return _read(plaintext, decode_resume_request)


def seal_resume(
    request: ResumeRequest,
    key: bytes,
    aead: Aead,
    iv: bytes,
    ticket: bytes,
) -> Resume:
    """Seal a resume, phone to hub."""
    plaintext = encode_resume_request(request)
    ciphertext = cose.seal(aead, key, iv, plaintext)
    return Resume(aead=aead, iv=iv, ciphertext=ciphertext, ticket=ticket)


def seal_verdict(verdict: Verdict, keys: SessionKeys, iv: bytes) -> VerdictMessage:
    """Seal a verdict, hub to phone."""
    plaintext = encode_verdict(verdict)
    ciphertext = cose.seal(keys.aead, keys.to_phone, iv, plaintext)
    return VerdictMessage(keys.aead, iv, ciphertext)


def open_verdict(message: VerdictMessage, keys: SessionKeys) -> Verdict:
    """Unseal a verdict. Raise ProofError: it is of another session, or not from this hub."""
    return _open(message, keys, decode_verdict)


def seal_state(state: State, keys: SessionKeys, iv: bytes) -> StateMessage:
    """Seal a door state, hub to phone."""
    plaintext = encode_state(state)
    ciphertext = cose.seal(keys.aead, keys.to_phone, iv, plaintext)
    return StateMessage(keys.aead, iv, ciphertext)


def open_state(message: StateMessage, keys: SessionKeys) -> State:
    """Unseal a door state. Raise ProofError."""
    return _open(message, keys, decode_state)


def _open(
    message: VerdictMessage | StateMessage, keys: SessionKeys, decode: Callable[[bytes], _T]
) -> _T:
    if message.aead != keys.aead:
        raise ProofError("seal: another AEAD than the session's")
    plaintext = cose.unseal(message.aead, keys.to_phone, message.iv, message.ciphertext)
    return _read(plaintext, decode)


def _read(plaintext: bytes, decode: Callable[[bytes], _T]) -> _T:
    """Decode what was sealed. Raise ProofError."""
    try:
        return decode(plaintext)
    except FrameError as error:
        raise ProofError(f"inside the seal: {error}") from error
