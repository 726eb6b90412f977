"""Turns what msgspec says about a wrong key into the installer's sentence.

Law: what was expected stands once, beside the type of the key (`Meta.description`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, get_args, get_type_hints

from msgspec import Meta, Struct

from hubd.config.mistakes.place import ConfigPlace
from hubd.config.mistakes.sentences import CREDENTIAL, show, strange_character

_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_OF_TYPE = re.compile(r"Expected `(\w+)`")
_WORDS_OF_TOML = {
    "bool": "true or false",
    "object": "a table",
    "array": "an array",
    "int": "a whole number",
}


def explain(message: str, root: type[Struct], place: ConfigPlace) -> str:
    """Return the sentence for msgspec's `message` about a file that should be a `root`."""
    reason, _, where = message.partition(" - at `$")
    path = _split(where.rstrip("`"))
    types = _Types(root, place)
    if unknown := _UNKNOWN.fullmatch(reason):
        key = unknown[1]
        known = ", ".join(_keys(types.table(path)))
        found = f"found this unknown key{strange_character(key)}"
        return f"{place.key([*path, key])}: expected one of {known}, {found}"
    if missing := _MISSING.fullmatch(reason):
        absent = [*path, missing[1]]
        expected = types.description(absent) or "it to be there"
        return f"{place.key(absent)}: expected {expected}, found nothing"
    expected = _expected(reason, path, types)
    return f"{place.key(path)}: expected {expected}, found {show(place.value(path))}"


def _expected(reason: str, path: Sequence[str], types: _Types) -> str:
    """Return what was expected of a value; an item is described by its array."""
    if reason.startswith(CREDENTIAL):
        return reason
    of_array = bool(path) and path[-1].startswith("[")
    field = path[:-1] if of_array else path
    return types.description(field) or _plain(reason)


def _plain(reason: str) -> str:
    """Return msgspec's reason in TOML's words: ``Expected `bool`, …`` becomes `true or false`."""
    found = _OF_TYPE.match(reason)
    if found is None:
        return reason
    return _WORDS_OF_TOML.get(found[1], reason)


def _split(path: str) -> list[str]:
    """`.doors[1].name` as ["doors", "[1]", "name"]."""
    parts = path.replace("[", ".[").split(".")
    return [part for part in parts if part]


class _Types:
    """The types that the tables and keys of a file should have."""

    def __init__(self, root: type[Struct], place: ConfigPlace) -> None:
        self._root = root
        self._place = place

    def table(self, path: Sequence[str]) -> Any:
        """Return the type of the table at `path`; None when there is none."""
        return _one_of(self._tables(path), self._place.value(path))

    def description(self, path: Sequence[str]) -> str | None:
        """Return what `Meta.description` says about the field at `path`.

        A kind is described by all kinds that there are, a table by its header.
        """
        annotation = self._annotation(path)
        for part in (annotation, *get_args(annotation)):
            for mark in getattr(part, "__metadata__", ()):
                if isinstance(mark, Meta) and mark.description:
                    return mark.description
        if annotation is None and path:
            return _kinds(self._tables(path[:-1]), path[-1])
        if self.table(path) is None:
            return None
        return f"a table [{path[-1]}]"

    def _tables(self, path: Sequence[str]) -> list[Any]:
        """Return all types that a table at `path` may be read as."""
        return _inner(self._annotation(path), Struct)

    def _annotation(self, path: Sequence[str]) -> Any:
        """Return the annotation of the field at `path`, None when there is none."""
        here: Any = self._root
        for depth, part in enumerate(path):
            if part.startswith("["):
                here = next(iter(_inner(here, tuple)), None)
            else:
                value = self._place.value(path[:depth])
                here = _field(_one_of(_inner(here, Struct), value), part)
            if here is None:
                return None
        return here


def _field(table: Any, name: str) -> Any:
    """Return the annotation of a field of a table, None when it has no such field."""
    if table is None or name not in table.__struct_fields__:
        return None
    return get_type_hints(table, include_extras=True)[name]


def _inner(annotation: Any, wanted: type) -> list[Any]:
    """Look through Annotated and unions for the struct types, or for the items of tuples."""
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return [annotation] if wanted is Struct else []
    arguments = get_args(annotation)
    if getattr(annotation, "__origin__", None) is tuple:
        return [arguments[0]] if wanted is tuple else []
    found = []
    for argument in arguments:
        found += _inner(argument, wanted)
    return found


def _one_of(types: Sequence[Any], table: Any) -> Any:
    """Return the type of the kind that a table says it is, or else the first; None of none."""
    for one in types:
        config = one.__struct_config__
        if not config.tag_field or not isinstance(table, dict):
            continue
        if table.get(config.tag_field) == config.tag:
            return one
    return next(iter(types), None)


def _keys(table: Any) -> tuple[str, ...]:
    """Return all keys that a table of this type may have; the one of its kind comes first."""
    if table is None:
        return ()
    fields: tuple[str, ...] = table.__struct_fields__
    tag_field = table.__struct_config__.tag_field
    return (tag_field, *fields) if tag_field else fields


def _kinds(types: Sequence[Any], key: str) -> str | None:
    """Name the kinds to choose from, if `key` is the one that says of which kind a table is."""
    configs = [one.__struct_config__ for one in types]
    names = [f'"{config.tag}"' for config in configs if config.tag_field == key]
    if not names:
        return None
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
