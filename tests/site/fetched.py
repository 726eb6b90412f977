"""Modules of Node.js that tests need, fetched once by a script of `.ci`."""

from __future__ import annotations

import fcntl
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

_SCRIPTS = Path(__file__).parents[2] / ".ci"
_SECONDS = 600


@lru_cache
def fetched(script: str) -> Path | None:
    """Return the folder that a script has made; None where it cannot."""
    lock = Path(tempfile.gettempdir()) / f"hubd-{script}.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # two that fetch at once would remove each other's
        done = subprocess.run([_SCRIPTS / script], capture_output=True, text=True, timeout=_SECONDS)
    return Path(done.stdout.strip()) if done.returncode == 0 else None
