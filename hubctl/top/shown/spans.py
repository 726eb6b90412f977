"""A line of a screen: pieces of text, each with a style, and exactly as wide as the screen.

Laws:
1. A line is as wide as was asked for, in cells of a terminal: some signs take two, some none.
2. Nothing in a line can steer a terminal. Texts come in cleaned (`hubterm.text.clean`).
3. What is cut ends with a sign that says so.
4. Without UTF-8 a line is ASCII; any other sign is written as its escape.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size


class Style(Enum):
    """What a piece of text means; the shell says how that looks."""

    PLAIN = "plain"
    TITLE = "title"
    GOOD = "good"
    WARNING = "warning"
    ERROR = "error"
    DIM = "dim"
    CHOSEN = "chosen"


class Span(NamedTuple):
    """Text in one style."""

    text: str
    style: Style = Style.PLAIN


Line = tuple[Span, ...]


class Signs(NamedTuple):
    """What a terminal can draw: bars from low to high, a whole bar, a cut, a rule."""

    name: str
    bars: str
    bar: str
    cut: str
    rule: str


UTF8 = Signs("utf-8", "▁▂▃▄▅▆▇█", "█", "…", "─")
ASCII = Signs("ascii", ".:-=+*#", "#", "~", "-")


def width_of(text: str) -> int:
    """Return how many cells a text takes."""
    return cell_len(text)


def drawable(text: str, signs: Signs) -> str:
    """Return the text in the signs that the terminal has."""
    if signs is UTF8:
        return text
    return text.encode("ascii", "backslashreplace").decode("ascii")


def cut(text: str, width: int, signs: Signs) -> str:
    """Return the text in exactly this many cells."""
    text = drawable(text, signs)
    if width_of(text) <= width:
        return text + " " * (width - width_of(text))
    if width <= 0:
        return ""
    return set_cell_size(text, width - 1) + signs.cut


def line(spans: Iterable[Span], width: int, signs: Signs) -> Line:
    """Return a line of exactly this width."""
    made: list[Span] = []
    left = width
    for text, style in spans:
        shown = drawable(text, signs)
        if width_of(shown) > left:
            shown = cut(text, left, signs)
        if shown:
            made.append(Span(shown, style))
        left -= width_of(shown)
    if left > 0:
        made.append(Span(" " * left))
    return tuple(made)


def text_of(one: Line) -> str:
    """Return the text of a line without its styles."""
    return "".join(span.text for span in one)
