"""Small files that outlast a power cut."""

from __future__ import annotations

import os
from pathlib import Path

OWNER_ALONE = 0o600
EVERYBODY = 0o644


def write_durably(path: Path, text: str, mode: int = EVERYBODY) -> None:
    """Replace a file with this text; it is on the disk on return."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
