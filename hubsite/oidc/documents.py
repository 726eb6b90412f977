"""What a provider says of itself (OpenID Connect Discovery 1.0), read before it is believed.

Laws:
1. It says the very issuer that the file names.
2. Each address in it is one of HTTPS.
3. Of its algorithms those count that sign by a key that only the provider has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hubcore.errors import LinkError

ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
URL_LENGTH_MAX = 2048
PATH = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Metadata:
    """Where a provider is asked what, and what it promises."""

    issuer: str
    authorization: str
    token: str
    keys: str
    by_body: bool
    says_issuer: bool
    """It names itself in each answer (RFC 9207)."""


def read_metadata(said: Any, issuer: str) -> Metadata:
    """Read the document. Raise LinkError with a sentence for who runs the server."""
    if not isinstance(said, dict) or said.get("issuer") != issuer:
        raise LinkError(f"what {issuer}{PATH} says is no document of that issuer")
    methods = said.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return Metadata(
        issuer=issuer,
        authorization=_url(said, "authorization_endpoint"),
        token=_url(said, "token_endpoint"),
        keys=_url(said, "jwks_uri"),
        by_body="client_secret_basic" not in methods,
        says_issuer=said.get("authorization_response_iss_parameter_supported") is True,
    )


def _url(said: dict[str, Any], member: str) -> str:
    url = said.get(member)
    if not isinstance(url, str) or not url.startswith("https://") or len(url) > URL_LENGTH_MAX:
        raise LinkError(f"the provider's {member} is no address of HTTPS")
    return url
