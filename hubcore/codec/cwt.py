"""Documents that carry trust: CWTs (RFC 8392), each in a tagged COSE_Sign1 with a constant header.

Laws:
1. The kind of a document is its `typ` in the protected header (RFC 9596). So no document can stand
   for one of another kind.
2. Its set of claims is closed: those of its kind, and no other.
3. Its signature is checked before any claim is read.
4. Whether it is valid now is for the reader to judge.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from hubcore.codec import cbor, cose
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.errors import FrameError, ProofError

NAME_BYTES = 32
"""A site, hub or credential id: 1..32 bytes of UTF-8."""
_CLAIMS_ITEMS = 64
"""Heads in the claims of a document: eight labels, a key's members, the AEADs."""

ISS = 1
SUB = 2
AUD = 3
EXP = 4
NBF = 5
CTI = 7
CNF = 8
SCOPE = 9
"""Labels of claims (RFC 8392, section 4; RFC 8747; RFC 9200)."""


@cache
def header(alg: int, typ: str) -> bytes:
    """Return the one protected header of a document or request: {1: alg, 16: typ}."""
    return cbor.encode({1: alg, 16: typ})


@lru_cache(8)
def _unprotected(kid: bytes | None) -> bytes:
    """Return the one unprotected header: with the signer's key id, or empty."""
    fields = {} if kid is None else {4: kid}
    return cbor.encode(fields)


def issue(
    typ: str,
    claims: dict[int, Any],
    signer: SigningKey,
    kid: bytes | None,
) -> bytes:
    """Return a document of kind `typ`: claims signed under its constant header, tagged."""
    return sign(typ, cbor.encode(claims), signer, kid)


def sign(typ: str, payload: bytes, signer: SigningKey, kid: bytes | None) -> bytes:
    """Return a document of kind `typ` whose claims are encoded already; they are not looked at."""
    document = cose.sign1(header(signer.alg, typ), payload, signer, kid=kid)
    return cbor.encode(cbor.Tag(cose.SIGN1_TAG, document))


def read(
    typ: str,
    data: bytes,
    key: VerifyKey,
    kid: bytes | None,
    members: tuple[int, ...],
    optional: tuple[int, ...] = (),
    items_max: int = _CLAIMS_ITEMS,
) -> dict[int, Any]:
    """Check shape, headers and signature of a document; return its claims.

    They are exactly `members`, and any of `optional`, with `items_max` heads. Raise ProofError.
    """
    return claims_in(typ, prove(typ, data, key, kid), members, optional, items_max)


def claims_in(
    typ: str,
    payload: bytes,
    members: tuple[int, ...],
    optional: tuple[int, ...] = (),
    items_max: int = _CLAIMS_ITEMS,
) -> dict[int, Any]:
    """Return the claims that a payload holds, as `read` does. Raise ProofError."""
    claims = decode(payload, items_max)
    if not isinstance(claims, dict) or claims.keys() - set(optional) != set(members):
        raise ProofError(f"{typ}: its claims are not exactly those of this kind")
    return claims


def prove(typ: str, data: bytes, key: VerifyKey, kid: bytes | None) -> bytes:
    """Check shape, headers and signature of a document; return its payload, not decoded.

    Raise ProofError.
    """
    try:
        document = cose.read_sign1(data)
    except FrameError as error:
        raise ProofError(f"{typ}: no tagged COSE_Sign1: {error}") from error
    return verify(typ, document, key, kid)


def verify(typ: str, document: cose.Sign1, key: VerifyKey, kid: bytes | None) -> bytes:
    """Check headers and signature of a document that was split; return its payload, not decoded.

    Raise ProofError.
    """
    if document.protected != header(key.alg, typ) or document.unprotected != _unprotected(kid):
        raise ProofError(f"{typ}: its headers are not the constant ones of this kind and signer")
    cose.verify1(
        protected=document.protected,
        payload=document.payload,
        signature=document.signature,
        key=key,
    )
    return document.payload


def decode(data: Any, max_items: int) -> Any:
    """Decode what a document holds. Raise ProofError for everything wrong inside it."""
    if not isinstance(data, bytes):
        raise ProofError("document: bytes expected")
    try:
        return cbor.decode(data, max_items=max_items)
    except FrameError as error:
        raise ProofError(f"document: {error}") from error


def site_of(claims: dict[int, Any]) -> str:
    """Return the site that is both issuer and audience. Raise ProofError."""
    if claims[ISS] != claims[AUD]:
        raise ProofError("document: issuer and audience are not one site")
    return name(claims[ISS], "site")


def name(value: Any, what: str) -> str:
    """Return an id of 1..NAME_BYTES bytes of UTF-8. Raise ProofError."""
    if not isinstance(value, str) or not 1 <= len(value.encode()) <= NAME_BYTES:
        raise ProofError(f"document: {what} is no text of 1..{NAME_BYTES} bytes")
    return value


def times_of(claims: dict[int, Any]) -> tuple[int, int]:
    """Return (not before, expires), Unix seconds. Raise ProofError."""
    not_before = claims[NBF]
    expires = claims[EXP]
    if not (is_uint(not_before) and is_uint(expires) and not_before <= expires):
        raise ProofError("document: its times are no span of whole seconds")
    return not_before, expires


def confirmed_key(claims: dict[int, Any]) -> dict[int, Any]:
    """Return cnf's COSE_Key (RFC 8747, 3.2); no other form of confirmation is known."""
    match claims[CNF]:
        case {1: dict() as key, **rest} if not rest:
            return key
    raise ProofError("document: it does not confirm exactly one COSE_Key")


def is_uint(value: Any) -> bool:
    """Tell whether a value is a whole number of 0 or more, and no boolean."""
    return type(value) is int and value >= 0
