"""A hub's request for its newest certificates, as a bridge carries it to the backend.

Laws:
1. It is signed by the hub's own key, the one of its certificate. So a bridge invents none.
2. Inside is the request of the uplink, in the uplink's own bytes.
3. It orders nothing. What comes back is for this hub and its keys alone, and no secret. So there is
   nothing to win by saying it again.

Shape: `{1: hub, 3: site, -65538: certificate-request}`, signed by the hub's key.
"""

from __future__ import annotations

from hubcore.access.words import HubName
from hubcore.backend.uplink import codec as uplink
from hubcore.backend.uplink.from_hub import CertificateRequest
from hubcore.codec import cwt
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.errors import FrameError, ProofError

RENEWAL_BYTES = 1024
"""As each document that a bridge carries (`bridge.words.DOCUMENT_BYTES`)."""
TYPE = "application/hub-renewal+cwt"
_REQUEST = -65538
_CLAIMS = (cwt.ISS, cwt.AUD, _REQUEST)


def sign_renewal(hub: HubName, request: CertificateRequest, key: SigningKey) -> bytes:
    """Return the document of a hub whose key this is."""
    claims = {cwt.ISS: hub.hub, cwt.AUD: hub.site, _REQUEST: uplink.encode(request)}
    return cwt.issue(TYPE, claims, key, None)


def prove_renewal(document: bytes, hub: HubName, key: VerifyKey) -> CertificateRequest:
    """Read the request of this hub by the key of its certificate. Raise ProofError."""
    if len(document) > RENEWAL_BYTES:
        raise ProofError(f"renewal: more than {RENEWAL_BYTES} bytes")
    claims = cwt.read(TYPE, document, key, None, _CLAIMS)
    if (claims[cwt.ISS], claims[cwt.AUD]) != (hub.hub, hub.site):
        raise ProofError("renewal: it is of another hub or site")
    inside = claims[_REQUEST]
    try:
        request = uplink.decode_from_hub(inside if isinstance(inside, bytes) else b"")
    except FrameError as error:
        raise ProofError(f"renewal: no request is inside: {error}") from error
    if not isinstance(request, CertificateRequest):
        raise ProofError("renewal: another message is inside")
    return request
