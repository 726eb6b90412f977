"""What the program shows of itself: one JSON file, which `hubctl update` reads.

Laws:
1. The file is there whole, or the one before is.
2. It names no person and no key. A digest and a version are no secrets.
3. A board that cannot be written stops no update.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubcore.update.image import Image
from hubcore.update.slots import Slots

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Shown:
    """What was found last; moments in Unix seconds."""

    at: float
    next_at: float
    said: str
    """What came of the last step, in words."""
    error: str = ""
    """Which kind of error it was: `expired`, `link`, `store`, `trust`; empty for none."""
    failing_since: float | None = None
    looked_at: float | None = None
    """When both repositories agreed last."""
    withdrawn: bool | None = None
    """The version that runs is not on the list of images; None: not known."""
    held: bool = False
    """A person holds it."""
    held_by_plan: bool = False
    lists_end: float | None = None
    """When the first of the proven lists ends; None: not known."""


class Board:
    """Writes `file`."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def show(self, slots: Slots | None, shown: Shown) -> None:
        """Write it."""
        document = {"schema": SCHEMA, **_of_slots(slots), **_of_shown(shown)}
        fresh = self._file.with_suffix(".new")
        with suppress(OSError):
            fresh.write_text(json.dumps(document) + "\n", encoding="utf-8")
            fresh.chmod(0o644)
            os.replace(fresh, self._file)


def _of_slots(slots: Slots | None) -> dict[str, Any]:
    if slots is None:
        return {"phase": None}
    doubt = slots.doubt
    return {
        "phase": str(slots.phase),
        "slot": str(slots.well),
        "starts": slots.starts,
        "running": _image(slots.running),
        "other": None if slots.other is None else _image(slots.other),
        "by_person": slots.by_person,
        "quarantine": [digest.hex() for digest in slots.quarantine],
        "doubt": None if doubt is None else {"digest": doubt.digest.hex(), "trials": doubt.trials},
    }


def _image(image: Image) -> dict[str, Any]:
    return {"name": image.name, "version": image.version, "digest": image.digest.hex()}


def _of_shown(shown: Shown) -> dict[str, Any]:
    return {
        "at": shown.at,
        "next_at": shown.next_at,
        "said": shown.said,
        "error": shown.error or None,
        "failing_since": shown.failing_since,
        "looked_at": shown.looked_at,
        "withdrawn": shown.withdrawn,
        "held": shown.held,
        "held_by_plan": shown.held_by_plan,
        "lists_end": shown.lists_end,
    }
