"""The three keys of a new hub: how they are made, and what they prove of each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import zmq
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hubcore.backend.enrolment import messages
from hubcore.backend.enrolment.messages import Ask
from hubcore.backend.enrolment.proofs import fingerprint, prove_keys, tls_request
from hubcore.backend.enrolment.token import Token
from hubcore.codec import cbor
from hubcore.codec.cose import SigningKey
from hubcore.codec.tls import public_der
from hubcore.errors import ConfigError
from hubcore.version import __version__
from hubd.adapters.keys.uplinkkeys import key_from_text, public_of
from hubd.enrolment.places import CURVE_SECRET, IDENTITY, TLS_KEY


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """The hub's own keys; nothing of them leaves this machine but their public halves."""

    identity: SigningKey = field(repr=False)
    secret: bytes = field(repr=False)
    tls: SigningKey = field(repr=False)

    @property
    def public(self) -> bytes:
        """The public half of the CURVE key."""
        return public_of(self.secret)

    @property
    def identity_public(self) -> bytes:
        """The public half of the identity, as an encoded COSE_Key."""
        return cbor.encode(self.identity.cose_key)

    @property
    def tls_public(self) -> bytes:
        """The public half of the TLS key, as SubjectPublicKeyInfo."""
        return public_der(self.tls.private.public_key())

    @property
    def fingerprint(self) -> str:
        """What two people compare."""
        return fingerprint(self.identity_public, self.public, self.tls_public)

    def ask(self, token: Token) -> Ask:
        """Return the question, with the proofs of all keys."""
        request = tls_request(self.tls, self.identity_public, self.public)
        return Ask(
            version=messages.VERSION,
            secret=token.secret,
            identity=self.identity_public,
            proof=prove_keys(self.identity, self.public, request),
            request=request,
            software=__version__,
        )


def read_own_keys(found: Mapping[str, bytes]) -> OwnKeys:
    """Read the keys by their names. Raise ConfigError."""
    return OwnKeys(
        identity=_signing_key(IDENTITY, found[IDENTITY]),
        secret=key_from_text(found[CURVE_SECRET].decode("ascii")),
        tls=_signing_key(TLS_KEY, found[TLS_KEY]),
    )


def _new_signing_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _new_curve_secret() -> bytes:
    return zmq.curve_keypair()[1]


MAKES: Mapping[str, Callable[[], bytes]] = {
    IDENTITY: _new_signing_key,
    CURVE_SECRET: _new_curve_secret,
    TLS_KEY: _new_signing_key,
}
"""How each of OWN_KEYS is made."""


def _signing_key(name: str, data: bytes) -> SigningKey:
    try:
        key = serialization.load_pem_private_key(data, None)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"the {name} that waits here is damaged: remove it") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"the {name} that waits here is of another kind: remove it")
    return SigningKey(key)
