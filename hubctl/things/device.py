"""One device whole: how it stands, its readings with their ages, its faults, its last commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hubctl.page import Page, TextTable, Trouble
from hubterm.shapes import mappings
from hubterm.text import age, clean, moment


def page(device: Mapping[str, Any]) -> Page:
    """Return what people read."""
    troubles = [trouble(one) for one in mappings(device.get("fault_details"))]
    tables = [_readings(device), _commands(device)]
    return Page(troubles, _facts(device), [table for table in tables if table.rows])


def trouble(fault: Mapping[str, Any]) -> Trouble:
    """Return a fault with what to do, and since when it stands."""
    since = f" Since {moment(fault['since'])}." if fault.get("since") is not None else ""
    return Trouble(
        "warning",
        clean(fault.get("fault")),
        f"{clean(fault.get('what'))}{since}",
        clean(fault.get("remedy")),
    )


def _facts(device: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "device", f"{clean(device.get('id'))}, {clean(device.get('name'))}"
    yield "kind", clean(device.get("kind"))
    if device.get("door") is not None:
        yield "lock of door", clean(device["door"])
    position = clean(device.get("position"))
    if device.get("level") is not None:
        position = f"{position} {clean(device['level'])} %"
    yield "position", position
    spoke = device.get("age_seconds")
    yield "said", "nothing since hubd started" if spoke is None else f"{age(spoke)} ago"
    if device.get("answers") is False:
        yield "commands", "it gets none: it failed again and again, and is asked now and then"
    if not mappings(device.get("fault_details")):
        yield "faults", "none"


def _readings(device: Mapping[str, Any]) -> TextTable:
    rows: list[tuple[str, ...]] = []
    for one in mappings(device.get("reading_details")):
        unit = "" if one.get("unit") == "1" else f" {clean(one.get('unit'))}"
        value = f"{clean(one.get('value'))}{unit}"
        rows.append((clean(one.get("quantity")), value, f"{age(one.get('age_seconds'))} ago"))
    return TextTable("readings", ("quantity", "value", "said"), rows)


def _commands(device: Mapping[str, Any]) -> TextTable:
    rows: list[tuple[str, ...]] = []
    for one in mappings(device.get("commands")):
        level = "" if one.get("level") is None else f" {clean(one['level'])}"
        outcome = clean(one.get("outcome"))
        if one.get("why"):
            outcome = f"{outcome}: {clean(one['why'])}"
        rows.append((moment(one.get("at")), f"{clean(one.get('verb'))}{level}", outcome))
    return TextTable("last commands, the newest first", ("at", "command", "outcome"), rows)
