"""A policy in a folder, for a stick: the names of its files.

1. `policy.root` is the signed root.
2. `pieces/` has a file for each piece of its trees. Its name is the piece's, in hexadecimal, and
   `.piece`; its bytes are the piece.

So a change of the policy changes the root, and adds the pieces that are new. Files of other names
mean nothing. A folder is believed in nothing: root and pieces prove themselves at the hub.
"""

from __future__ import annotations

ROOT_FILE = "policy.root"
PIECES_FOLDER = "pieces"
PIECE_SUFFIX = ".piece"
HANDFUL = 16
"""Pieces that a tool brings to the hub at once: a MiB at most."""


def piece_file(name: bytes) -> str:
    """Return the name of the file of a piece."""
    return name.hex() + PIECE_SUFFIX
