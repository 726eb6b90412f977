"""A record in one line, for people.

Law: text is quoted as JSON, so that no record can steer a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from hubcore.timing.moment import show_ms


def record_line(number: int, at_ms: int, kind: str, detail: Mapping[str, object]) -> str:
    """Return number, moment, kind and facts of a record; bytes as hexadecimal digits."""
    facts = [f"{_escaped(name)}={json.dumps(plain(value))}" for name, value in detail.items()]
    return f"{number:>8}  {show_ms(at_ms)}  {_escaped(kind):<8} {' '.join(facts)}".rstrip()


def plain(value: object) -> object:
    """Return a fact as JSON takes it."""
    return value.hex() if isinstance(value, bytes) else value


def _escaped(text: str) -> str:
    """Return a text as JSON quotes it, without the quotes."""
    return json.dumps(text)[1:-1]
