"""How hubctl shows things: one model of facts and tables, drawn with rich on a terminal and plainly elsewhere.

Law: nothing that the daemon says can steer the terminal: every text is cleaned of what does not print, and none of it
is read as markup.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

MOMENTS = frozenset({"since", "last_welcome"})
STYLES = {"error": "bold red", "warning": "yellow"}


def clean(value: Any) -> str:
    """Return one printable line of whatever came."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{round(value, 3):g}" if abs(value) < 1e6 else str(value)
        case Mapping():
            return ", ".join(f"{clean(key)} {clean(item)}" for key, item in value.items()) or "-"
        case list() | tuple():
            return ", ".join(clean(item) for item in value) or "-"
    text = str(value)
    return text if text.isprintable() else ascii(text)[1:-1]


def moment(value: Any) -> str:
    """Return a Unix time as local time with its offset; anything else cleaned."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value).astimezone().isoformat(sep=" ", timespec="seconds")
        except (OverflowError, OSError, ValueError):
            pass
    return clean(value)


@dataclass(slots=True)
class Table:
    """Rows under a title; `styles` gives a row's style by its index."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    styles: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class Page:
    """What one command shows."""

    facts: list[tuple[str, str]]
    tables: list[Table]

    def plain(self) -> str:
        """Return the page as aligned text, for pipes and files."""
        lines = _columns(self.facts)
        for table in self.tables:
            lines += [table.title, *(f"  {line}" for line in _columns([table.header, *table.rows]))]
        return "\n".join(lines)

    def rich(self) -> Any:
        """Return the page as a renderable of rich."""
        from rich.console import Group
        from rich.table import Table as RichTable
        from rich.text import Text

        grid = RichTable.grid(padding=(0, 2))
        for label, text in self.facts:
            grid.add_row(Text(label, "bold"), Text(text))
        parts: list[Any] = [grid] if self.facts else []
        for table in self.tables:
            drawn = RichTable(title=Text(table.title, "bold"), title_justify="left")
            for name in table.header:
                drawn.add_column(name)
            for index, row in enumerate(table.rows):
                drawn.add_row(*map(Text, row), style=table.styles.get(index))
            parts.append(drawn)
        return Group(*parts)

    def show(self) -> None:
        """Print the page."""
        if sys.stdout.isatty():
            from rich.console import Console

            Console().print(self.rich())
        else:
            print(self.plain())


def _columns(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Align cells by their width."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def status_page(status: Mapping[str, Any]) -> Page:
    """The page of `hubctl status`. A fact that the daemon does not tell is shown as `-`."""
    records = _mapping(status.get("records"))
    facts = [
        ("hub", f"{clean(status.get('hub'))} of site {clean(status.get('site'))}, hubd {clean(status.get('version'))}"),
        ("ready", f"{clean(status.get('ready'))}, since {moment(status.get('since'))}"),
        ("radio", _facts(status.get("radio"))),
        ("backend", _facts(status.get("backend")) if status.get("backend") is not None else "none configured"),
        ("policy", f"version {clean(status.get('policy_version'))}"),
        ("records", f"last {clean(records.get('last'))}, waiting for the backend {clean(records.get('waiting'))}"),
        ("clock", _clock(status.get("clock"))),
    ]
    for part, label in (("missing", "not up"), ("late", "stuck loops")):
        if status.get(part):
            facts.append((label, clean(status[part])))
    tables = [doors_table(_rows(status.get("doors")))]
    if problems := _rows(status.get("problems")):
        keys = ("severity", "id", "what", "remedy")
        rows: list[tuple[str, ...]] = [tuple(clean(problem.get(key)) for key in keys) for problem in problems]
        styles = {index: STYLES.get(row[0], "") for index, row in enumerate(rows)}
        tables.append(Table("problems", ("severity", "id", "what is wrong", "what to do"), rows, styles))
    if counters := _mapping(status.get("counters")):
        tables.append(Table("counters", ("name", "count"), [(clean(k), clean(v)) for k, v in counters.items()]))
    return Page(facts, tables)


def _facts(value: Any) -> str:
    """The facts of a part that are there, its moments as such."""
    if not isinstance(value, Mapping):
        return clean(value)
    told = {key: item for key, item in value.items() if item not in (None, "", {}, [])}
    return ", ".join(f"{clean(k)} {moment(v) if k in MOMENTS else clean(v)}" for k, v in told.items()).replace("_", " ")


def _clock(clock: Any) -> str:
    known = _mapping(clock)
    return f"{clean(known['state'])}, {moment(known.get('wall'))}" if "state" in known else clean(clock)


def doors_table(doors: Iterable[Mapping[str, Any]]) -> Table:
    """One row for each door."""
    rows: list[tuple[str, ...]] = [
        (clean(door.get("id")), clean(door.get("name")), clean(door.get("state")), _points(door.get("access_points")))
        for door in doors
    ]
    return Table("doors", ("id", "name", "state", "access points"), rows)


def _points(points: Any) -> str:
    """Access points by number, name and whatever is not ordinary about them."""
    if not isinstance(points, list):
        return clean(points)
    shown = []
    for point in points:
        known = _mapping(point)
        if not known:
            shown.append(clean(point))
            continue
        odd = [clean(known["mode"])] if known.get("mode") not in (None, "normal") else []
        odd += ["fresh"] if known.get("fresh") else []
        shown.append(
            f"{clean(known.get('number'))} {clean(known.get('name'))}" + (f" ({', '.join(odd)})" if odd else "")
        )
    return ", ".join(shown) or "-"


def event_line(event: Mapping[str, Any]) -> str:
    """One event as one line: time of day, name, facts."""
    facts = {key: value for key, value in event.items() if key not in ("event", "at")}
    when = event.get("at")
    try:
        clock = datetime.fromtimestamp(float(when)).strftime("%H:%M:%S.%f")[:12] if when is not None else "-"
    except (TypeError, ValueError, OverflowError, OSError):
        clock = clean(when)
    pairs = " ".join(f"{clean(key)}={clean(value)}" for key, value in facts.items())
    return f"{clock:<12}  {clean(event.get('event')):<16} {pairs}".rstrip()


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
