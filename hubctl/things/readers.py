"""Card readers on OSDP: all of them in a table, or one whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hubctl.page import Page, TextTable
from hubctl.things.device import trouble
from hubterm.shapes import mapping, mappings
from hubterm.text import clean, moment

HEADER = ("id", "access point", "channel", "key", "faults", "last failure", "line")
_CHANNEL = {True: "secured", False: "not secured", None: "not known yet"}
_KEY = {"key": "its key", "next_key": "its next_key", None: "not proven"}


def all_page(readers: Iterable[Mapping[str, Any]]) -> Page:
    """Return what people read of all readers: what is wrong first."""
    known = list(readers)
    rows = [_row(reader) for reader in known]
    troubles = [trouble(fault) for reader in known for fault in mappings(reader.get("faults"))]
    return Page(troubles, tables=[TextTable("readers", HEADER, rows)])


def page(reader: Mapping[str, Any]) -> Page:
    """Return what people read of one reader."""
    troubles = [trouble(fault) for fault in mappings(reader.get("faults"))]
    return Page(troubles, _facts(reader))


def _row(reader: Mapping[str, Any]) -> tuple[str, ...]:
    faults = [clean(fault.get("fault")) for fault in mappings(reader.get("faults"))]
    return (
        clean(reader.get("id")),
        _point(reader),
        channel_of(reader),
        key_of(reader),
        ", ".join(faults).replace("_", " ") or "-",
        _last(reader),
        _line(reader),
    )


def channel_of(reader: Mapping[str, Any]) -> str:
    """Say whether the channel is secured; anything else than yes and no is not known."""
    secured = reader.get("secured")
    return _CHANNEL[secured if isinstance(secured, bool) else None]


def key_of(reader: Mapping[str, Any]) -> str:
    """Say by which key it is proven, and whether another one waits to be given."""
    key = reader.get("key")
    said = _KEY.get(key if isinstance(key, str) else None, clean(key))
    if reader.get("has_next_key") is True and key == "key":
        return f"{said}; next_key is not given yet"
    return said


def _point(reader: Mapping[str, Any]) -> str:
    return f"{clean(reader.get('access_point'))} {clean(reader.get('point_name'))}"


def _line(reader: Mapping[str, Any]) -> str:
    address = f"address {clean(reader.get('address'))}"
    return f"{clean(reader.get('line'))}, {address}, {clean(reader.get('baud'))} baud"


def _last(reader: Mapping[str, Any]) -> str:
    last = mapping(reader.get("last_fault"))
    if not last:
        return "none since hubd started"
    name = clean(last.get("fault")).replace("_", " ")
    return f"{name}, {moment(last.get('began'))} to {moment(last.get('ended'))}"


def _facts(reader: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "reader", f"{clean(reader.get('id'))} ({clean(reader.get('kind'))})"
    yield "access point", f"{_point(reader)}, door {clean(reader.get('door'))}"
    yield "line", _line(reader)
    yield "channel", channel_of(reader)
    yield "key", key_of(reader)
    yield "tamper", "yes" if reader.get("tamper") is True else "none told"
    yield "last failure", _last(reader)
