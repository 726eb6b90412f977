"""The thing that was typed, among those that are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from hubctl.table import near
from hubterm.ending import end_with_error
from hubterm.text import clean


def find(things: Iterable[Mapping[str, Any]], typed: str) -> Mapping[str, Any] | None:
    """Return the thing with this id, else the only one with this name; None where none is meant."""
    known = list(things)
    for thing in known:
        if thing.get("id") == typed:
            return thing
    of_name = [thing for thing in known if str(thing.get("name")).casefold() == typed.casefold()]
    return of_name[0] if len(of_name) == 1 else None


def find_or_end(
    things: Iterable[Mapping[str, Any]], typed: str, kind: str, as_json: bool
) -> Mapping[str, Any]:
    """Return the thing that was typed, or end hubctl with the one that was probably meant."""
    known = list(things)
    found = find(known, typed)
    if found is None:
        _end(known, typed, kind, as_json)
    return found


def _end(known: list[Mapping[str, Any]], typed: str, kind: str, as_json: bool) -> NoReturn:
    names = {str(thing[key]) for thing in known for key in ("id", "name") if thing.get(key)}
    meant = near(typed, names)
    if not known:
        hint = "There is none at all."
    elif meant is None:
        hint = f"There are: {', '.join(clean(thing.get('id')) for thing in known)}."
    else:
        hint = f"Did you mean {clean(meant)}?"
    end_with_error(f"unknown-{kind}", f"There is no {kind} {clean(typed)}. {hint}", as_json)
