"""Which bridges a gateway knows, and which connection speaks as each.

Laws:
1. A bridge speaks if the directory has its name with its very key, and no list of ends
   names it. What cannot be read, and a directory that is away, admits nobody.
2. A bridge has one session: its newest connection. The one before is cut.
3. Dates are not judged here: whose certificate has ended may still renew it (`talk`, law 6).
4. For a bridge's next key the engine has its newest request, with the key that signed it, and the
   certificate, with the digest of the key that it follows. A certificate counts by the authority's
   signature, for this bridge.
5. A certificate lets its key speak only while the directory has, for this bridge, the key that it
   follows or its own. So whom a person has taken in again by another key, or ended, is not followed
   by what was made before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from hubcore.bridge.backend.ownrequest import prove_own_request
from hubcore.codec.tls import CERTIFICATE_BYTES_MAX, TlsCertificate, TlsName, read_certificate
from hubcore.errors import ProofError, TrustError
from hubgateway.rules.names import Standing

_VALUE = re.compile(r"(enrolled|revoked) ([0-9a-f]{64})")
SESSIONS_MAX = 1024
REQUEST = "request"
CERTIFICATE = "certificate"
KEY_BYTES = 91
"""A P-256 key as SubjectPublicKeyInfo, not compressed."""
DIGEST_BYTES = 32


class Directory(Protocol):
    """A bucket of the engine, mirrored here."""

    @property
    def fresh(self) -> bool:
        """Whether it may be believed."""

    @property
    def values(self) -> Mapping[str, bytes]:
        """Rows by the names of bridges."""


@dataclass(frozen=True, slots=True)
class BridgeEntry:
    """A row of the directory; `key` is the SHA-256 of the key in TLS, in hexadecimal digits."""

    standing: Standing
    key: str


def write_bridge(entry: BridgeEntry) -> bytes:
    """Return a row as it lies in the engine."""
    return f"{entry.standing.value} {entry.key}".encode("ascii")


def read_bridge(value: bytes | None) -> BridgeEntry | None:
    """Read `enrolled KEY` or `revoked KEY`; None for anything else."""
    found = _VALUE.fullmatch((value or b"").decode("ascii", "replace"))
    return None if found is None else BridgeEntry(Standing(found[1]), found[2])


def is_enrolled(directory: Directory, bridge: str, key_digest: bytes) -> bool:
    """Tell whether a bridge that shows this key may speak (law 1)."""
    value = directory.values.get(bridge) if directory.fresh else None
    return read_bridge(value) == BridgeEntry(Standing.ENROLLED, key_digest.hex())


def request_key(bridge: str) -> str:
    """Return the key of a bridge's newest request in its bucket."""
    return f"{bridge}.{REQUEST}"


def certificate_key(bridge: str) -> str:
    """Return the key of the certificate for a bridge's next key."""
    return f"{bridge}.{CERTIFICATE}"


@dataclass(frozen=True, slots=True)
class OwnRequestRow:
    """What a bridge asks for; the keys as SubjectPublicKeyInfo."""

    now: bytes
    wanted: bytes


@dataclass(frozen=True, slots=True)
class NextCertificate:
    """The certificate for a bridge's next key; `follows` is the SHA-256 of the key before."""

    follows: bytes
    certificate: TlsCertificate

    @property
    def digest(self) -> bytes:
        """The SHA-256 of its key."""
        return sha256(self.certificate.key).digest()

    def lets_speak(self, entry: BridgeEntry | None, key_digest: bytes) -> bool:
        """Tell whether a key speaks by this certificate (law 5)."""
        if entry is None or entry.standing is not Standing.ENROLLED or key_digest != self.digest:
            return False
        return entry.key in (self.follows.hex(), self.digest.hex())


def write_request(now: bytes, document: bytes) -> bytes:
    """Return a request as it lies in the engine. Raise ProofError for no P-256 key."""
    if len(now) != KEY_BYTES:
        raise ProofError("request: its key is no P-256 key as they are written here")
    return now + document


def read_request(value: bytes | None, name: TlsName) -> OwnRequestRow | None:
    """Read and prove a request; None for none. Raise ProofError."""
    if value is None:
        return None
    now = value[:KEY_BYTES]
    return OwnRequestRow(now, prove_own_request(value[KEY_BYTES:], name, now))


def write_certificate(follows: bytes, document: bytes) -> bytes:
    """Return a certificate (DER) as it lies in the engine."""
    return follows + document


def read_next(value: bytes | None, name: TlsName, authority: bytes) -> NextCertificate | None:
    """Read and prove a certificate; None for what is none (law 4)."""
    if value is None or len(value) > DIGEST_BYTES + CERTIFICATE_BYTES_MAX:
        return None
    try:
        certificate = read_certificate(value[DIGEST_BYTES:], authority, name)
    except TrustError:
        return None
    return NextCertificate(value[:DIGEST_BYTES], certificate)


class BridgeSessions:
    """The session of each bridge, by the number of its connection (law 2)."""

    def __init__(self, sessions_max: int = SESSIONS_MAX) -> None:
        self._sessions_max = sessions_max
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def came(self, bridge: str, number: int) -> tuple[bool, int | None]:
        """A bridge has come; tell whether there is place, and which connection is to be cut."""
        before = self._numbers.get(bridge)
        if before is None and len(self._numbers) >= self._sessions_max:
            return False, None
        self._numbers[bridge] = number
        return True, before

    def speaks(self, bridge: str, number: int) -> bool:
        """Tell whether this connection is the one that speaks."""
        return self._numbers.get(bridge) == number

    def gone(self, number: int) -> None:
        """A connection has ended."""
        for bridge, one in self._numbers.items():
            if one == number:
                del self._numbers[bridge]
                return
