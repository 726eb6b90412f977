"""The arithmetic of the figures: percentiles, medians, ratios. Pure.

Law: a ratio of two things measured in turns is the median of the ratios of the rounds, so that a
slow spell that covers one round weighs as much as any other round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median


def percentile(samples: Sequence[float], percent: float) -> float:
    """Return the smallest sample that at least `percent` of all do not exceed (nearest rank).

    At least one sample.
    """
    if not samples:
        raise ValueError("no samples: a percentile of nothing is not known")
    ordered = sorted(samples)
    rank = math.ceil(percent / 100 * len(ordered))
    return ordered[max(0, rank - 1)]


def p50(samples: Sequence[float]) -> float:
    """Return the median."""
    return median(samples)


def p99(samples: Sequence[float]) -> float:
    """Return the 99th percentile; with fewer than 100 samples that is the greatest."""
    return percentile(samples, 99)


def ratio_of_rounds(what: Sequence[float], bound: Sequence[float]) -> float:
    """Return the median of what/bound, round by round."""
    return median(a / b for a, b in zip(what, bound, strict=True))
