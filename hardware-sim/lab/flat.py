"""Whether what the hub's processes take grows while they live. Pure.

Laws:
1. A process is judged by its longest life in the run, without its warm-up.
2. Memory is judged by the slope of all its samples (Theil and Sen: the median of the slopes of all
   pairs), so that one odd sample neither makes nor hides a leak.
3. It is judged by the slope of its last third, too: an hour does not hide a leak that begins late.
4. A slope of fewer than SAMPLES_MIN samples says nothing; such a process is named, not passed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from statistics import median

from lab.vitals import NAMES, Vitals

SAMPLES_MIN = 10
WARM_SHARE = 0.2
KIB_AN_HOUR_MAX = {"hubd": 2048, "guard": 512, "bluetoothd": 4096}
LATE_KIB_AN_HOUR_MAX = {"hubd": 1024, "guard": 256, "bluetoothd": 2048}
"""Of the last third.

A life of hubd in which nothing was wrong had 200 to 300, the guard 0, bluetoothd some 500.
"""
GROWTH_KIB_MAX = 16384
MEASURES = ("rss_kib", "pss_kib", "descriptors", "threads")
COUNTED = ("descriptors", "threads", "tasks")


@dataclass(frozen=True, slots=True)
class Trend:
    """How a measure went; `late` is its last third, slopes are by the hour."""

    first: float
    last: float
    an_hour: float
    samples: int
    late_an_hour: float
    late_samples: int


Trends = Mapping[str, Mapping[str, Trend]]
"""By process, by measure."""


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of (x, y) points by Theil and Sen; 0 for fewer than two."""
    slopes = []
    for (x1, y1), (x2, y2) in combinations(points, 2):
        if x1 != x2:
            slopes.append((y2 - y1) / (x2 - x1))
    return median(slopes) if slopes else 0.0


def trend(points: Sequence[tuple[float, float]]) -> Trend:
    """Return the trend of at least one (second, value)."""
    late = points[len(points) - len(points) // 3 :]
    return Trend(
        first=points[0][1],
        last=points[-1][1],
        an_hour=slope(points) * 3600,
        samples=len(points),
        late_an_hour=slope(late) * 3600,
        late_samples=len(late),
    )


def longest_life(looks: Sequence[Vitals], name: str) -> list[Vitals]:
    """Return the looks at the process of that name that lived longest, without its warm-up."""
    lives = [list(life) for _, life in groupby(looks, lambda look: look.of[name].pid)]
    longest = max(lives, key=len)
    warm = int(len(longest) * WARM_SHARE)
    return longest[warm:]


def trends(looks: Sequence[Vitals]) -> dict[str, dict[str, Trend]]:
    """Return how each measure of each process went; of hubd also its asyncio tasks."""
    found: dict[str, dict[str, Trend]] = {}
    for name in NAMES:
        life = longest_life(looks, name)
        found[name] = {}
        for measure in MEASURES:
            points = [(look.at, float(getattr(look.of[name], measure))) for look in life]
            found[name][measure] = trend(points)
    tasks = [(look.at, float(look.tasks)) for look in longest_life(looks, "hubd")]
    found["hubd"]["tasks"] = trend(tasks)
    return found


def grown(found: Trends) -> list[str]:
    """Return a sentence for each measure that is not flat."""
    faults = []
    for name, measures in found.items():
        for measure, went in measures.items():
            if measure in COUNTED and went.last > went.first:
                faults.append(f"{name}: {measure} grow: {went}")
        memory = measures["rss_kib"]
        if memory.last - memory.first >= GROWTH_KIB_MAX:
            faults.append(f"{name}: memory grows: {memory}")
        if memory.samples >= SAMPLES_MIN and memory.an_hour >= KIB_AN_HOUR_MAX[name]:
            faults.append(f"{name}: memory grows steadily: {memory}")
        if memory.late_samples >= SAMPLES_MIN and memory.late_an_hour >= LATE_KIB_AN_HOUR_MAX[name]:
            faults.append(f"{name}: memory grows in the last third: {memory}")
    return faults


def unjudged(found: Trends) -> list[str]:
    """Return the processes whose longest life had too few samples to be judged by a slope."""
    return [name for name, measures in found.items() if measures["rss_kib"].samples < SAMPLES_MIN]
