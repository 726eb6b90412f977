"""The book of enrolments: a file with one entry a hub, durable before anybody hears of it.

Laws:
1. Of a token the book has a digest alone.
2. A token is for one hub. The first keys that come with it are its keys, for good: the same hub may
   ask again, nobody else.
3. A token that nobody used ends after TOKEN_SECONDS. One that was used waits for its operator.
4. A hub has one entry: a new token takes the place of an older one.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from zmq.utils import z85

from hubcore.backend.enrolment.messages import fingerprint
from hubcore.backend.enrolment.token import TOKEN_SECONDS
from hubsim.durable import write_durably

Write = Callable[[Path, str], None]
"""Puts a text into a file, durable on return."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a hub was promised; `names` are those of its doors, by access point.

    `digest`, `identity` (COSE_Key), `tls_key` (SubjectPublicKeyInfo) and the certificates are
    hexadecimal, `curve` is Z85. They are "" until they are known.
    """

    hub: str
    digest: str
    ends: float
    time_zone: str
    names: Mapping[str, str]
    replaces: bool = False
    identity: str = ""
    curve: str = ""
    tls_key: str = ""
    certificate: str = ""
    tls_certificate: str = ""
    refused: bool = False

    @property
    def points(self) -> tuple[int, ...]:
        """Its access points."""
        return tuple(sorted(map(int, self.names)))

    @property
    def fingerprint(self) -> str:
        """Of the keys that asked, "" when none did."""
        if not self.identity:
            return ""
        return fingerprint(
            bytes.fromhex(self.identity), z85.decode(self.curve), bytes.fromhex(self.tls_key)
        )


class Book:
    """The entries, by hub; each change is on the disk on return."""

    def __init__(self, path: Path, write: Write = write_durably) -> None:
        self._path = path
        self._write_file = write
        self._entries: dict[str, Entry] = {}
        if path.exists():
            rows: dict[str, Any] = json.loads(path.read_text("utf-8"))
            self._entries = {hub: Entry(**row) for hub, row in rows.items()}

    @property
    def entries(self) -> Mapping[str, Entry]:
        """All of them, by hub."""
        return self._entries

    def promise(self, entry: Entry) -> None:
        """Take a new entry, in the place of an older one of that hub."""
        self._write({**self._entries, entry.hub: entry})

    def entry_of(self, digest: bytes, now: float) -> Entry | None:
        """Return the entry of a token, None for one that is unknown or has ended."""
        wanted = digest.hex()
        for entry in self._entries.values():
            if hmac.compare_digest(entry.digest, wanted):
                is_over = not entry.identity and now >= entry.ends
                return None if is_over else entry
        return None

    def bind(self, entry: Entry, identity: bytes, curve: str, tls_key: bytes) -> Entry:
        """Let a token be that of these keys from now on."""
        bound = replace(entry, identity=identity.hex(), curve=curve, tls_key=tls_key.hex())
        self.promise(bound)
        return bound

    def approve(self, hub: str, certificate: bytes, tls_certificate: bytes) -> Entry:
        """Note the certificates of a hub. Raise KeyError."""
        approved = replace(
            self._entries[hub],
            certificate=certificate.hex(),
            tls_certificate=tls_certificate.hex(),
            refused=False,
        )
        self.promise(approved)
        return approved

    def refuse(self, hub: str) -> None:
        """Give this hub nothing; its token is of no use any more. Raise ValueError."""
        if hub not in self._entries:
            raise ValueError(f"hub {hub} has no token")
        self.promise(replace(self._entries[hub], refused=True))

    def forget(self, hub: str) -> None:
        """Remove a hub's entry, if there is one."""
        if hub in self._entries:
            rest = {other: entry for other, entry in self._entries.items() if other != hub}
            self._write(rest)

    def _write(self, entries: dict[str, Entry]) -> None:
        rows = {hub: asdict(entry) for hub, entry in entries.items()}
        self._write_file(self._path, json.dumps(rows, indent=1))
        self._entries = entries


def new_entry(
    hub: str,
    digest: bytes,
    now: float,
    names: Mapping[int, str],
    time_zone: str,
    replaces: bool,
) -> Entry:
    """Return the entry of a token that was made now."""
    return Entry(
        hub=hub,
        digest=digest.hex(),
        ends=now + TOKEN_SECONDS,
        time_zone=time_zone,
        names={str(point): name for point, name in names.items()},
        replaces=replaces,
    )
