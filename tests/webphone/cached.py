"""Writes `cached.js`, the list of files that the page's service worker keeps, and their version.

    python -m tests.webphone.cached

The version is a hash of all these files: a change of any of them is a new version. A test compares.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.webphone.server import STATIC

CACHED = STATIC / "cached.js"
NOT_KEPT = ("cached.js", "worker.js", "offers.json")
"""The browser keeps the worker's own scripts by itself, and the server says what it offers."""
VERSION_LETTERS = 16


def kept(folder: Path = STATIC) -> list[Path]:
    """Return the files of the page that its worker keeps."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if path.name not in NOT_KEPT]


def text(folder: Path = STATIC) -> str:
    """Return what `cached.js` has to be."""
    digest = hashlib.sha256()
    names = []
    for path in kept(folder):
        name = path.relative_to(folder).as_posix()
        names.append(f'  "{name}",\n')
        digest.update(hashlib.sha256(name.encode()).digest())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    version = digest.hexdigest()[:VERSION_LETTERS]
    return (
        "/**\n * What the service worker keeps, and the version of it: a hash of these files.\n *\n"
        " * Written by `python -m tests.webphone.cached`.\n */\n\n"
        f'export const VERSION = "{version}";\n\n'
        f"export const FILES = [\n{''.join(names)}];\n"
    )


if __name__ == "__main__":
    CACHED.write_text(text())
