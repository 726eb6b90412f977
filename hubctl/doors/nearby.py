"""The door that was probably meant, for a word that means none."""

from __future__ import annotations

from pathlib import Path

from hubctl.answers import ask
from hubctl.client import NoAnswer
from hubctl.table import near
from hubterm.text import clean


def did_you_mean(path: Path, word: str) -> str:
    """Return a sentence after a blank; nothing when the word is a door, or when none is near."""
    try:
        doors = ask(path, "doors")["doors"]
    except NoAnswer:
        return ""
    known = {str(door.get(key)) for door in doors for key in ("id", "name")}
    meant = None if word in known else near(word, known)
    return "" if meant is None else f" Did you mean {clean(meant)}?"
