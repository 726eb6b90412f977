"""What a directory sends, read strictly: resources, changes (PATCH) and filters.

Laws:
1. What is no value of the right kind is refused, and named. Attributes that this server does not
   keep are passed over: a directory sends many (RFC 7644, section 3.3).
   A text has no sign that is no letter, digit or mark: no database is asked for another.
2. A change is read whole before anything of it is done.
3. Both ways of writing a change are read: with a path, and with a value that names the attributes.
   `active` may be a text, as one large directory sends it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hubsite.scim.models import FOLDED_LENGTH, TEXT_LENGTH

MEMBERS_MAX = 10_000
OPERATIONS_MAX = 100
_FILTER = re.compile(r'\s*(\w+)\s+eq\s+("(?:[^"\\]|\\.)*")\s*', re.IGNORECASE)
_MEMBER = re.compile(r'members\[\s*value\s+eq\s+("(?:[^"\\]|\\.)*")\s*\]', re.IGNORECASE)
_BOOLEANS = {"true": True, "false": False}


class ScimError(Exception):
    """An answer that says no: its status, its word (RFC 7644, table 9; "" for none), a sentence."""

    def __init__(self, status: int, word: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.word = word


@dataclass(frozen=True, slots=True)
class Members:
    """What happens to the members of a group, in this order; `replaced` is None where they stay."""

    replaced: frozenset[str] | None = None
    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of a user or a group; None for what is not said."""

    user_name: str | None = None
    external_id: str | None = None
    display_name: str | None = None
    active: bool | None = None
    members: tuple[Members, ...] = field(default=())


_TEXTS = {
    "username": "user_name",
    "externalid": "external_id",
    "displayname": "display_name",
    "name.formatted": "display_name",
}


def read_resource(body: Any) -> Said:
    """Return what a user or a group is, as it was sent whole. Raise ScimError (law 1)."""
    return _said(_object(body), "replace")


def read_changes(body: Any) -> Said:
    """Return what a PATCH changes (RFC 7644, section 3.5.2). Raise ScimError (laws 2 and 3)."""
    found = {key.lower(): value for key, value in _object(body).items()}
    operations = found.get("operations")
    if not isinstance(operations, list) or not 0 < len(operations) <= OPERATIONS_MAX:
        raise ScimError(400, "invalidSyntax", f"Operations: 1 to {OPERATIONS_MAX} of them.")
    said: dict[str, Any] = {}
    members: list[Members] = []
    for operation in operations:
        one = _operation({key.lower(): value for key, value in _object(operation).items()})
        members += one.members
        names = ("user_name", "external_id", "display_name", "active")
        said |= {name: getattr(one, name) for name in names if getattr(one, name) is not None}
    return Said(**said, members=tuple(members))


def _operation(operation: Mapping[str, Any]) -> Said:
    said = operation.get("op")
    do = said.lower() if isinstance(said, str) else ""
    path = operation.get("path")
    value = operation.get("value")
    if do not in ("add", "replace", "remove"):
        raise ScimError(400, "invalidSyntax", "op is add, replace or remove.")
    if path is None:
        if do == "remove":
            raise ScimError(400, "noTarget", "A removal has a path.")
        return _said(_object(value), do)
    if not isinstance(path, str):
        raise ScimError(400, "invalidPath", "A path is a text.")
    one = _MEMBER.fullmatch(path.strip())
    if one is not None:
        if do != "remove":
            raise ScimError(400, "invalidPath", "A single member is removed, or added by members.")
        return Said(members=(Members(removed=frozenset({_quoted(one[1], "invalidPath")})),))
    if do == "remove" and path.lower() != "members":
        if path.lower() in ("username", "displayname", "active"):
            raise ScimError(400, "mutability", f"{path} is needed.")
        return Said(external_id="") if path.lower() == "externalid" else Said()
    return _said({path: value}, do)


def _said(found: Mapping[str, Any], do: str) -> Said:
    said: dict[str, Any] = {}
    for key, value in found.items():
        name = key.lower().rpartition(":")[2]
        if name in _TEXTS:
            said[_TEXTS[name]] = _text(key, value)
        elif name == "name" and isinstance(value, dict):
            said.setdefault("display_name", _formatted(value))
        elif name == "active":
            said["active"] = _boolean(value)
        elif name == "members":
            said["members"] = (_members(value, do),)
    return Said(**said)


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ScimError(400, "invalidSyntax", "This is no object of JSON with names.")
    return value


def _text(key: str, value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > TEXT_LENGTH or not text.isprintable():
        raise ScimError(400, "invalidValue", f"{key[:40]}: 1 to {TEXT_LENGTH} characters.")
    if len(text.casefold()) > FOLDED_LENGTH:
        raise ScimError(400, "invalidValue", f"{key[:40]}: too long in small letters.")
    return text


def _quoted(text: str, word: str) -> str:
    """Return what stands between quotes, as JSON has it. Raise ScimError with this word."""
    try:
        value = str(json.loads(text))
    except ValueError as error:
        raise ScimError(400, word, "What stands between quotes is no text of JSON.") from error
    if not value.isprintable():
        raise ScimError(400, word, "What stands between quotes has signs that are no letters.")
    return value


def _formatted(name: Mapping[str, Any]) -> str | None:
    if name.get("formatted"):
        return _text("name.formatted", name["formatted"])
    parts = (name.get("givenName"), name.get("familyName"))
    text = " ".join(part.strip() for part in parts if isinstance(part, str) and part.strip())
    return _text("name", text) if text else None


def _boolean(value: Any) -> bool:
    if isinstance(value, str):
        value = _BOOLEANS.get(value.lower())
    if not isinstance(value, bool):
        raise ScimError(400, "invalidValue", "active is true or false.")
    return value


def _members(value: Any, do: str) -> Members:
    given = [value] if isinstance(value, dict) else value
    if given is None and do == "remove":
        return Members(replaced=frozenset())
    if not isinstance(given, list) or len(given) > MEMBERS_MAX:
        raise ScimError(400, "invalidValue", f"members: a list, of {MEMBERS_MAX} at most.")
    keys = frozenset(_member(_object(one).get("value", "")) for one in given)
    if do == "add":
        return Members(added=keys)
    return Members(removed=keys) if do == "remove" else Members(replaced=keys)


def _member(value: Any) -> str:
    text = str(value) if isinstance(value, str | int) else "\0"
    if len(text) > TEXT_LENGTH or not text.isprintable():
        raise ScimError(400, "invalidValue", "members: one has a value that is no id.")
    return text


def read_filter(text: str, allowed: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the column and the value that a filter asks for, None for no filter.

    `allowed` are columns by attribute, in small letters. Raise ScimError.
    """
    if not text.strip():
        return None
    found = _FILTER.fullmatch(text[: 4 * TEXT_LENGTH])
    column = allowed.get(found[1].lower()) if found else None
    if found is None or column is None:
        names = ", ".join(allowed)
        raise ScimError(400, "invalidFilter", f'A filter is: NAME eq "TEXT"; the names: {names}.')
    return column, _quoted(found[2], "invalidFilter")
