"""A security key in software: makes keys and signs by them, as an authenticator and its browser do.

It is made of CBOR and ECDSA alone, by the words of WebAuthn Level 3 (6.1, 6.5): none of the library
that judges its answers is in it. Each thing that it says may be told to be wrong.
"""

from __future__ import annotations

import json
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT = 0x01
VERIFIED = 0x04
ATTESTED = 0x40
ORIGIN = "https://localhost"


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """One key; `counter` goes up by one with each signature, unless it is None: it counts none."""

    counter: int | None = 0
    flags: int = PRESENT | VERIFIED
    origin: str = ORIGIN
    name: str = ""
    """For which server it says that it signs; "": for the one that asked."""
    credential_id: bytes = field(default_factory=lambda: b"key " + ec_id())
    handle: bytes | None = None
    says: dict[str, Any] = field(default_factory=dict)
    """Members of the client's data in place of the right ones."""
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def make(self, asked: dict[str, Any]) -> str:
        """Answer `publicKey` of a page that wants a new key."""
        self.handle = decoded(asked["user"]["id"])
        client = self._client("webauthn.create", asked["challenge"])
        point = self.key.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)}
        attested = bytes(16) + struct.pack(">H", len(self.credential_id)) + self.credential_id
        data = self._data(asked["rp"]["id"], ATTESTED) + attested + cbor2.dumps(public)
        statement = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(clientDataJSON=client, attestationObject=statement)

    def sign(self, asked: dict[str, Any]) -> str:
        """Answer `publicKey` of a page that wants a signature."""
        if self.counter is not None:
            self.counter += 1
        client = self._client("webauthn.get", asked["challenge"])
        data = self._data(asked["rpId"], 0)
        signature = self.key.sign(data + sha256(client).digest(), ec.ECDSA(SHA256()))
        handle = {} if self.handle is None else {"userHandle": self.handle}
        return self._answer(
            clientDataJSON=client, authenticatorData=data, signature=signature, **handle
        )

    def _client(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps({**said, **self.says}).encode()

    def _data(self, name: str, more: int) -> bytes:
        hashed = sha256((self.name or name).encode()).digest()
        return hashed + struct.pack(">BI", self.flags | more, self.counter or 0)

    def _answer(self, **response: bytes) -> str:
        said = {name: encoded(data) for name, data in response.items()}
        key = encoded(self.credential_id)
        answer = {"id": key, "rawId": key, "type": "public-key", "response": said}
        return json.dumps({**answer, "clientExtensionResults": {}})


def ec_id() -> bytes:
    """Return an id that no other key has."""
    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return number.to_bytes(32)[:16]
