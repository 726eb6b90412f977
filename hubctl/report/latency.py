"""How fast the running hub was, hour by hour: from the last byte of a claim to the strike.

Laws:
1. It is the running hub's word: hours before its start are not there.
2. A histogram proves within which of its bounds something was, no more. What took longer than the
   last bound has no number.
3. What is no histogram of hubd's is left out, whatever it holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeGuard

from hubterm.shapes import listed, mapping, mappings

HOURS_MAX = 24
HOUR_MS = 3_600_000
_HOUR_MAX = 10_000_000
"""Hours since 1970, some thousand years."""
_COUNT_MAX = 10**12


class Hour(NamedTuple):
    """One hour, by its number since 1970. A bound is in seconds; None: longer than the last."""

    hour: int
    times: int
    half_within: float | None
    most_within: float | None


def hours(measured: Mapping[str, Any], half: float, most: float) -> list[Hour]:
    """Return the newest hours in which a strike was asked to move, oldest first."""
    bounds = listed(mapping(measured.get("strike_asked")).get("bounds_seconds"))
    if not all(map(_is_number, bounds)) or any(low >= high for low, high in pairwise(bounds)):
        return []
    found: dict[int, Hour] = {}
    for row in mappings(measured.get("strike_asked_by_hour")):
        hour = row.get("hour")
        counts = listed(row.get("counts"))
        if not _is_whole(hour, _HOUR_MAX) or len(counts) != len(bounds) + 1:
            continue
        if all(_is_whole(count, _COUNT_MAX) for count in counts) and sum(counts):
            found[hour] = Hour(
                hour=hour,
                times=sum(counts),
                half_within=_within(bounds, counts, half),
                most_within=_within(bounds, counts, most),
            )
    return [found[hour] for hour in sorted(found)[-HOURS_MAX:]]


def _within(bounds: Sequence[float], counts: Sequence[int], part: float) -> float | None:
    wanted = part * sum(counts)
    seen = 0
    for bound, count in zip(bounds, counts, strict=False):
        seen += count
        if seen >= wanted:
            return float(bound)
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e6


def _is_whole(value: Any, most: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
