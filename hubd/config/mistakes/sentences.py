"""How a wrong value is shown to an installer: printable, short, and no character in disguise.

Laws:
1. Nothing of the file reaches a terminal unescaped or at length.
2. A character that looks like another one is named.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

CREDENTIAL = "credential:"
"""How the place of a key begins that systemd hands over; sentences about it begin so, too."""
KeyPath = tuple[str, ...]
"""The way to a key of the file: ("doors", "[0]", "strike")."""

_FOUND_CHARS_MAX = 60


class WrongValueError(Exception):
    """A value that its type alone cannot refuse; `path` is that of its key."""

    def __init__(self, path: KeyPath, expected: str, found: str) -> None:
        super().__init__(path, expected, found)
        self.path = path
        self.expected = expected
        self.found = found


def show(value: Any) -> str:
    """Return what was found, printable and short; names the first character that is not ASCII."""
    match value:
        case dict():
            return "a table"
        case bool():
            return str(value).lower()
        case str():
            return shortened(repr(value)) + strange_character(value)
    return shortened(repr(value))


def shortened(text: str) -> str:
    """Cut a text that is too long for a sentence."""
    if len(text) <= _FOUND_CHARS_MAX:
        return text
    return text[:_FOUND_CHARS_MAX] + "..."


def strange_character(text: str) -> str:
    """Name the first character that is not ASCII, since many look like one that is; '' if none."""
    for number, character in enumerate(text, 1):
        if not character.isascii():
            return f", of which character {number} is {_character_name(character)}"
    return ""


def _character_name(character: str) -> str:
    """Return the name and number that Unicode gives a character."""
    name = unicodedata.name(character, "a character without a name")
    return f"{name} (U+{ord(character):04X})"


def toml_trouble(message: str, text: str) -> str:
    """Return what tomllib said about `text`, with the name of a character that is hard to see."""
    found = re.search(r"at line (\d+), column (\d+)", message)
    if found is None:
        return message
    line = int(found[1])
    column = int(found[2])
    shown = text.replace("\r\n", "\n").split("\n")[line - 1]
    for at in (column - 1, *range(len(shown))):
        if at < len(shown) and not shown[at].isascii():
            name = _character_name(shown[at])
            return f"{message}; line {line}, column {at + 1} holds {name}: type plain ASCII there"
    return message
