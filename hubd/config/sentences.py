"""What an installer reads when a key is wrong: the key, what was expected, what was found, in one
line.

Laws: what was expected stands once, beside the type in `hubd.config.file` (`Meta.description`).
Nothing of the file reaches a terminal unescaped or at length. A key is named as the file has it, by
the id of its door and the number of its line. A character that looks like another one is told by
its name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, get_args, get_type_hints

from msgspec import Meta, Struct

_FOUND_CHARS_MAX = 60
_ARRAYS = ("access_points", "movers")
"""The arrays of tables within a door."""
_HINT = "credential:"


class WrongValueError(Exception):
    """A value that its type alone cannot refuse: the path of its key, what was expected, what was
    found.
    """

    def __init__(self, path: Sequence[str], expected: str, found: str) -> None:
        super().__init__(path, expected, found)
        self.path = path
        self.expected = expected
        self.found = found


def show(value: Any) -> str:
    """Return what was found, printable and short; with the name of the first character that is none
    of ASCII.
    """
    if isinstance(value, dict):
        return "a table"
    text = _short(str(value).lower() if isinstance(value, bool) else repr(value))
    return text + (_strange(value) if isinstance(value, str) else "")


def _short(text: str) -> str:
    return text if len(text) <= _FOUND_CHARS_MAX else text[:_FOUND_CHARS_MAX] + "..."


def character_name(character: str) -> str:
    """Return the name and number that Unicode gives a character."""
    return f"{unicodedata.name(character, 'a character without a name')} (U+{ord(character):04X})"


def _strange(text: str) -> str:
    """Name the first character of a text that is none of ASCII: many of them look like one
    that is.
    """
    for number, character in enumerate(text, 1):
        if not character.isascii():
            return f", of which character {number} is {character_name(character)}"
    return ""


def toml_trouble(message: str, text: str) -> str:
    """Return what tomllib said about `text`, with the name of a character there that a person may
    not see.
    """
    found = re.search(r"at line (\d+), column (\d+)", message)
    if found is None:
        return message
    line = int(found[1])
    column = int(found[2])
    there = text.replace("\r\n", "\n").split("\n")[line - 1]
    for at in (column - 1, *range(len(there))):
        if at < len(there) and not there[at].isascii():
            name = character_name(there[at])
            return f"{message}; line {line}, column {at + 1} holds {name}: type plain ASCII there"
    return message


_TABLE = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\s-]+?)\s*\]\]?\s*(#.*)?")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=")
_ORDINALS = ("1st", "2nd", "3rd")
_DOORS = 0
_ITEM = 1
"""Where in the path of a door's key the name of the array stands, and which door it is."""


class ConfigPlace:
    """A file that was read as TOML: says where in it a key stands, as its author has written it."""

    def __init__(self, raw: dict[str, Any], text: str) -> None:
        self.raw = raw
        self._text = text

    def key(self, path: Sequence[str]) -> str:
        """Name the key at `path`, such as ("doors", "[0]", "strike"), with the line where it or its
        table begins.
        """
        line = self._line(path)
        return f"line {line}: {_named(path, self.raw)}" if line else _named(path, self.raw)

    def value(self, path: Sequence[str]) -> Any:
        """Return the value at `path`, None when there is none."""
        return _value(self.raw, path)

    def _line(self, path: Sequence[str]) -> int:
        """Return the number of the line, 0 where it cannot be told."""
        if (
            '"""' in self._text or "'''" in self._text
        ):  # text over several lines may look like anything
            return 0
        known = dict(_lines(self._text))
        for size in range(len(path), 0, -1):
            if tuple(path[:size]) in known:
                return known[tuple(path[:size])]
        return 0


