"""Which bridges a gateway knows, and which connection speaks as each.

Laws:
1. A bridge speaks if the directory has its name with its very key, and the list of ends has not
   that key. What cannot be read, and a directory that is away, admits nobody.
2. A bridge has one session: its newest connection. The one before is cut.
3. A certificate that has ended admits nobody: a bridge's is renewed by people.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from hubgateway.rules.names import Standing

_VALUE = re.compile(r"(enrolled|revoked) ([0-9a-f]{64})")
SESSIONS_MAX = 1024


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
