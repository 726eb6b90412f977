"""The last unlocks at one door → rows: a list of them, and the chosen one step by step.

Law: nobody is named. A trace has no asker, and any text of it is cleaned.
"""

from __future__ import annotations

from collections.abc import Sequence

from hubctl.top.shown.boxes import GRANTED, NOT_MEASURED, Box, Row
from hubctl.top.shown.figures import bar, milliseconds, number
from hubctl.top.shown.seen import Document, Seen
from hubctl.top.shown.spans import Signs, Style
from hubterm.shapes import mappings
from hubterm.text import clean, moment

BAR_CELLS = 24


def unlocks_of(seen: Seen, door: str) -> Sequence[Document]:
    """Return the unlocks at a door, the newest first."""
    if seen.trace is None:
        return ()
    unlocks = mappings(seen.trace.get("unlocks"))
    return [one for one in unlocks if clean(one.get("door")) == door]


def trace_boxes(seen: Seen, door: str, at: int, signs: Signs) -> tuple[Box, Box]:
    """Return the list of unlocks at a door, and the steps of the one at this place."""
    title = f"last unlocks at {door}"
    if seen.trace is None:
        why = f"{NOT_MEASURED}: this hubd follows no unlocks"
        return Box(title, [Row((why,), Style.DIM)]), Box("steps", ())
    unlocks = unlocks_of(seen, door)
    if not unlocks:
        return Box(title, [Row(("none since hubd started",), Style.DIM)]), Box("steps", ())
    chosen = min(max(at, 0), len(unlocks) - 1)
    listed = [_unlock(one, is_chosen=place == chosen) for place, one in enumerate(unlocks)]
    number_of = clean(unlocks[chosen].get("number"))
    return Box(title, listed), Box(f"steps of unlock {number_of}", _steps(unlocks[chosen], signs))


def _unlock(one: Document, *, is_chosen: bool) -> Row:
    result = clean(one.get("result"))
    total = number(one.get("total_ms"))
    style = Style.PLAIN if result in (GRANTED, "-") else Style.WARNING
    return Row(
        (
            clean(one.get("number")),
            moment(one.get("at")),
            clean(one.get("by")),
            f"access point {clean(one.get('point'))}",
            result,
            "-" if total is None else milliseconds(total),
        ),
        Style.CHOSEN if is_chosen else style,
        "chosen" if is_chosen else "",
    )


def _steps(one: Document, signs: Signs) -> list[Row]:
    steps = mappings(one.get("steps"))
    times = [number(step.get("ms")) for step in steps]
    top = max((time for time in times if time is not None), default=0.0)
    rows = []
    for step, time in zip(steps, times, strict=True):
        name = clean(step.get("step")).replace("_", " ")
        if time is None:
            rows.append(Row((name, NOT_MEASURED), Style.DIM))
        else:
            rows.append(Row((name, milliseconds(time), bar(time, top, BAR_CELLS, signs))))
    return rows or [Row((NOT_MEASURED,), Style.DIM)]
