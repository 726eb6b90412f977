"""What a site's cache of updates shows of itself, for `hubctl update cache` and the doctor.

Laws:
1. The file is there whole, or the one before is.
2. Since when it fails, and when it was brought up to date last, outlast the program: each look is
   a program of its own, and reads them from the file before.
3. A file before that cannot be read counts as none. A board that cannot be written stops no look.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hubcore.errors import ExpiredError, HubError, LinkError, StoreError, TrustError
from hubcore.update.running.board import BYTES_MAX
from hubupdate.mirror.mirror import Mirrored

SCHEMA = 1
_KINDS: tuple[tuple[type[HubError], str], ...] = (
    (ExpiredError, "expired"),
    (TrustError, "trust"),
    (LinkError, "link"),
    (StoreError, "store"),
)


class CacheBoard:
    """Writes `file`; moments are Unix seconds."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def fresh(self, mirrored: Mirrored, lists_end: float | None, at: float) -> None:
        """The folder is up to date."""
        self._write(
            {
                "schema": SCHEMA,
                "at": at,
                "said": "the folder is up to date",
                "error": None,
                "failing_since": None,
                "fresh_at": at,
                "lists_end": lists_end,
                "plans": mirrored.plans,
                "images": mirrored.images,
            }
        )

    def failed(self, error: HubError, at: float) -> None:
        """This look came to nothing; the folder gives out what it had."""
        before = self._before()
        kinds = [kind for class_, kind in _KINDS if isinstance(error, class_)]
        since = before.get("failing_since")
        self._write(
            {
                "schema": SCHEMA,
                "at": at,
                "said": str(error),
                "error": kinds[0] if kinds else "other",
                "failing_since": at if since is None else since,
                "fresh_at": before.get("fresh_at"),
                "lists_end": before.get("lists_end"),
                "plans": before.get("plans"),
                "images": before.get("images"),
            }
        )

    def _before(self) -> Mapping[str, Any]:
        try:
            with open(self._file, "rb") as file:
                found = json.loads(file.read(BYTES_MAX))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, document: Mapping[str, Any]) -> None:
        fresh = self._file.with_suffix(".new")
        with suppress(OSError):
            fresh.write_text(json.dumps(document) + "\n", encoding="utf-8")
            fresh.chmod(0o644)
            os.replace(fresh, self._file)
