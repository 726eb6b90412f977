"""Small pictures of numbers: a sparkline, and bars.

Law: any numbers are drawn. One that is too large to reckon with, or none at all, is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hubctl.top.shown.spans import Signs
from hubterm.text import is_number

NUMBER_MAX = 1e15
"""Of what is reckoned with: larger ones are no counts and no times."""


def number(value: Any) -> float | None:
    """Return what can be reckoned with; None for anything else."""
    if not is_number(value) or not 0 <= value <= NUMBER_MAX:
        return None
    return float(value)


def spark(values: Sequence[float], width: int, signs: Signs) -> str:
    """Draw the newest values, a sign each, the newest last; nothing without values."""
    shown = list(values)[-width:] if width > 0 else []
    top = max(shown, default=0.0)
    steps = len(signs.bars) - 1
    return "".join(signs.bars[round(steps * value / top) if top else 0] for value in shown)


def bar(value: float, top: float, width: int, signs: Signs) -> str:
    """Draw a bar; whatever is more than nothing has at least one sign."""
    if width <= 0 or value <= 0 or top <= 0:
        return ""
    return signs.bar * max(1, round(width * min(value / top, 1.0)))


def milliseconds(value: float) -> str:
    """Say a time in milliseconds, with as many digits as it is worth."""
    if value >= 10_000:
        return f"{value / 1000:.0f} s"
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"
