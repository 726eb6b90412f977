"""The book of promises: a file with one a hub, durable before anybody hears of it.

Law: a hub has one promise; a new token takes the place of an older one.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hubcore.backend.enrolment.messages import Ask
from hubcore.backend.enrolment.promise import Promise, Signed
from hubsim.durable import write_durably

Write = Callable[[Path, str], None]
"""Puts a text into a file, durable on return."""


class Book:
    """The entries, by hub; each change is on the disk on return."""

    def __init__(self, path: Path, write: Write = write_durably) -> None:
        self._path = path
        self._write_file = write
        self._entries: dict[str, Promise] = {}
        if path.exists():
            rows: dict[str, Any] = json.loads(path.read_text("utf-8"))
            self._entries = {hub: Promise(**row) for hub, row in rows.items()}

    @property
    def entries(self) -> Mapping[str, Promise]:
        """All of them, by hub."""
        return self._entries

    def promise(self, entry: Promise) -> None:
        """Take a new promise, in the place of an older one of that hub."""
        self._write({**self._entries, entry.hub: entry})

    def entry_of(self, digest: bytes) -> Promise | None:
        """Return the promise of a token, None for one that is unknown."""
        wanted = digest.hex()
        for entry in self._entries.values():
            if hmac.compare_digest(entry.digest, wanted):
                return entry
        return None

    def bind(self, entry: Promise, ask: Ask, curve: bytes) -> None:
        """Let a token be that of these keys from now on."""
        self.promise(entry.bound_to(ask, curve))

    def approve(self, hub: str, signed: Signed) -> Promise:
        """Note the certificates of a hub. Raise KeyError."""
        approved = self._entries[hub].approved(signed)
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

    def _write(self, entries: dict[str, Promise]) -> None:
        rows = {hub: asdict(entry) for hub, entry in entries.items()}
        self._write_file(self._path, json.dumps(rows, indent=1))
        self._entries = entries
