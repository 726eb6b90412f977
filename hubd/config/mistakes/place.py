"""Where in the configuration file a key stands, as the file's author has written it.

Law: a key is named by the id of its door, device or board, and the number of its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from hubd.config.mistakes.sentences import KeyPath, shortened

_ARRAYS = ("access_points", "movers")
"""The arrays of tables within a door."""
_OWNERS = {"devices": "device", "relay_boards": "board"}
"""Other arrays of tables, and what one of their tables is called."""
_TABLE = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\s-]+?)\s*\]\]?\s*(#.*)?")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=")
_TEXTS_OVER_LINES = ('"""', "'''")
_ORDINALS = ("1st", "2nd", "3rd")


class ConfigPlace:
    """A file that was read as TOML, and its text."""

    def __init__(self, raw: dict[str, Any], text: str) -> None:
        self.raw = raw
        self._text = text

    def key(self, path: Sequence[str]) -> str:
        """Name the key at `path`, with the line where it, or else its table, begins."""
        name = _named(path, self.raw)
        line = self._line(path)
        if not line:
            return name
        return f"line {line}: {name}"

    def value(self, path: Sequence[str]) -> Any:
        """Return the value at `path`, None when there is none."""
        return _value(self.raw, path)

    def _line(self, path: Sequence[str]) -> int:
        """Return the number of the line, 0 where it cannot be told.

        A text over several lines may hold what looks like a key or a table.
        """
        if any(mark in self._text for mark in _TEXTS_OVER_LINES):
            return 0
        lines = dict(_lines(self._text))
        for size in range(len(path), 0, -1):
            line = lines.get(tuple(path[:size]))
            if line is not None:
                return line
        return 0


def _lines(text: str) -> Iterator[tuple[KeyPath, int]]:
    """Yield (path, number of the line) for each table and key that begins a line."""
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _TABLE.fullmatch(line):
            table = _table(header, counts)
            yield table, number
        elif key := _KEY.match(line):
            yield (*table, *_dotted(key[1])), number


def _dotted(name: str) -> KeyPath:
    return tuple(part.strip() for part in name.split("."))


def _table(header: re.Match[str], counts: dict[KeyPath, int]) -> KeyPath:
    """Return the path of the table that a header opens; `counts` has the tables of each array."""
    path: KeyPath = ()
    *outer, last = _dotted(header[2])
    for part in outer:
        path = (*path, part)
        if path in counts:
            path = (*path, f"[{counts[path] - 1}]")
    path = (*path, last)
    if header[1] != "[[":
        return path
    index = counts.get(path, 0)
    counts[path] = index + 1
    return (*path, f"[{index}]")


def _named(path: Sequence[str], raw: Any) -> str:
    """Name a key by its door, or by its tables."""
    match path:
        case ["doors", item, *below]:
            return _named_in_door(item, below, raw)
        case [array, item, *below] if array in _OWNERS:
            return _named_in_table(array, item, below, raw)
    return f"key {dotted(path)}"


def _named_in_door(item: str, below: Sequence[str], raw: Any) -> str:
    """Name a key of a door: `item` is the door's place in the array, `below` the way from there."""
    owner = f"the {_ordinal(item)} [[doors]]"
    identity = _value(raw, ["doors", item, "id"])
    if isinstance(identity, str):
        owner = f"door {shortened(repr(identity))}"
    if len(below) > 1 and below[0] in _ARRAYS:
        array, number, *below = below
        owner = f"the {_ordinal(number)} [[doors.{array}]] of {owner}"
    if not below:
        return owner
    return f"key {dotted(below)} of {owner}"


def _named_in_table(array: str, item: str, below: Sequence[str], raw: Any) -> str:
    """Name a key of a device or a board by the id of that."""
    owner = f"the {_ordinal(item)} [[{array}]]"
    identity = _value(raw, [array, item, "id"])
    if isinstance(identity, str):
        owner = f"{_OWNERS[array]} {shortened(repr(identity))}"
    return f"key {dotted(below)} of {owner}" if below else owner


def _ordinal(item: str) -> str:
    index = int(item.strip("[]"))
    return _ORDINALS[index] if index < len(_ORDINALS) else f"{index + 1}th"


def dotted(path: Sequence[str]) -> str:
    """Return a path as TOML writes it, printable, without the places in arrays."""
    text = ".".join(part for part in path if not part.startswith("["))
    return text if text.isprintable() else ascii(text)


def _value(raw: Any, path: Sequence[str]) -> Any:
    for part in path:
        try:
            raw = raw[_toml_key(part)]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return raw


def _toml_key(part: str) -> int | str:
    """Return a part of a path as the index of an array, or else as the key of a table."""
    if part.startswith("["):
        return int(part[1:-1])
    return part
