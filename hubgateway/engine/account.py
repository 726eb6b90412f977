"""An account at the engine: who a program is there, by an Ed25519 key in a file of its own.

How it works: NATS calls such a key an NKey. The engine's configuration names the public half, and
sends something new to be signed at each connection. So the secret half never leaves its file. A
file of NATS credentials holds such a key, too, and a word of the engine's operator (a JWT) beside.

Laws:
1. The secret is in a file which not everybody may read. It is read once, before a connection.
2. What is no key of a user is a ConfigError that names the file.
3. A library that no longer takes the key is refused by the engine; it comes in as nobody else.

NKeys: base32 of a prefix, 32 bytes and a CRC-16 (github.com/nats-io/nkeys).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nats.aio.client import Client

from hubcore.errors import ConfigError
from hubgateway.config import secret_file

SEED_BYTES = 32
_USER = 20 << 3
_SEED = 18 << 3
_SEED_PREFIX = bytes((_SEED | _USER >> 5, (_USER & 0x1F) << 3))
_CHECK_BYTES = 2
_JWT = re.compile(r"-+BEGIN NATS USER JWT-+\s+(\S+)\s+-+END NATS USER JWT-+")
_SEED_LINE = re.compile(r"^(SU[A-Z2-7]{56})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Account:
    """A key of a user; `jwt` is the operator's word of it, "" where the engine names the key."""

    key: Ed25519PrivateKey
    jwt: str = ""

    @property
    def public(self) -> str:
        """Return the public half, as the engine's configuration names it."""
        raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return _written(bytes((_USER,)) + raw)

    @property
    def seed(self) -> str:
        """Return the secret half, as NATS writes it."""
        return _written(_SEED_PREFIX + self.key.private_bytes_raw())

    def sign(self, nonce: str) -> bytes:
        """Return the signature of what the engine has sent, in base64."""
        return base64.b64encode(self.key.sign(nonce.encode()))


def new_account() -> Account:
    """Make the key of an account."""
    return Account(Ed25519PrivateKey.generate())


def account_of(seed: bytes) -> Account:
    """Read the secret half. Raise ValueError."""
    try:
        whole = base64.b32decode(seed.strip() + b"=" * (-len(seed.strip()) % 8))
    except binascii.Error as error:
        raise ValueError("it is no key of NATS") from error
    body = whole[:-_CHECK_BYTES]
    check = whole[-_CHECK_BYTES:]
    raw = body[len(_SEED_PREFIX) :]
    if binascii.crc_hqx(body, 0).to_bytes(_CHECK_BYTES, "little") != check:
        raise ValueError("it is no key of NATS, or mistyped")
    if not body.startswith(_SEED_PREFIX) or len(raw) != SEED_BYTES:
        raise ValueError("it is no key of a user at the engine")
    return Account(Ed25519PrivateKey.from_private_bytes(raw))


def read_account(named: str, config_file: Path = Path("/")) -> Account:
    """Read the file of an account: an NKey's seed, or NATS credentials. Raise ConfigError."""
    text = secret_file(named, config_file, "credentials").decode("ascii", "replace")
    jwt = _JWT.search(text)
    seed = _SEED_LINE.search(text)
    if seed is None or (jwt is None and text.strip() != seed[1]):
        raise ConfigError(f"credentials {named}: it is no seed of an NKey, and no NATS credentials")
    try:
        account = account_of(seed[1].encode())
    except ValueError as error:
        raise ConfigError(f"credentials {named}: {error}") from error
    return Account(account.key, jwt[1] if jwt else "")


def speak_as(client: Client, credentials: str) -> dict[str, Any]:
    """Let a client be who the file says, "" for nobody; return what `connect` is to be given.

    The library has this, too, by another library that comes as source alone. It takes our
    signature, but asks for one only if it is told that there is an account. Raise ConfigError.
    """
    if not credentials:
        return {}
    account = read_account(credentials)
    client._auth_configured = True
    sign: Callable[[str], bytes] = account.sign
    if account.jwt:
        return {"signature_cb": sign, "user_jwt_cb": account.jwt.encode}
    client._public_nkey = account.public
    return {"signature_cb": sign}


def _written(body: bytes) -> str:
    check = binascii.crc_hqx(body, 0).to_bytes(_CHECK_BYTES, "little")
    return base64.b32encode(body + check).decode("ascii").rstrip("=")
