"""Texts that are safe to show: cleaned of what could steer a terminal, moments in their one form.

Laws:
1. Whatever comes is shown as one printable line, or as printable JSON.
2. A value within values deeper than DEPTH_MAX is shown as `...`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, TypeGuard

from hubcore.timing.moment import show_seconds

SCHEMA = 1
"""Of every document for machines."""
DEPTH_MAX = 8
NUMBER_MAX = sys.float_info.max
_SHORT_NUMBER_MAX = 1e6
"""Larger numbers are shown with all their digits."""


def clean(value: Any, depth: int = DEPTH_MAX) -> str:
    """Return one printable line of whatever came."""
    if not depth:
        return "..."
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return _number(value)
        case Mapping():
            pairs = [f"{clean(key)} {clean(item, depth - 1)}" for key, item in value.items()]
            return ", ".join(pairs) or "-"
        case list() | tuple():
            items = [clean(item, depth - 1) for item in value]
            return ", ".join(items) or "-"
    text = str(value)
    return text if text.isprintable() else ascii(text)[1:-1]


def _number(value: float) -> str:
    if abs(value) < _SHORT_NUMBER_MAX:
        return f"{round(value, 3):g}"
    return str(value)


def clean_json(text: str) -> str:
    """Return JSON that means the same and is printable; only its strings hold what is not."""
    if text.isprintable():
        return text
    return "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    """Return a character as JSON may hold it: printable, or `\\u` for each unit of UTF-16."""
    if character.isprintable():
        return character
    utf16 = character.encode("utf-16-be", "surrogatepass")
    escaped = ""
    for at in range(0, len(utf16), 2):
        unit = utf16[at : at + 2]
        escaped += f"\\u{unit.hex()}"
    return escaped


def document(**facts: Any) -> str:
    """Return one JSON document for machines, with its schema number."""
    encoded = json.dumps(
        {"schema": SCHEMA, **facts},
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    )
    return clean_json(encoded)


def error_document(code: str, message: str) -> str:
    """Return the document that says why there is no answer."""
    return document(error={"code": code, "message": message})


def moment(value: Any) -> str:
    """Return a Unix time in seconds in the one form of moments; anything else cleaned."""
    if is_number(value):
        return show_seconds(value)
    return clean(value)


def age(seconds: Any) -> str:
    """Return a span of seconds in its largest unit and the next; anything else cleaned."""
    if not is_number(seconds):
        return clean(seconds)
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{rest} s"


def is_number(value: Any) -> TypeGuard[int | float]:
    """Tell whether a value is a number that can be counted with; to Python, true is one.

    JSON may bring NaN, an infinity, or a whole number without end.
    """
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return is_one and abs(value) <= NUMBER_MAX
