"""What browsers are asked, and what their answers prove (WebAuthn Level 3, 7.1 and 7.2).

Laws:
1. A key has asked for its person's finger or PIN (user verification), each time.
2. A key lies in its authenticator under this server's name (discoverable). So what a browser is
   asked names no key: it is the same for each name that is typed.
3. Of an answer that is too long nothing is read. Whatever else is wrong with one, ProofError is
   raised, with the cause in it.
4. Which make a key is counts for nothing: no attestation is asked for, and none is believed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    RegistrationResponse,
)

from hubcore.errors import ProofError
from hubsite.keys.place import Place

ANSWER_LENGTH_MAX = 16_384
CREDENTIAL_BYTES_MAX = 4096
ASK_MILLISECONDS = 120_000
REQUIRED = "required"
ALGORITHMS = (-7, -8, -257)
"""ES256, EdDSA and RS256 (RFC 9053, RFC 8812): what authenticators make."""


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A key that was made: its id, the bytes that prove its signatures, its counter."""

    credential_id: bytes
    credential: bytes
    counter: int


@dataclass(frozen=True, slots=True)
class Signed:
    """A key has signed: its id, its counter by then, whose it says that it is ("" says nothing)."""

    credential_id: bytes
    counter: int
    handle: bytes


def asked_to_sign(place: Place, challenge: bytes) -> dict[str, Any]:
    """Return what a browser is asked at a sign-in: nothing about an account (law 2)."""
    return {
        "challenge": websafe_encode(challenge),
        "rpId": place.name,
        "timeout": ASK_MILLISECONDS,
        "userVerification": REQUIRED,
        "allowCredentials": [],
    }


def asked_to_make(
    place: Place, challenge: bytes, handle: bytes, name: str, known: Sequence[bytes] = ()
) -> dict[str, Any]:
    """Return what a browser is asked for a new key of an account. `known` are its keys' ids."""
    return {
        "rp": {"id": place.name, "name": place.site},
        "user": {"id": websafe_encode(handle), "name": name, "displayName": name},
        "challenge": websafe_encode(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in ALGORITHMS],
        "timeout": ASK_MILLISECONDS,
        "excludeCredentials": [{"type": "public-key", "id": websafe_encode(one)} for one in known],
        "authenticatorSelection": {
            "residentKey": REQUIRED,
            "requireResidentKey": True,
            "userVerification": REQUIRED,
        },
        "attestation": "none",
    }


def made_key(place: Place, challenge: bytes, answer: str) -> MadeKey:
    """Return the key that a browser says was made. Raise ProofError (law 3)."""
    said = _read(answer)
    try:
        response = RegistrationResponse.from_dict(said)
        _refuse_frames(response.response.client_data)
        data = _server(place).register_complete(_state(challenge), response)
        credential = data.credential_data
        if credential is None or credential.public_key.get(3) not in ALGORITHMS:
            raise ValueError("no key of an algorithm that was asked for")
        if len(credential) > CREDENTIAL_BYTES_MAX:
            raise ValueError(f"a key of over {CREDENTIAL_BYTES_MAX} bytes")
    except Exception as error:  # the library says what is wrong with bytes by errors of all kinds
        raise ProofError(f"no key was made: {error!r}") from error
    return MadeKey(credential.credential_id, bytes(credential), data.counter)


def signed_by(place: Place, challenge: bytes, answer: str, credentials: Sequence[bytes]) -> Signed:
    """Return which of these keys has signed. Raise ProofError (law 3)."""
    said = _read(answer)
    try:
        response = AuthenticationResponse.from_dict(said)
        _refuse_frames(response.response.client_data)
        known = [AttestedCredentialData(one) for one in credentials]
        used = _server(place).authenticate_complete(_state(challenge), known, response)
    except Exception as error:  # as above
        raise ProofError(f"no key has signed: {error!r}") from error
    counter = response.response.authenticator_data.counter
    return Signed(used.credential_id, counter, response.response.user_handle or b"")


def id_said(answer: str) -> bytes:
    """Return whose key an answer says that it is of. That proves nothing. Raise ProofError."""
    raw = _read(answer).get("rawId")
    if not isinstance(raw, str):
        raise ProofError("an answer without the id of a key")
    try:
        return websafe_decode(raw)
    except ValueError as error:
        raise ProofError("an answer with an id that is no base64url") from error


def _read(answer: str) -> dict[str, Any]:
    if len(answer) > ANSWER_LENGTH_MAX:
        raise ProofError(f"an answer of over {ANSWER_LENGTH_MAX} characters")
    try:
        said = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise ProofError("an answer that is no JSON") from error
    if not isinstance(said, dict):
        raise ProofError("an answer that is no object")
    return said


def _refuse_frames(client_data: Any) -> None:
    """Refuse what was asked within a page of somebody else."""
    if client_data.cross_origin:
        raise ValueError("asked within another page")


def _state(challenge: bytes) -> dict[str, str]:
    return {"challenge": websafe_encode(challenge), "user_verification": REQUIRED}


def _server(place: Place) -> Fido2Server:
    entity = PublicKeyCredentialRpEntity(id=place.name, name=place.site)
    return Fido2Server(entity, verify_origin=lambda origin: origin in place.origins)
