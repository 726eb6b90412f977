"""The mode of a key's file, as far as this process can see it."""

from __future__ import annotations

import stat
from pathlib import Path


def mode_of(path: Path) -> int | None:
    """Return the bits of permission; None where the file cannot be seen."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
