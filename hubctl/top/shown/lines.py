"""What was seen and what is looked at → the lines of a screen of any size.

Laws:
1. There are exactly as many lines as the screen has, each exactly as wide.
2. The worst comes first: that the hub does not answer, then its problems with what to do, then all
   else. A problem is wrapped and not cut, as long as there is room.
3. A hub that does not answer has nothing else on the screen: old numbers would look well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hubctl.top.shown.boxes import Box, Boxes, Row, boxes
from hubctl.top.shown.columns import column
from hubctl.top.shown.keys import State, View, chosen
from hubctl.top.shown.seen import Seen
from hubctl.top.shown.spans import Line, Signs, Span, Style, drawable, line, width_of
from hubctl.top.shown.trace import trace_boxes

TWO_COLUMNS_CELLS = 76
LEFT_SHARE = 0.56
BETWEEN = 2
TROUBLE_SHARE = 3
"""Problems take at most this part of the lines."""
KEYS = (
    ("up, down", "choose a door"),
    ("Enter", "its last unlocks, step by step"),
    ("Esc, left", "back; without the filter"),
    ("/", "filter doors, devices, links and decisions; Enter keeps it, Esc drops it"),
    ("?", "these keys"),
    ("q", "end"),
)
FOOT = {
    View.HUB: "up/down choose  Enter trace  / filter  ? keys  q end",
    View.TRACE: "up/down choose  Esc back  ? keys  q end",
    View.HELP: "any key: back  q end",
}


def lines(seen: Seen | None, state: State, width: int, height: int, signs: Signs) -> list[Line]:
    """Return the lines of the screen; nothing was seen before the first answer."""
    if width <= 0 or height <= 0:
        return []
    foot = [_foot(state, width, signs)] if height > 1 else []
    room = height - len(foot)
    if state.view is View.HELP:
        shown = column([_help()], width, room, "", signs)
    elif seen is None:
        shown = wrapped([Row(("hubctl asks hubd ...",), Style.DIM)], width, signs)
    elif seen.trouble:
        shown = _trouble(seen, width, signs)
    elif state.view is View.TRACE:
        shown = _trace(seen, state, width, room, signs)
    else:
        shown = _hub(boxes(seen, state.filter, signs), state, width, room, signs)
    blank = line((), width, signs)
    return [*(shown + [blank] * room)[:room], *foot]


def _foot(state: State, width: int, signs: Signs) -> Line:
    if state.typing:
        return line([Span(f"/{state.filter}_", Style.TITLE)], width, signs)
    kept = f"/{state.filter}  " if state.filter and state.view is View.HUB else ""
    return line([Span(kept, Style.TITLE), Span(FOOT[state.view], Style.DIM)], width, signs)


def _help() -> Box:
    return Box("keys", [Row(pair) for pair in KEYS])


def _trouble(seen: Seen, width: int, signs: Signs) -> list[Line]:
    said = ["hubd does not answer", seen.trouble, "hubctl asks again each second."]
    styles = (Style.ERROR, Style.PLAIN, Style.DIM)
    rows = [Row((text,), style) for text, style in zip(said, styles, strict=True)]
    return wrapped(rows, width, signs)


def _trace(seen: Seen, state: State, width: int, room: int, signs: Signs) -> list[Line]:
    listed, steps = trace_boxes(seen, state.chosen, state.unlock, signs)
    return column([listed, steps], width, room, "chosen", signs)


def _hub(shown: Boxes, state: State, width: int, room: int, signs: Signs) -> list[Line]:
    head = wrapped([Row(("  ".join(shown.head.cells),), shown.head.style)], width, signs)
    made = head[:1] + _troubles(shown.troubles, width, max(room // TROUBLE_SHARE, 2), signs)
    door = chosen(state, shown.doors)
    height = max(room - len(made), 0)
    if width < TWO_COLUMNS_CELLS:
        doors, devices, outbox = shown.left
        return made + column([doors, *shown.right, devices, outbox], width, height, door, signs)
    left = int(width * LEFT_SHARE)
    pairs = zip(
        column(shown.left, left, height, door, signs),
        column(shown.right, width - left - BETWEEN, height, "", signs),
        strict=True,
    )
    return made + [(*one, Span(" " * BETWEEN), *other) for one, other in pairs]


def _troubles(rows: Sequence[Row], width: int, room: int, signs: Signs) -> list[Line]:
    """Return the worst problems, and how many lines find no room."""
    made = wrapped(rows, width, signs, most=room + 1)
    if len(made) <= room:
        return made
    more = Span(f"{signs.cut} more problems: hubctl status", Style.WARNING)
    return [*made[: room - 1], line([more], width, signs)]


def wrapped(rows: Iterable[Row], width: int, signs: Signs, most: int = 1000) -> list[Line]:
    """Return rows of one cell, each on as many lines as it needs; no more lines than `most`."""
    made: list[Line] = []
    for row in rows:
        for text in _pieces(drawable(row.cells[0][: width * most], signs), width):
            if len(made) == most:
                return made
            made.append(line([Span(text, row.style)], width, signs))
    return made


def _pieces(text: str, width: int) -> list[str]:
    """Cut a text where a word ends, or where the line does for a word that is too long."""
    made: list[str] = []
    now = ""
    for word in text.split(" "):
        joined = f"{now} {word}" if now else word
        if width_of(joined) <= width:
            now = joined
            continue
        if now:
            made.append(now)
        now = ""
        for sign in word:
            if now and width_of(now) + width_of(sign) > width:
                made.append(now)
                now = ""
            now += sign
    return [*made, now]
