"""A door as it was typed: which one is meant, and which one probably was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from hubctl.answers import ask
from hubctl.client import NoAnswer
from hubctl.table import near
from hubterm.ending import end_with_error
from hubterm.text import clean

KEYS = ("id", "name")
"""By what a door may be called."""

Doors = Iterable[Mapping[str, Any]]


def id_of(word: str, doors: Doors) -> str | None:
    """Return the id of the door that is called so, by its id first; None when none is."""
    known = list(doors)
    for key in KEYS:
        for door in known:
            if door.get(key) == word:
                return str(door.get("id"))
    return None


def no_such_door(word: str, doors: Doors, as_json: bool) -> NoReturn:
    """End hubctl with the door that was probably meant."""
    hint = _meant(word, doors) or " See: hubctl doors"
    end_with_error("unknown-door", f"There is no door {clean(word)}.{hint}", as_json)


def did_you_mean(path: Path, word: str) -> str:
    """Return a sentence after a blank; nothing when the word is a door, or when none is near."""
    try:
        return _meant(word, ask(path, "doors")["doors"])
    except NoAnswer:
        return ""


def _meant(word: str, doors: Doors) -> str:
    known = {str(door.get(key)) for door in doors for key in KEYS}
    meant = None if word in known else near(word, known)
    return "" if meant is None else f" Did you mean {clean(meant)}?"
