"""The figures of a report, in the order in which they are shown: as a document, and as tables.

Law: every number of the page is in a table, and the tables are the same as text and as HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hubcore.timing.moment import show_ms
from hubctl.report.latency import HOUR_MS, Hour, hours
from hubctl.report.sums import HOURS, Span, Sums
from hubterm.text import clean

HALF = 0.5
MOST = 0.95


@dataclass(frozen=True, slots=True)
class Figures:
    """What a report says. `why_down`: why the running hubd told nothing; "" when it did."""

    sums: Sums
    uplink: Sequence[Span]
    status: Mapping[str, Any]
    why_down: str
    since_ms: int
    until_ms: int
    is_cut: bool
    measured: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Which hub it is, and when."""
        if self.why_down:
            return "Access hub"
        return f"{clean(self.status.get('hub'))} of site {clean(self.status.get('site'))}"

    def document(self) -> dict[str, Any]:
        """Return the figures for machines."""
        sums = self.sums
        return {
            "from_ms": self.since_ms,
            "until_ms": self.until_ms,
            "zone": str(sums.zone),
            "records": sums.records,
            "cut": self.is_cut,
            "hub_answered": not self.why_down,
            "decisions": sums.decisions,
            "doors": sums.by_door,
            "happened": sums.happened,
            "opening": self.opening(),
            "latency": [
                {
                    "from_ms": one.hour * HOUR_MS,
                    "count": one.times,
                    "median_within_seconds": one.half_within,
                    "most_within_seconds": one.most_within,
                }
                for one in self.latency()
            ],
            "device_faults": sums.device_faults,
            "hub": [_span(span) for span in sums.hub],
            "uplink": [_span(span) for span in self.uplink],
            "backend_heard_hours": sorted(sums.heard),
        }

    def opening(self) -> list[dict[str, Any]]:
        """Return how long it took from a yes to the open door, by hour."""
        return [
            {
                "hour": hour,
                "count": spread.count,
                "median_seconds": spread.quantile(HALF),
                "most_seconds": spread.quantile(MOST),
            }
            for hour, spread in enumerate(self.sums.opening)
        ]

    def latency(self) -> list[Hour]:
        """Return how fast the running hub was, hour by hour."""
        return hours(self.measured, HALF, MOST)

    def by_decision(self) -> list[tuple[str, int]]:
        """Return the decisions, the most frequent first."""
        pairs = [(clean(name), count) for name, count in self.sums.decisions.items()]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))

    def devices(self) -> list[tuple[str, ...]]:
        """Return a row for each device that is there, or that had a fault."""
        rows: dict[str, tuple[str, ...]] = {}
        devices = self.status.get("devices")
        for device in devices if isinstance(devices, list) else []:
            if isinstance(device, Mapping):
                found = clean(device.get("id"))
                rows[found] = (found, *_health(device), str(self._faults(device.get("id"))))
        for name, count in self.sums.device_faults.items():
            rows.setdefault(clean(name), (clean(name), "not known", "not known", str(count)))
        return list(rows.values())

    def _faults(self, device: object) -> int:
        return self.sums.device_faults.get(str(device), 0)


def _health(device: Mapping[str, Any]) -> tuple[str, str]:
    faults = device.get("faults")
    shown = clean(faults) if faults else "none"
    answers = device.get("answers")
    return ("not known" if answers is None else clean(answers), shown)


def _span(span: Span) -> dict[str, Any]:
    return {"from_ms": span.begins, "until_ms": span.ends, "state": str(span.state)}


def hour_rows(figures: Figures) -> list[tuple[str, ...]]:
    """Return a row for each hour of the day, and how often each thing happened in it."""
    happened = figures.sums.happened
    return [
        (f"{hour:02}:00", *(str(happened[what][hour]) for what in happened))
        for hour in range(HOURS)
    ]


def opening_rows(figures: Figures) -> list[tuple[str, ...]]:
    """Return a row for each hour in which somebody opened a door."""
    return [
        (
            f"{one['hour']:02}:00",
            str(one["count"]),
            f"{one['median_seconds']:.1f}",
            f"{one['most_seconds']:.1f}",
        )
        for one in figures.opening()
        if one["count"]
    ]


def latency_rows(figures: Figures) -> list[tuple[str, ...]]:
    """Return a row for each hour in which the running hub asked a strike to move."""
    return [
        (
            show_ms(one.hour * HOUR_MS),
            str(one.times),
            _bound(one.half_within),
            _bound(one.most_within),
        )
        for one in figures.latency()
    ]


def _bound(seconds: float | None) -> str:
    return "longer" if seconds is None else f"{seconds * 1000:g}"


def span_rows(spans: Sequence[Span]) -> list[tuple[str, ...]]:
    """Return a row for each span of a time line."""
    return [(show_ms(span.begins), show_ms(span.ends), str(span.state)) for span in spans]
