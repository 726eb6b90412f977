"""Who may connect to the reference backend: a ZAP handler (ZeroMQ RFC 27), and the revoked keys.

Laws:
1. 200 is only for an enrolled key.
2. 400 is only for a revoked one, because it ends a libzmq client's own retrying for good.
3. All that may mend itself (a key not enrolled yet, a directory that is away) is 300, on which a
   client comes again.

pyzmq's own authenticator answers only 200 and 400, and denies every socket whose domain is not
empty.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from zmq.utils import z85

from hubsim.durable import write_durably

HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
KEY_PROPERTY = "X-Hub-Key"
"""The property of every message of a connection that holds the key it was opened with, in Z85."""

UNKNOWN_MAX = 16
"""Keys that nobody knows, which people are told of since the start; others are only counted."""

_KEY_BYTES = 32
_OK = b"200"
_COME_AGAIN = b"300"
_DENIED = b"400"


@dataclass(frozen=True, slots=True)
class Admission:
    """A ZAP status; `hub` is the hub's id when it is 200, else ""."""

    status: bytes
    hub: str = ""


@runtime_checkable
class OneByOne(Protocol):
    """A mapping that knows the keys of one hub, and those that it had before."""

    def keys_of(self, hub: str) -> tuple[str, ...]:
        """Return the keys of a hub. Raise OSError."""

    def hub_of_retired(self, key: str) -> str | None:
        """Return the hub that had this key once. Raise OSError."""


class Gate:
    """`hubs` maps public keys (Z85) to hub ids; `path` is a file of revoked keys, one a line."""

    def __init__(
        self,
        hubs: Mapping[str, str],
        path: Path,
        tell: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """`tell` tells people."""
        self.hubs = hubs
        self.came_with_retired: set[str] = set()
        """Hubs that came with a key that they have changed, since the start."""
        self.unknown: dict[str, None] = {}
        """Keys that somebody came with, and that no hub has or had; the first UNKNOWN_MAX."""
        self._tell = tell
        self._path = path
        self._revoked: set[str] = set()
        if path.exists():
            keys = path.read_text("ascii")
            self._revoked.update(keys.split())

    def holds(self, hub: str, key: str) -> bool:
        """Tell whether this is a key of this hub now; not while the directory is away."""
        if key in self._revoked:
            return False
        try:
            return key in self.keys_of(hub)
        except OSError:
            return False

    def keys_of(self, hub: str) -> tuple[str, ...]:
        """Return the keys by which a hub is known. Raise OSError."""
        if isinstance(self.hubs, OneByOne):
            return self.hubs.keys_of(hub)
        return tuple(key for key, enrolled in self.hubs.items() if enrolled == hub)

    def is_revoked(self, key: str) -> bool:
        """Tell whether nothing counts that comes on a connection opened with this key."""
        return key in self._revoked

    def revoke(self, key: str) -> None:
        """Refuse this key from now on; durable on return."""
        self._write(self._revoked | {key})

    def allow(self, key: str) -> None:
        """Take a revocation back."""
        self._write(self._revoked - {key})

    def _write(self, revoked: set[str]) -> None:
        lines = [f"{key}\n" for key in sorted(revoked)]
        write_durably(self._path, "".join(lines))
        self._revoked = revoked

    def admit(self, key: str) -> Admission:
        """Judge a client's public key."""
        if key in self._revoked:
            return Admission(_DENIED)
        try:
            hub = self.hubs.get(key)
        except OSError:
            return Admission(_COME_AGAIN)
        if hub is None or not HUB_ID.fullmatch(hub):
            self._note(key)
            return Admission(_COME_AGAIN)
        return Admission(_OK, hub)

    def _note(self, key: str) -> None:
        """Tell people of a key that is not let in: once for each hub that had it, or each key."""
        if not isinstance(self.hubs, OneByOne):
            return
        try:
            hub = self.hubs.hub_of_retired(key)
        except OSError:
            return
        if hub is None:
            self._note_unknown(key)
        elif hub not in self.came_with_retired:
            self.came_with_retired.add(hub)
            self._tell(
                f"hub {hub} comes with a key that it has changed since: its state directory is an "
                "older one, or this is a copy of its disk. It is let wait, not refused"
            )

    def _note_unknown(self, key: str) -> None:
        if key in self.unknown or len(self.unknown) >= UNKNOWN_MAX:
            return
        self.unknown[key] = None
        self._tell(
            f"somebody comes with the key {key}, which no hub has. If a hub shows it, and these "
            "files are an older copy: hubsim backend know HUB 'KEY'. It is let wait, not refused"
        )

    def answer(self, request: list[bytes]) -> list[bytes]:
        """Return the reply to one ZAP request, its address envelope already taken off."""
        version, sequence, _domain, _address, _identity, mechanism, *credentials = request
        is_curve = mechanism == b"CURVE" and len(credentials) == 1
        if not is_curve or len(credentials[0]) != _KEY_BYTES:
            return [version, sequence, _DENIED, b"CURVE only", b"", b""]
        key = z85.encode(credentials[0])
        admission = self.admit(key.decode("ascii"))
        metadata = zap_property(KEY_PROPERTY, key) if admission.status == _OK else b""
        return [
            version,
            sequence,
            admission.status,
            b"",
            admission.hub.encode("ascii"),
            metadata,
        ]


def zap_property(name: str, value: bytes) -> bytes:
    """Return one property of ZMTP metadata (ZeroMQ RFC 23)."""
    raw_name = name.encode("ascii")
    name_head = bytes([len(raw_name)])
    value_head = struct.pack(">I", len(value))
    return name_head + raw_name + value_head + value
