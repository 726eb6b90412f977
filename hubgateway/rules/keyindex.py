"""Which keys each hub is enrolled with, by what the bucket of keys says.

Law: a hub has a row only while it has a key.
"""

from __future__ import annotations

from hubgateway.rules.names import Standing, read_entry


class KeyIndex:
    """Hears of each change of the bucket of keys."""

    def __init__(self) -> None:
        self._hub_of: dict[str, str] = {}
        self._keys_of: dict[str, set[str]] = {}

    def of(self, hub: str) -> frozenset[str]:
        """Return the keys that a hub is enrolled with."""
        return frozenset(self._keys_of.get(hub, ()))

    def changed(self, key: str, value: bytes | None) -> None:
        """A key has this row now, None for no row."""
        before = self._hub_of.pop(key, None)
        if before is not None:
            self._keys_of[before].discard(key)
            if not self._keys_of[before]:
                del self._keys_of[before]
        entry = None if value is None else read_entry(value)
        if entry is not None and entry.standing is Standing.ENROLLED:
            self._hub_of[key] = entry.hub
            self._keys_of.setdefault(entry.hub, set()).add(key)
