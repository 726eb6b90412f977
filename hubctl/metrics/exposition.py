"""Metrics as Prometheus reads them: text of exposition format 0.0.4.

Laws:
1. A family has one HELP and one TYPE before its samples. A family without samples is not there.
2. A label's value is cleaned first, then escaped.
3. No two samples have the same name and labels: a collector would refuse the whole file. The first
   one counts.
4. Nothing is known here of a hub.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from hubterm.text import clean

HELD_MAX = 1e300


@dataclass(frozen=True, slots=True)
class Sample:
    """One number; `suffix` is what a histogram adds to the family's name."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""


@dataclass(slots=True)
class Family:
    """The samples of one name. `kind` is `counter`, `gauge` or `histogram`."""

    name: str
    kind: str
    says: str
    samples: list[Sample] = field(default_factory=list)
    _series: set[tuple[object, ...]] = field(default_factory=set, repr=False)

    def add(self, value: Any, suffix: str = "", /, **labels: Any) -> None:
        """Add a sample if the value is a number or a boolean; what is not known is left out."""
        if isinstance(value, float) or (isinstance(value, int) and is_held(value)):
            shown = {name: clean(label) for name, label in labels.items()}
            series = (suffix, *shown.items())
            if series not in self._series:
                self._series.add(series)
                self.samples.append(Sample(float(value), shown, suffix))


def is_held(value: Any) -> TypeGuard[float]:
    """Tell whether a value is a number that can be reckoned with; an int may be too large."""
    return isinstance(value, int | float) and -HELD_MAX < value < HELD_MAX


def text(families: Iterable[Family]) -> str:
    """Return the families as text, each line with its end."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        says = family.says.replace("\\", "\\\\").replace("\n", "\\n")
        lines.append(f"# HELP {family.name} {says}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        lines += [_line(family.name, sample) for sample in family.samples]
    return "".join(f"{line}\n" for line in lines)


def documents(families: Iterable[Family]) -> list[dict[str, Any]]:
    """Return the families for JSON."""
    return [
        {
            "name": family.name,
            "type": family.kind,
            "help": family.says,
            "samples": [
                {
                    "name": f"{family.name}{sample.suffix}",
                    "labels": dict(sample.labels),
                    "value": sample.value if math.isfinite(sample.value) else None,
                }
                for sample in family.samples
            ],
        }
        for family in families
        if family.samples
    ]


def number(value: float) -> str:
    """Return a number as the format has it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _line(name: str, sample: Sample) -> str:
    pairs = ",".join(f'{label}="{_escaped(value)}"' for label, value in sample.labels.items())
    labels = f"{{{pairs}}}" if pairs else ""
    return f"{name}{sample.suffix}{labels} {number(sample.value)}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
