"""Boxes → lines of a column: which rows find room, and how wide each cell is.

Laws:
1. A column has exactly as many lines as were asked for, each exactly as wide.
2. What finds no room is counted in the last line of its box.
3. The row that is chosen is always among those shown.
"""

from __future__ import annotations

from collections.abc import Sequence

from hubctl.top.shown.boxes import Box, Row
from hubctl.top.shown.spans import Line, Signs, Span, Style, cut, drawable, line, width_of

GAP = "  "


def column(boxes: Sequence[Box], width: int, height: int, chosen: str, signs: Signs) -> list[Line]:
    """Return the lines of boxes above one another."""
    lines: list[Line] = []
    for box, room in zip(boxes, shares([len(box.rows) + 1 for box in boxes], height), strict=True):
        lines += _box(box, width, room, chosen, signs)
    lines += [line((), width, signs)] * (height - len(lines))
    return lines


def shares(wanted: Sequence[int], room: int) -> list[int]:
    """Divide lines: one each in turn, until each has what it wants or nothing is left."""
    given = [0] * len(wanted)
    left = room
    while left > 0 and sum(given) < sum(wanted):
        for at, want in enumerate(wanted):
            if left and given[at] < want:
                given[at] += 1
                left -= 1
    return given


def _box(box: Box, width: int, room: int, chosen: str, signs: Signs) -> list[Line]:
    if room <= 0:
        return []
    rule = signs.rule * max(width - width_of(drawable(box.title, signs)) - 1, 0)
    title = line([Span(f"{box.title} ", Style.TITLE), Span(rule, Style.DIM)], width, signs)
    rows = _window(box.rows, room - 1, chosen)
    widths = cell_widths(rows, width, signs)
    lines = [row_line(row, widths, width, chosen, signs) for row in rows]
    left_out = len(box.rows) - len(rows)
    if left_out and room > 1:
        lines.append(line([Span(f"{signs.cut} {left_out} more", Style.DIM)], width, signs))
    return [title, *lines]


def _window(rows: Sequence[Row], room: int, chosen: str) -> Sequence[Row]:
    """Return the rows that find room, with a line left for how many do not."""
    if len(rows) <= room:
        return rows
    room = max(room - 1, 0)
    at = next((place for place, row in enumerate(rows) if chosen and row.key == chosen), 0)
    first = min(max(at - room + 1, 0), len(rows) - room)
    return rows[first : first + room]


def cell_widths(rows: Sequence[Row], width: int, signs: Signs) -> list[int]:
    """Return how wide each cell is: as it needs, or else the widest give way."""
    widths: list[int] = []
    for row in rows:
        for at, cell in enumerate(row.cells):
            needed = min(width_of(drawable(cell[: width + 1], signs)), width)
            if at == len(widths):
                widths.append(needed)
            widths[at] = max(widths[at], needed)
    over = sum(widths) + len(GAP) * (len(widths) - 1) - width
    while over > 0 and max(widths, default=0) > 1:
        widths[widths.index(max(widths))] -= 1
        over -= 1
    return widths


def row_line(row: Row, widths: Sequence[int], width: int, chosen: str, signs: Signs) -> Line:
    """Return the line of a row; that of the chosen one is marked over its whole width."""
    cells = [cut(cell, wide, signs) for cell, wide in zip(row.cells, widths, strict=False)]
    style = Style.CHOSEN if chosen and row.key == chosen else row.style
    text = GAP.join(cells)
    if style is Style.CHOSEN:
        text += " " * max(width - width_of(text), 0)
    return line([Span(text, style)], width, signs)
