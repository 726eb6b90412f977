"""The picture of a screen: drawn from what the program wrote to a terminal, cell by cell."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

from hubsim.picture import FORMAT

COLOURS: Mapping[str, str | None] = {"default": None, "brown": "yellow"}
"""Of pyte, in the words of rich; the others are called the same."""


def cells(screen: pyte.Screen) -> list[Text]:
    """Return the lines of a screen with their styles, without the empty ones at its end."""
    lines = [_line(screen.buffer[row], screen.columns) for row in range(screen.lines)]
    while lines and not lines[-1].plain:
        lines.pop()
    return lines


def _line(row: Mapping[int, Any], columns: int) -> Text:
    line = Text()
    for style, run in groupby((row[column] for column in range(columns)), _style):
        line.append("".join(cell.data for cell in run), style)
    line.rstrip()
    return line


def _style(cell: Any) -> Style:
    return Style(
        color=COLOURS.get(cell.fg, cell.fg),
        bgcolor=COLOURS.get(cell.bg, cell.bg),
        bold=cell.bold,
        reverse=cell.reverse,
    )


def draw(lines: Sequence[Text], columns: int, title: str, file: Path) -> None:
    """Draw a screen into an SVG file."""
    console = Console(
        record=True, width=columns, file=io.StringIO(), force_terminal=True, highlight=False
    )
    for line in lines:
        console.print(line, soft_wrap=True)
    console.save_svg(str(file), title=title, code_format=FORMAT, unique_id="hubctl")