def _lines(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield (path, number of the line) for each table and key that begins a line."""
    counts: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _TABLE.fullmatch(line):
            table = _table(header, counts)
            yield table, number
        elif key := _KEY.match(line):
            yield (*table, *_dotted(key[1])), number


def _dotted(name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in name.split("."))


def _table(header: re.Match[str], counts: dict[tuple[str, ...], int]) -> tuple[str, ...]:
    """Return the path of the table that a header opens; `counts` knows how many tables each array
    has had.
    """
    path: tuple[str, ...] = ()
    *outer, last = _dotted(header[2])
    for part in outer:
        path = (*path, part)
        if path in counts:
            path = (*path, f"[{counts[path] - 1}]")
    path = (*path, last)
    if header[1] == "[[":
        counts[path] = counts.get(path, 0) + 1
        path = (*path, f"[{counts[path] - 1}]")
    return path


def _named(path: Sequence[str], raw: Any) -> str:
    """Name a key by its door, or by its tables."""
    if len(path) < 2 or path[_DOORS] != "doors":
        return f"key {_joined(path)}"
    identity = _value(raw, [*path[:2], "id"])
    door = f"the {_ordinal(path[_ITEM])} [[doors]]"
    if isinstance(identity, str):
        door = f"door {_short(repr(identity))}"
    rest = list(path[2:])
    if len(rest) > 1 and rest[0] in _ARRAYS:
        door = f"the {_ordinal(rest[1])} [[doors.{rest[0]}]] of {door}"
        rest = rest[2:]
    return f"key {_joined(rest)} of {door}" if rest else door


def _ordinal(item: str) -> str:
    index = int(item.strip("[]"))
    return _ORDINALS[index] if index < len(_ORDINALS) else f"{index + 1}th"


def explain(message: str, root: type[Struct], place: ConfigPlace) -> str:
    """Turn msgspec's message about a file, which should have become a `root`, into the installer's
    sentence.
    """
    reason, _, where = message.partition(" - at `$")
    path = _split(where.rstrip("`"))
    if found := re.fullmatch(
        r"Object (contains unknown|missing required) field `(.*)`", reason, re.DOTALL
    ):
        kind, field = found.groups()
        key = place.key([*path, field])
        if kind == "contains unknown":
            known = ", ".join(_keys(_struct(root, path, place)))
            return f"{key}: expected one of {known}, found this unknown key{_strange(field)}"
        return (
            f"{key}: expected "
            f"{_description(root, [*path, field], place) or 'it to be there'}, found nothing"
        )
    # an item is told by its array
    field_path = path[:-1] if path and path[-1].startswith("[") else path
    expected = reason if reason.startswith(_HINT) else _description(root, field_path, place)
    return (
        f"{place.key(path)}: expected {expected or _plain(reason)}, found {show(place.value(path))}"
    )


def _split(path: str) -> list[str]:
    """`.doors[1].name` as ["doors", "[1]", "name"]."""
    return [part for part in path.replace("[", ".[").split(".") if part]


def _joined(path: Sequence[str]) -> str:
    text = ".".join(part for part in path if not part.startswith("["))
    return text if text.isprintable() else ascii(text)


def _plain(reason: str) -> str:
    """What msgspec expected, in TOML's words: ``Expected `bool`, got `str` `` becomes `true or
    false`.
    """
    names = {
        "bool": "true or false",
        "object": "a table",
        "array": "an array",
        "int": "a whole number",
    }
    found = re.match(r"Expected `(\w+)`", reason)
    return names.get(found[1], reason) if found else reason


def _annotation(root: type[Struct], path: Sequence[str], place: ConfigPlace) -> Any:
    """The annotation of the field that `path` names, None when there is none."""
    here: Any = root
    for depth, part in enumerate(path):
        if part.startswith("["):
            here = next(iter(_inner(here, tuple)), None)
        else:
            struct = _one_of(_inner(here, Struct), place.value(path[:depth]))
            known = struct is not None and part in struct.__struct_fields__
            here = get_type_hints(struct, include_extras=True)[part] if known else None
        if here is None:
            return None
    return here


def _inner(annotation: Any, kind: type) -> list[Any]:
    """Look through Annotated and unions: the struct types in `annotation`, or the item types of its
    tuples.
    """
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return [annotation] if kind is Struct else []
    arguments = get_args(annotation)
    if getattr(annotation, "__origin__", None) is tuple:
        return [arguments[0]] if kind is tuple else []
    return [found for argument in arguments for found in _inner(argument, kind)]


def _structs(root: type[Struct], path: Sequence[str], place: ConfigPlace) -> list[Any]:
    """All struct types that a table at `path` may be read as."""
    return _inner(_annotation(root, path, place), Struct)


def _struct(root: type[Struct], path: Sequence[str], place: ConfigPlace) -> Any:
    return _one_of(_structs(root, path, place), place.value(path))


def _one_of(structs: Sequence[Any], table: Any) -> Any:
    """Return the kind that a table says it is, or else the first that it may be; None when there is
    none.
    """
    for struct in structs:
        tag = struct.__struct_config__
        if tag.tag_field and isinstance(table, dict) and table.get(tag.tag_field) == tag.tag:
            return struct
    return next(iter(structs), None)


def _keys(struct: Any) -> tuple[str, ...]:
    """All keys that a table of this type may have; first the one that says of which kind it is."""
    if struct is None:
        return ()
    tag_field = struct.__struct_config__.tag_field
    return (*([tag_field] if tag_field else []), *struct.__struct_fields__)


def _description(root: type[Struct], path: Sequence[str], place: ConfigPlace) -> str | None:
    """What `Meta.description` says about the field; a kind is told by all there are, a table by its
    header.
    """
    annotation = _annotation(root, path, place)
    for kind in (annotation, *get_args(annotation)):
        for mark in getattr(kind, "__metadata__", ()):
            if isinstance(mark, Meta) and mark.description:
                return mark.description
    if annotation is None and path:
        return _kinds(_structs(root, path[:-1], place), path[-1])
    return f"a table [{path[-1]}]" if _struct(root, path, place) is not None else None


def _kinds(structs: Sequence[Any], key: str) -> str | None:
    """Name the kinds to choose from, if `key` is the one that says of which kind a table is."""
    names = [
        f'"{struct.__struct_config__.tag}"'
        for struct in structs
        if struct.__struct_config__.tag_field == key
    ]
    return " or ".join(", ".join(names).rsplit(", ", 1)) or None


def _value(raw: Any, path: Sequence[str]) -> Any:
    for part in path:
        try:
            raw = raw[int(part[1:-1])] if part.startswith("[") else raw[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return raw
