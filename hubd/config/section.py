"""What all sections of the configuration file share, and how a section says of which kind it is.

Laws:
1. A table is closed: it refuses a key that its type does not have.
2. A section that comes in kinds names its kind (`kind = "strike"`), or it is of the default kind.
3. A section checks what its types alone cannot refuse, and raises WrongValueError.

A new kind is a class beside its siblings, in the union of its section, and a row of `hubd.wiring`.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

Id = Annotated[
    str,
    Meta(pattern=r"\A[a-z0-9-]{1,32}\Z", description="1 to 32 characters of a-z, 0-9 and -"),
]
Name = Annotated[
    str,
    Meta(
        pattern=r"\A[^\x00-\x1f\x7f-\x9f]{1,64}\Z",
        description="1 to 64 characters, none of them a control",
    ),
]

KIND = "kind"
"""The key that says of which kind a section is."""
DEFAULT_KINDS = {
    "movers": "strike",
    "readers": "osdp",
    "radio": "bluez",
    "backend": "curve",
}
"""The kind of a section that names none, by the section's key."""


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file."""


def kind_of(section: Struct) -> str:
    """Return of which kind a section is, as the file says it."""
    return str(section.__struct_config__.tag)


def with_default_kinds(raw: dict[str, Any]) -> dict[str, Any]:
    """Return what was read from a file, with `kind` in each section that left it out."""
    complete = dict(raw)
    doors = raw.get("doors")
    if isinstance(doors, list):
        complete["doors"] = [_with_kind(door, "movers") for door in doors]
    for section in ("readers", "radio", "backend"):
        complete = _with_kind(complete, section)
    return complete


def _with_kind(table: Any, key: str) -> Any:
    """Return a table whose section at `key`, or each one of an array there, names its kind."""
    if not isinstance(table, dict) or key not in table:
        return table
    found = table[key]
    default = DEFAULT_KINDS[key]
    if isinstance(found, list):
        return {**table, key: [_tagged(item, default) for item in found]}
    return {**table, key: _tagged(found, default)}


def _tagged(section: Any, default: str) -> Any:
    if not isinstance(section, dict):
        return section
    return {KIND: default, **section}
