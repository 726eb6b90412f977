"""Who may connect to the reference backend: the answers of a ZAP handler (ZeroMQ RFC 27), and the
revoked keys.

Laws: 200 only for an enrolled key; 400 only for a revoked one, because it ends a libzmq client's
own retrying for good; everything that may mend itself (a key not enrolled yet, a directory that is
away) is 300, on which a client comes again. pyzmq's own authenticator answers only 200 and 400, and
denies every socket whose domain is not empty.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Mapping
from pathlib import Path

from zmq.utils import z85

HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
KEY_PROPERTY = "X-Hub-Key"
"""The property of every message of a session that holds the key it was opened with, in Z85."""


class Gate:
    """`hubs` maps public keys (Z85) to hub ids; `path` is a file of revoked keys, one a line, kept
    over a restart.
    """

    def __init__(self, hubs: Mapping[str, str], path: Path) -> None:
        self.hubs = hubs
        self._path = path
        self._revoked = set(path.read_text("ascii").split()) if path.exists() else set()

    def is_revoked(self, key: str) -> bool:
        """Tell whether a session opened with this key must not be heard any more."""
        return key in self._revoked

    def revoke(self, key: str) -> None:
        """Refuse this key from now on; durable on return."""
        self._write(self._revoked | {key})

    def allow(self, key: str) -> None:
        """Take a revocation back."""
        self._write(self._revoked - {key})

    def _write(self, revoked: set[str]) -> None:
        new = self._path.with_suffix(".new")
        with new.open("w", encoding="ascii") as file:
            file.writelines(f"{key}\n" for key in sorted(revoked))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        self._revoked = revoked

    def identify(self, key: str) -> tuple[bytes, str]:
        """Return the ZAP status and the hub id for a client's public key."""
        if key in self._revoked:
            return b"400", ""
        try:
            hub = self.hubs.get(key)
        except OSError:
            return b"300", ""
        return (b"200", hub) if hub and HUB_ID.fullmatch(hub) else (b"300", "")

    def answer(self, request: list[bytes]) -> list[bytes]:
        """Return the reply to one ZAP request, its address envelope already taken off."""
        version, sequence, _domain, _address, _identity, mechanism, *credentials = request
        if mechanism != b"CURVE" or len(credentials) != 1 or len(credentials[0]) != 32:
            return [version, sequence, b"400", b"CURVE only", b"", b""]
        key = z85.encode(credentials[0])
        status, hub = self.identify(key.decode("ascii"))
        name = KEY_PROPERTY.encode("ascii")
        properties = bytes([len(name)]) + name + struct.pack(">I", len(key)) + key
        return [
            version,
            sequence,
            status,
            b"",
            hub.encode("ascii"),
            properties if status == b"200" else b"",
        ]
