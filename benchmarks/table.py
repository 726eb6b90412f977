"""The table of figures with their goals, as text, Markdown and JSON. Pure.

Laws:
1. A goal is met when the value is at most the goal, with nothing rounded before.
2. A figure without a goal is reported only.
3. Where the time of a figure goes is in `Cause`, measured in the same run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One row.

    `value` and `goal` in `unit` ("" for a ratio or a count); `beside` says what it was measured
    against.
    """

    key: str
    name: str
    value: float
    unit: str = ""
    goal: float | None = None
    beside: str = ""

    @property
    def met(self) -> bool | None:
        """Tell whether the goal is met; None when there is none."""
        if self.goal is None:
            return None
        return self.value <= self.goal


@dataclass(frozen=True, slots=True)
class Cause:
    """Where the time of a figure goes: parts in microseconds, in order; they need not add up."""

    of: str
    parts: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Table:
    """All figures of a run, on a machine described by its class only."""

    machine: Mapping[str, str]
    rounds: Mapping[str, int]
    figures: Sequence[Figure]
    causes: Sequence[Cause]


COLUMNS = ("figure", "goal", "measured", "met", "beside")


def show(value: float, unit: str) -> str:
    """Write a value with three significant digits, whole from 1,000 on."""
    whole = abs(value) >= 1000 or value == int(value)
    number = f"{value:,.0f}" if whole else f"{value:.3g}"
    return f"{number} {unit}".strip()


def cells(figure: Figure) -> tuple[str, ...]:
    """Return a row's texts, one a column."""
    goal = "" if figure.goal is None else f"≤ {show(figure.goal, figure.unit)}"
    met = {None: "", True: "yes", False: "NO"}[figure.met]
    return figure.name, goal, show(figure.value, figure.unit), met, figure.beside


def text(table: Table) -> str:
    """Return the table for a terminal."""
    rows = [COLUMNS, *map(cells, table.figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS) - 1)]
    lines = []
    for row in rows:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*padded, row[-1]]))
    rules = ["-" * width for width in [*widths, len(COLUMNS[-1])]]
    lines.insert(1, "  ".join(rules))
    for cause in table.causes:
        lines += ["", f"{cause.of}, µs (p50):"]
        for part, us in cause.parts.items():
            lines.append(f"  {show(us, ''):>8}  {part}")
    return "\n".join([*lines, "", *_about(table)])


def markdown(table: Table) -> str:
    """Return the table for benchmarks/README.md."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---|---|---|---|---|"]
    for figure in table.figures:
        lines.append(f"| {' | '.join(cells(figure))} |")
    for cause in table.causes:
        parts = "; ".join(f"{part} {show(us, '')}" for part, us in cause.parts.items())
        lines += ["", f"*{cause.of}*, µs (p50): {parts}."]
    return "\n".join([*lines, "", *_about(table)])


def as_json(table: Table) -> dict[str, Any]:
    """Return the table for `latest.json`."""
    figures = {}
    for figure in table.figures:
        figures[figure.key] = {
            "name": figure.name,
            "value": round(figure.value, 6),
            "unit": figure.unit,
            "goal": figure.goal,
            "met": figure.met,
            "beside": figure.beside,
        }
    causes = {}
    for cause in table.causes:
        causes[cause.of] = {part: round(us, 1) for part, us in cause.parts.items()}
    return {
        "machine": dict(table.machine),
        "rounds": dict(table.rounds),
        "figures": figures,
        "causes": causes,
    }


def from_json(said: Mapping[str, Any]) -> Table:
    """Read what `as_json` made."""
    figures = [
        Figure(
            key=key,
            name=row["name"],
            value=row["value"],
            unit=row["unit"],
            goal=row["goal"],
            beside=row["beside"],
        )
        for key, row in said["figures"].items()
    ]
    causes = [Cause(of, parts) for of, parts in said["causes"].items()]
    return Table(said["machine"], said["rounds"], figures, causes)


def _about(table: Table) -> list[str]:
    machine = ", ".join(f"{name} {value}" for name, value in table.machine.items())
    rounds = ", ".join(f"{name} {count}" for name, count in table.rounds.items())
    return [f"Machine: {machine}.", f"Rounds: {rounds}."]
