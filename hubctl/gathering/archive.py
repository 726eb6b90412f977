"""Packs the parts of a bug report: the index first, then each part that says something.

Law: whoever unpacks it gets plain files in one folder, for this user alone.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from typing import BinaryIO

from hubcore.timing.moment import show_seconds
from hubctl.gathering.collecting import Part

FOLDER = "hubd-bugreport"
INDEX = "INDEX.txt"
PROMISE = """\
Left out: keys, tokens and passwords; names of doors and devices; ids and addresses of persons and
phones; records of the evidence; the environment. Look it through before you send it: you know
better than a program what is secret here.
"""


def index(parts: Sequence[Part], at: float) -> str:
    """Return what is in the report, and what could not be seen."""
    lines = [f"Bug report of an access hub, {show_seconds(at)}", "", PROMISE, "What is in it:"]
    for part in parts:
        if part.text:
            lines.append(f"  {part.file:<18} {part.says}; {len(part.text.encode())} bytes")
    troubled = [part for part in parts if part.trouble]
    if troubled:
        lines += ["", "What could not be seen, or not whole:"]
        lines += [f"  {part.file:<18} {part.trouble}" for part in troubled]
    return "\n".join([*lines, ""])


def write(file: BinaryIO, parts: Sequence[Part], at: float) -> None:
    """Write the archive. Raise OSError."""
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        _add(archive, INDEX, index(parts, at), at)
        for part in parts:
            if part.text:
                _add(archive, part.file, f"{part.text}\n", at)


def _add(archive: tarfile.TarFile, name: str, text: str, at: float) -> None:
    encoded = text.encode(errors="backslashreplace")
    member = tarfile.TarInfo(f"{FOLDER}/{name}")
    member.size = len(encoded)
    member.mtime = int(at)
    member.mode = 0o600
    archive.addfile(member, io.BytesIO(encoded))
