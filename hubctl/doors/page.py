"""How hubctl words one door: what holds it, what moves it, who came last; and a release of it.

Law: what hubd does not know is shown as `-`, never as something that is well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubctl.denials import GRANTED, SAID
from hubctl.page import Page, TextTable
from hubctl.show import orders_of, points_of, wrong_with
from hubterm.shapes import mapping, mappings
from hubterm.text import clean, moment


def door_page(door: Mapping[str, Any]) -> Page:
    """The page of `hubctl door NAME`."""
    seen = [clean(door.get("state"))]
    seen.append(f"position {clean(door.get('position'))}")
    seen.append(f"bolt {clean(door.get('bolt'))}".replace("_", " "))
    facts = [
        ("door", f"{clean(door.get('id'))}, {clean(door.get('name'))}"),
        ("state", ", ".join(seen + wrong_with(door))),
        ("mode", clean(door.get("mode"))),
        ("held by", orders_of(door) or "nobody"),
        ("access points", points_of(door.get("access_points"))),
        ("movers", _movers(door)),
        ("lines", _lines(door)),
    ]
    since = moment(door.get("since"))
    rows = [_decision(one) for one in mappings(door.get("decisions"))]
    title = f"last decisions, since hubd started: {since}"
    header = ("when", "who", "access point", "decision")
    return Page(facts=facts, tables=[TextTable(title, header, rows)])


def dry_run_page(told: Mapping[str, Any]) -> Page:
    """The page of `hubctl door NAME test`."""
    inputs = mapping(told.get("inputs"))
    shown = [f"{clean(role)} {clean(says)}".replace("_", " ") for role, says in inputs.items()]
    facts = [
        ("door", clean(told.get("door"))),
        ("driven", "once, just now" if told.get("pulsed") is True else "nothing"),
        ("a release now", _would(told)),
        ("mode", clean(told.get("mode"))),
        ("held by", orders_of(told) or "nobody"),
        ("bolt", clean(told.get("bolt")).replace("_", " ")),
        ("movers", _movers(told)),
        ("inputs", ", ".join(shown) or "-"),
        ("lines", _lines(told)),
    ]
    return Page(facts=facts)


def not_released(door: str, code: str, message: str) -> str:
    """Say why a door was not released, in the words for people where there are some."""
    said = SAID.get(code)
    if said is None:
        return message
    return (
        f"{clean(door)} was not released: {said.why} ({clean(code)}). "
        f"What would change it: {said.change}"
    )


def _would(told: Mapping[str, Any]) -> str:
    would = told.get("would")
    if would == GRANTED:
        return f"would drive it for {clean(told.get('release_seconds'))} s"
    said = SAID.get(would) if isinstance(would, str) else None
    why = clean(would) if said is None else f"{said.why} ({clean(would)})"
    return f"would be refused: {why}"


def _movers(door: Mapping[str, Any]) -> str:
    shown = [_mover(mover) for mover in mappings(door.get("movers"))]
    return ", ".join(shown) or "-"


def _mover(mover: Mapping[str, Any]) -> str:
    text = f"{clean(mover.get('id'))}: {clean(mover.get('kind'))}".replace("_", " ")
    if "up" not in mover:
        return text
    match mover["up"]:
        case True:
            return f"{text}, can be driven"
        case False:
            return f"{text}, CANNOT be driven: hubctl status"
    return f"{text}, not known whether it can be driven"


def _lines(door: Mapping[str, Any]) -> str:
    shown = [
        f"{clean(one.get('role'))} {clean(one.get('chip'))}:{clean(one.get('line'))}"
        for one in mappings(door.get("lines"))
    ]
    return ", ".join(shown) or "-"


def _decision(one: Mapping[str, Any]) -> tuple[str, ...]:
    who = f"{clean(one.get('by'))} {clean(one.get('asker'))}"
    if one.get("uid") is not None:
        who = f"technician (uid {clean(one['uid'])})"
    return (moment(one.get("at")), who, clean(one.get("point")), clean(one.get("decided")))
