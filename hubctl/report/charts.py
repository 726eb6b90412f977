"""Charts as inline SVG: bars by hour, bars by name, bands over time.

Laws:
1. A chart is a pure function of its numbers. It has no script and no style of its own: colours come
   from the classes of the page, so that it follows the dark mode.
2. It has a title and a description; the table beside it has every number.
3. Every text is escaped, and was cleaned before.
4. It is as wide as a phone's screen, and scales.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH = 360
HEIGHT = 120
ABOVE = 14
"""Room for the largest number over the bars."""
BELOW = 16
"""Room for the labels under the bars."""
ROW = 22
LABEL = 132
"""Room for the names beside horizontal bars."""
NAME_CHARS_MAX = 20


class Bar(NamedTuple):
    """A name and its number; None was not measured."""

    name: str
    value: float | None


class Band(NamedTuple):
    """A part of a row, as fractions of the width, with a class of the page and what it says."""

    begins: float
    ends: float
    css: str
    says: str


def columns(title: str, says: str, bars: Sequence[Bar], unit: str) -> str:
    """Draw upright bars; every third name stands below."""
    top = max((bar.value or 0.0 for bar in bars), default=0.0) or 1.0
    width = WIDTH / max(len(bars), 1)
    parts: list[str] = []
    for at, (name, value) in enumerate(bars):
        left = at * width
        if value is not None:
            height = HEIGHT * value / top
            parts.append(
                f'<rect class="bar" x="{left + 1:.1f}" y="{ABOVE + HEIGHT - height:.1f}" '
                f'width="{width - 2:.1f}" height="{height:.1f}">'
                f"<title>{escape(name)}: {value:g} {escape(unit)}</title></rect>"
            )
        if at % 3 == 0:
            parts.append(
                f'<text x="{left + 1:.1f}" y="{ABOVE + HEIGHT + 12}">{escape(name)}</text>'
            )
    parts.append(f'<text x="{WIDTH}" y="10" class="end">{top:g} {escape(unit)}</text>')
    return _svg(title, says, ABOVE + HEIGHT + BELOW, parts)


def rows(title: str, says: str, bars: Sequence[Bar]) -> str:
    """Draw lying bars, a name before each and its number at its end."""
    top = max((bar.value or 0.0 for bar in bars), default=0.0) or 1.0
    room = WIDTH - LABEL - 48
    parts: list[str] = []
    for at, (name, value) in enumerate(bars):
        length = room * (value or 0.0) / top
        middle = at * ROW + 15
        shown = "not known" if value is None else f"{value:g}"
        parts.append(f'<text x="0" y="{middle}">{escape(_cut(name))}</text>')
        parts.append(
            f'<rect class="bar" x="{LABEL}" y="{at * ROW + 4}" width="{length:.1f}" height="14">'
            f"<title>{escape(name)}: {shown}</title></rect>"
        )
        parts.append(f'<text x="{LABEL + length + 4:.1f}" y="{middle}">{shown}</text>')
    return _svg(title, says, max(len(bars), 1) * ROW, parts)


def bands(
    title: str, says: str, lines: Sequence[tuple[str, Sequence[Band]]], ends: tuple[str, str]
) -> str:
    """Draw a row of bands for each line, and under them when they begin and end."""
    parts: list[str] = []
    for at, (name, spans) in enumerate(lines):
        parts.append(f'<text x="0" y="{at * ROW * 2 + 14}">{escape(_cut(name))}</text>')
        for band in spans:
            left = band.begins * WIDTH
            width = max((band.ends - band.begins) * WIDTH, 0.5)
            parts.append(
                f'<rect class="{escape(band.css)}" x="{left:.2f}" y="{at * ROW * 2 + 20}" '
                f'width="{width:.2f}" height="16"><title>{escape(band.says)}</title></rect>'
            )
    bottom = len(lines) * ROW * 2
    parts.append(f'<text x="0" y="{bottom + 10}">{escape(ends[0])}</text>')
    parts.append(f'<text x="{WIDTH}" y="{bottom + 10}" class="end">{escape(ends[1])}</text>')
    return _svg(title, says, bottom + BELOW, parts)


def _svg(title: str, says: str, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title><desc>{escape(says)}</desc>'
        f"{''.join(parts)}</svg>"
    )


def _cut(name: str) -> str:
    return name if len(name) <= NAME_CHARS_MAX else f"{name[: NAME_CHARS_MAX - 1]}…"
