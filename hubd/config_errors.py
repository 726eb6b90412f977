"""What an installer reads when a key is wrong: the key, what was expected, what was found, in one line.

Law: what was expected stands once, beside the type in `hubd.config` (`Meta.description`); here it is only looked up.
Nothing of the file reaches a terminal unescaped or at length.
"""

from __future__ import annotations

import re
from typing import Any, get_args, get_type_hints

from msgspec import Meta, Struct

_FOUND_CHARS_MAX = 60
_HINT = "credential:"


def show(value: Any) -> str:
    """Return what was found, printable and short."""
    if isinstance(value, dict):
        return "a table"
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= _FOUND_CHARS_MAX else text[:_FOUND_CHARS_MAX] + "..."


def explain(message: str, root: type[Struct], raw: dict[str, Any]) -> str:
    """Turn msgspec's message about `raw`, which should have become a `root`, into the installer's sentence."""
    reason, _, where = message.partition(" - at `$")
    path = _split(where.rstrip("`"))
    if found := re.fullmatch(r"Object (contains unknown|missing required) field `(.*)`", reason, re.DOTALL):
        kind, field = found.groups()
        key = _joined([*path, field])
        if kind == "contains unknown":
            return f"key {key}: expected one of {', '.join(_fields(_type(root, path)))}, found this unknown key"
        return f"key {key}: expected {_description(root, [*path, field]) or 'it to be there'}, found nothing"
    field = path[:-1] if path and path[-1].startswith("[") else path  # an item is told by its array
    expected = reason if reason.startswith(_HINT) else _description(root, field)
    return f"key {_joined(path)}: expected {expected or _plain(reason)}, found {show(_value(raw, path))}"


def _split(path: str) -> list[str]:
    """`.doors[1].name` as ["doors", "[1]", "name"]."""
    return [part for part in path.replace("[", ".[").split(".") if part]


def _joined(path: list[str]) -> str:
    text = "".join(part if part.startswith("[") else f".{part}" for part in path).lstrip(".")
    return text if text.isprintable() else ascii(text)


def _plain(reason: str) -> str:
    """What msgspec expected, in TOML's words: ``Expected `bool`, got `str` `` becomes `true or false`."""
    names = {"bool": "true or false", "object": "a table", "array": "an array", "int": "a whole number"}
    found = re.match(r"Expected `(\w+)`", reason)
    return names.get(found[1], reason) if found else reason


def _annotation(root: type[Struct], path: list[str]) -> Any:
    """The annotation of the field that `path` names, None when there is none."""
    here: Any = root
    for part in path:
        if part.startswith("["):
            here = next(iter(_inner(here, tuple)), None)
        else:
            structs = [kind for kind in _inner(here, Struct) if part in kind.__struct_fields__]
            here = get_type_hints(structs[0], include_extras=True)[part] if structs else None
        if here is None:
            return None
    return here


def _inner(annotation: Any, kind: type) -> list[Any]:
    """Look through Annotated and unions: the struct types in `annotation`, or the item types of its tuples."""
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return [annotation] if kind is Struct else []
    arguments = get_args(annotation)
    if getattr(annotation, "__origin__", None) is tuple:
        return [arguments[0]] if kind is tuple else []
    return [found for argument in arguments for found in _inner(argument, kind)]


def _type(root: type[Struct], path: list[str]) -> Any:
    return next(iter(_inner(_annotation(root, path), Struct)), None)


def _fields(kind: Any) -> tuple[str, ...]:
    return kind.__struct_fields__ if kind is not None else ()


def _description(root: type[Struct], path: list[str]) -> str | None:
    """What `Meta.description` says about the field; a table is told by its header."""
    annotation = _annotation(root, path)
    for kind in (annotation, *get_args(annotation)):
        for mark in getattr(kind, "__metadata__", ()):
            if isinstance(mark, Meta) and mark.description:
                return mark.description
    return f"a table [{_joined(path)}]" if _type(root, path) is not None else None


def _value(raw: Any, path: list[str]) -> Any:
    for part in path:
        try:
            raw = raw[int(part[1:-1])] if part.startswith("[") else raw[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return raw
