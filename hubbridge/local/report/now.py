"""Hubs, doors, orders and alarms of this moment, for a program that looks again and again.

Laws:
1. Hubs share each list: it has the first row of each hub, then the second of each, until it is
   full. So no hub leaves another one out.
2. A list is full at its rows, or at its bytes, whatever signs hubs put into their names. All lists
   fit into one answer. What is left out is counted.
3. The alarms of a hub are in the order of their records, the newest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

from hubbridge.hubs.state import HubState
from hubbridge.local.report.sources import Document
from hubbridge.local.report.things import alarms_of, doors_of, standing_of

ROWS_MAX = 1500
HUBS_BYTES = 160_000
DOORS_BYTES = 320_000
STANDING_BYTES = 160_000
ALARMS_BYTES = 320_000
_FIELD_BYTES = 24
"""For a field's name, its quotes, and a number."""
_ESCAPED_BYTES = 6
"""Of one sign, at the most, as JSON has it."""


def now_of(names: Sequence[str], states: Mapping[str, HubState], now: float) -> Document:
    """Return the lists; `names` are all hubs of the site, `now` is Unix time."""
    pairs = [(name, states.get(name)) for name in names]
    hubs = [[_hub(name, state)] for name, state in pairs]
    return {
        **_shared("hubs", hubs, HUBS_BYTES),
        **_shared("doors", [doors_of(*pair) for pair in pairs], DOORS_BYTES),
        **_shared("standing", [standing_of(*pair, now) for pair in pairs], STANDING_BYTES),
        **_shared("alarms", [alarms_of(*pair) for pair in pairs], ALARMS_BYTES),
    }


def _hub(name: str, state: HubState | None) -> Document:
    return {
        "hub": name,
        "connected": state is not None and state.connected,
        "heard_at": None if state is None else state.heard_at,
    }


def _shared(name: str, of_hubs: Sequence[Sequence[Document]], most_bytes: int) -> Document:
    """Return a list that hubs share, and how many rows are left out (laws 1 and 2)."""
    rows: list[Document] = []
    size = 0
    for row in _by_turns(of_hubs):
        size += _bytes_of(row)
        if len(rows) == ROWS_MAX or size > most_bytes:
            break
        rows.append(row)
    return {name: rows, f"{name}_left_out": sum(map(len, of_hubs)) - len(rows)}


def _by_turns(of_hubs: Sequence[Sequence[Document]]) -> Iterable[Document]:
    for turn in zip_longest(*of_hubs):
        yield from (row for row in turn if row is not None)


def _bytes_of(row: Document) -> int:
    """Return how many bytes a row has in the answer, at the most."""
    return sum(_FIELD_BYTES + _text_bytes(value) for value in row.values())


def _text_bytes(value: object) -> int:
    if isinstance(value, list):
        return sum(_FIELD_BYTES + _text_bytes(one) for one in value)
    if not isinstance(value, str):
        return 0
    is_plain = value.isascii() and value.isprintable()
    return len(value) * (2 if is_plain else _ESCAPED_BYTES)
