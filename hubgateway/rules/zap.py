"""Who may connect: ZAP (ZeroMQ RFC 27), by the engine's directory of keys.

Laws:
1. 200 is only for an enrolled key.
2. 400 is only for a revoked one: it ends a client's own retrying for good.
3. An unknown key, a retired one, or a directory that is away, is 300: the hub comes again.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Protocol

from hubgateway.rules.names import Entry, Standing, read_entry

KEY_PROPERTY = "X-Hub-Key"
_KEY_BYTES = 32
_OK = b"200"
_COME_AGAIN = b"300"
_DENIED = b"400"


class Directory(Protocol):
    """A bucket of the engine, mirrored here."""

    @property
    def fresh(self) -> bool:
        """Whether it may be believed."""

    @property
    def values(self) -> Mapping[str, bytes]:
        """Rows by the key's hexadecimal digits."""


def entry_of(directory: Directory, key: str) -> Entry | None:
    """Return what the directory says of a key in hexadecimal digits; None while it is away."""
    value = directory.values.get(key) if directory.fresh else None
    return read_entry(value) if value is not None else None


def holds(directory: Directory, hub: str, key: str) -> bool:
    """Tell whether what comes with this key counts as this hub's."""
    return entry_of(directory, key) == Entry(Standing.ENROLLED, hub)


def answer(directory: Directory, request: list[bytes]) -> list[bytes]:
    """Return the reply to one ZAP request, its address envelope already taken off."""
    version, sequence, _domain, _address, _identity, mechanism, *credentials = request
    is_curve = mechanism == b"CURVE" and len(credentials) == 1
    if not is_curve or len(credentials[0]) != _KEY_BYTES:
        return [version, sequence, _DENIED, b"CURVE only", b"", b""]
    key = credentials[0].hex()
    entry = entry_of(directory, key)
    if entry is None or entry.standing is Standing.RETIRED:
        return [version, sequence, _COME_AGAIN, b"", b"", b""]
    if entry.standing is Standing.REVOKED:
        return [version, sequence, _DENIED, b"", b"", b""]
    hub = entry.hub.encode("ascii")
    return [version, sequence, _OK, b"", hub, zap_property(KEY_PROPERTY, key.encode("ascii"))]


def hub_of_retired(directory: Directory, request: list[bytes]) -> str | None:
    """Return whose retired key a ZAP request comes with, None for any other key."""
    key = request[6] if len(request) == 7 else b""
    entry = entry_of(directory, key.hex()) if len(key) == _KEY_BYTES else None
    if entry is None or entry.standing is not Standing.RETIRED:
        return None
    return entry.hub


def zap_property(name: str, value: bytes) -> bytes:
    """Return one property of ZMTP metadata (ZeroMQ RFC 23)."""
    raw_name = name.encode("ascii")
    return bytes([len(raw_name)]) + raw_name + struct.pack(">I", len(value)) + value
