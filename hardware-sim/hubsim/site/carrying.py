"""The newest policy on its way to a hub without a backend: written to a stick.

Laws:
1. In a folder the pieces come first and the root last, each file whole before it has its name. So a
   stick that is pulled out too early holds the old policy, or the new one.
2. What is there already is not written again. Pieces that the new root does not have go at the end.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hubcore.policy.document import split
from hubcore.policy.onstick import PIECE_SUFFIX, PIECES_FOLDER, ROOT_FILE, piece_file
from hubcore.policy.tree import HASH_BYTES, hash_node


@dataclass(frozen=True, slots=True)
class Carried:
    """What was written: pieces in all, new ones among them, and old ones that went."""

    pieces: int
    new: int
    gone: int


def write_policy_file(document: bytes, path: Path) -> None:
    """Write a policy into one file. Raise OSError."""
    _write(path, document)
    _sync(path.parent)


def write_policy_folder(document: bytes, folder: Path) -> Carried:
    """Write a policy into a folder, or make an older one there the newer. Raise OSError.

    A piece that could be one of an index, which is a list of hashes, is there under that name, too.
    """
    brought = split(document)
    files = {
        piece_file(name): piece
        for name, piece in brought.pieces.items()
        if name != hash_node(piece) or len(piece) % HASH_BYTES == 0
    }
    pieces = folder / PIECES_FOLDER
    pieces.mkdir(parents=True, exist_ok=True)
    new = _write_missing(pieces, files)
    _sync(pieces)
    _write(folder / ROOT_FILE, brought.root)
    _sync(folder)
    return Carried(len(files), new, _remove_others(pieces, files))


def _write_missing(folder: Path, files: Mapping[str, bytes]) -> int:
    new = 0
    for name, data in files.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != data:
            _write(path, data)
            new += 1
    return new


def _remove_others(folder: Path, files: Mapping[str, bytes]) -> int:
    others = [path for path in folder.glob(f"*{PIECE_SUFFIX}") if path.name not in files]
    for path in others:
        path.unlink()
    return len(others)


def _write(path: Path, data: bytes) -> None:
    unfinished = path.with_name(path.name + ".new")
    with unfinished.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
