"""A bridge's request for a certificate for its next key, as gateway and issuer prove it.

Laws:
1. It is signed by the key that the bridge has now. So nobody else asks in its name. Whether that
   key is the bridge's is for the reader to look up, before anything is read.
2. Inside is a request by the next key itself (PKCS #10), for this bridge and this key of now alone:
   nobody asks for a key that he has not, and none is another bridge's request.
3. It has a ceiling, and its signature is proven before it is read. What is wrong raises ProofError.

Shape: `{1: bridge, 3: site, -65538: request}`, signed by the key of now; the request is DER.
"""

from __future__ import annotations

from hubcore.bridge.words import DOCUMENT_BYTES
from hubcore.codec import cbor, cwt, tls
from hubcore.codec.cose import SigningKey
from hubcore.codec.tls import TlsName, TlsRole, public_der, verify_key_of
from hubcore.errors import ProofError, TrustError

TYPE = "application/bridge-renewal+cwt"
_REQUEST = -65538
_CLAIMS = (cwt.ISS, cwt.AUD, _REQUEST)


def sign_own_request(name: TlsName, now: SigningKey, following: SigningKey) -> bytes:
    """Return the document of a bridge that has the key of now and the following one."""
    bound_to = _bound_to(name, public_der(now.private.public_key()))
    request = tls.make_request(following, bound_to)
    claims = {cwt.ISS: name.id, cwt.AUD: name.site, _REQUEST: request}
    return cwt.issue(TYPE, claims, now, None)


def prove_own_request(document: bytes, name: TlsName, now: bytes) -> bytes:
    """Return the key that is asked for. Both keys as SubjectPublicKeyInfo. Raise ProofError."""
    if name.role is not TlsRole.BRIDGE:
        raise ProofError(f"request: {name.uri} is no bridge")
    if len(document) > DOCUMENT_BYTES:
        raise ProofError(f"request: more than {DOCUMENT_BYTES} bytes")
    try:
        key = verify_key_of(now)
    except TrustError as error:
        raise ProofError(f"request: the key of now: {error}") from error
    claims = cwt.read(TYPE, document, key, None, _CLAIMS)
    if (claims[cwt.ISS], claims[cwt.AUD]) != (name.id, name.site):
        raise ProofError("request: it is of another bridge or site")
    inside = claims[_REQUEST]
    if not isinstance(inside, bytes):
        raise ProofError("request: no request is inside")
    wanted = tls.read_request(inside, _bound_to(name, now))
    if wanted == now:
        raise ProofError("request: it is for the key that the bridge has")
    return wanted


def _bound_to(name: TlsName, now: bytes) -> bytes:
    return cbor.encode([TYPE, name.site, name.id, now])
