"""How hubctl shows things: one model of problems, facts and tables, drawn with rich on a terminal,
plainly elsewhere.

Laws:
1. Nothing that the daemon says can steer the terminal: every text is cleaned of what does not
   print, and none of it is read as markup.
2. What is wrong comes first, the most urgent before all, each with what to do.
3. A text that is wider than the terminal is wrapped and never cut. A screen that is too low shows
   what comes first, and says how much is left out.
4. Every moment has the form of `hubcore.timing.moment`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hubcore.timing.moment import show_seconds

SCHEMA = 1
"""Of every document for machines."""
OFFSET_SHOWN_SECONDS = 2.0
"""A smaller difference of clocks is the way's own."""
MOMENTS = frozenset({"since", "last_welcome"})
STYLES = {"error": "bold red", "warning": "yellow"}
URGENCY = ("error", "", "warning", "info")
"""The severities, the most urgent first; a severity that this hubctl does not know counts as ""."""


DEPTH_MAX = 8
"""Of values within values; what lies deeper is shown as `...`."""


def clean(value: Any, depth: int = DEPTH_MAX) -> str:
    """Return one printable line of whatever came."""
    if not depth:
        return "..."
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{round(value, 3):g}" if abs(value) < 1e6 else str(value)
        case Mapping():
            return (
                ", ".join(f"{clean(key)} {clean(item, depth - 1)}" for key, item in value.items())
                or "-"
            )
        case list() | tuple():
            return ", ".join(clean(item, depth - 1) for item in value) or "-"
    text = str(value)
    return text if text.isprintable() else ascii(text)[1:-1]


def clean_json(text: str) -> str:
    """Return JSON that means the same and holds only what prints.

    What does not stands in its strings alone.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def document(**facts: Any) -> str:
    """Return one JSON document for machines, with its schema number."""
    return clean_json(msgspec.json.encode({"schema": SCHEMA, **facts}).decode())


def _escaped(character: str) -> str:
    utf16 = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{utf16[at : at + 2].hex()}" for at in range(0, len(utf16), 2))


def moment(value: Any) -> str:
    """Return a Unix time in seconds in the one form of moments; anything else cleaned."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return show_seconds(value)
    return clean(value)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A standing problem, cleaned."""

    severity: str
    id: str
    what: str
    remedy: str


@dataclass(slots=True)
class TextTable:
    """Rows under a title."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]


@dataclass(slots=True)
class Page:
    """What one command shows."""

    troubles: list[Trouble] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)
    tables: list[TextTable] = field(default_factory=list)

    def plain(self) -> str:
        """Return the page as aligned text, for pipes and files."""
        lines = []
        for trouble in self.troubles:
            lines += [
                f"{trouble.severity}: {trouble.id}: {trouble.what}",
                f"  what to do: {trouble.remedy}",
            ]
        lines += _columns(self.facts)
        for table in self.tables:
            lines += [table.title, *(f"  {line}" for line in _columns([table.header, *table.rows]))]
        return "\n".join(lines)

    def rich(self) -> Any:
        """Return the page as a renderable of rich."""
        from rich.console import Group
        from rich.padding import Padding
        from rich.table import Table as RichTable
        from rich.text import Text

        parts: list[Any] = []
        for trouble in self.troubles:
            style = STYLES.get(trouble.severity, "")
            head = Text.assemble(
                (f"{trouble.severity}: {trouble.id}: ", style), trouble.what, overflow="fold"
            )
            remedy = Text.assemble(("what to do: ", "bold"), trouble.remedy, overflow="fold")
            parts += [head, Padding(remedy, (0, 0, 0, 2))]
        if self.facts:
            grid = RichTable.grid(padding=(0, 2))
            grid.add_column(overflow="fold")
            grid.add_column(overflow="fold")
            for label, text in self.facts:
                grid.add_row(Text(label, "bold"), Text(text))
            parts.append(grid)
        for table in self.tables:
            drawn = RichTable(title=Text(table.title, "bold"), title_justify="left")
            for name in table.header:
                drawn.add_column(name, overflow="fold")
            for row in table.rows:
                drawn.add_row(*map(Text, row))
            parts.append(drawn)
        return Group(*parts)

    def fitted(self, console: Any) -> Any:
        """Return as much of the page as the screen of a console of rich holds, from the top."""
        from rich.segment import Segment, Segments

        lines = console.render_lines(self.rich(), pad=False)
        if len(lines) > console.height:
            kept = console.height - 1
            lines = [*lines[:kept], [Segment(f"... {len(lines) - kept} lines more: hubctl status")]]
        return Segments([segment for line in lines for segment in [*line, Segment.line()]][:-1])

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
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def _installed(status: Mapping[str, Any]) -> str:
    """The version on the disk, and what to do when it is not the one that runs."""
    running = clean(status.get("version"))
    installed = clean(status.get("installed_version"))
    if running == installed:
        return f"hubd {installed}, the one that runs"
    return f"hubd {installed}, but {running} runs: systemctl restart hubd"


def status_page(status: Mapping[str, Any]) -> Page:
    """The page of `hubctl status`. A fact that the daemon does not tell is shown as `-`."""
    records = _mapping(status.get("records"))
    facts = [
        (
            "hub",
            f"{clean(status.get('hub'))} of site {clean(status.get('site'))}, hubd "
            f"{clean(status.get('version'))}",
        ),
        ("installed", _installed(status)),
        ("ready", f"{clean(status.get('ready'))}, since {moment(status.get('since'))}"),
        ("radio", _facts(status.get("radio"))),
        ("backend", backend_text(status.get("backend"))),
        ("policy", f"version {clean(status.get('policy_version'))}"),
        (
            "records",
            f"last {clean(records.get('last'))}, waiting for the backend "
            f"{clean(records.get('waiting'))}",
        ),
        ("clock", clock_text(status.get("clock"))),
    ]
    for part, label in (("missing", "not up"), ("late", "stuck loops")):
        if status.get(part):
            facts.append((label, clean(status[part])))
    tables = [doors_table(_rows(status.get("doors")))]
    if counters := _mapping(status.get("counters")):
        tables.append(
            TextTable(
                "counters", ("name", "count"), [(clean(k), clean(v)) for k, v in counters.items()]
            )
        )
    return Page(troubles=_troubles(status.get("problems")), facts=facts, tables=tables)


def _troubles(problems: Any) -> list[Trouble]:
    """Return the standing problems, the most urgent first."""
    troubles = [
        Trouble(
            severity=clean(problem.get("severity")),
            id=clean(problem.get("id")),
            what=clean(problem.get("what")),
            remedy=clean(problem.get("remedy")),
        )
        for problem in _rows(problems)
    ]
    return sorted(
        troubles,
        key=lambda trouble: URGENCY.index(trouble.severity if trouble.severity in URGENCY else ""),
    )


def _facts(value: Any) -> str:
    """The facts of a part that are there, its moments as such."""
    if not isinstance(value, Mapping):
        return clean(value)
    told = {key: item for key, item in value.items() if item not in (None, "", {}, [])}
    return ", ".join(
        f"{clean(k)} {moment(v) if k in MOMENTS else clean(v)}" for k, v in told.items()
    ).replace("_", " ")


def backend_text(backend: Any) -> str:
    """Say how the link to the backend is, in one sentence; its counters are for `--json`."""
    if backend is None:
        return "none configured: the hub decides alone"
    if not isinstance(backend, Mapping) or "connected" not in backend:
        return clean(backend)
    said = [
        f"{'connected' if backend['connected'] else 'not connected'} since "
        f"{moment(backend.get('since'))}"
    ]
    if backend.get("halt"):
        said.append(f"stopped by the backend ({clean(backend['halt'])})")
    if backend.get("why"):
        said.append(clean(backend["why"]))
    if not backend["connected"] and backend.get("last_welcome") is not None:
        said.append(f"last welcome {moment(backend['last_welcome'])}")
    offset = _number(backend.get("clock_offset_seconds"))
    if abs(offset) >= OFFSET_SHOWN_SECONDS:
        said.append(
            f"its clock is {clean(abs(offset))} s {'ahead of' if offset > 0 else 'behind'} this one"
        )
    return ", ".join(said)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def clock_text(clock: Any) -> str:
    """Return what the hub thinks of its clock, and what the clock says."""
    known = _mapping(clock)
    if "state" not in known:
        return clean(clock)
    return f"{clean(known['state'])}, {moment(known.get('wall'))}".replace("_", " ")


def doors_table(doors: Iterable[Mapping[str, Any]]) -> TextTable:
    """One row for each door."""
    rows: list[tuple[str, ...]] = [
        (
            clean(door.get("id")),
            clean(door.get("name")),
            clean(door.get("state")),
            _points(door.get("access_points")),
        )
        for door in doors
    ]
    return TextTable("doors", ("id", "name", "state", "access points"), rows)


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
            f"{clean(known.get('number'))} {clean(known.get('name'))}"
            + (f" ({', '.join(odd)})" if odd else "")
        )
    return ", ".join(shown) or "-"


def event_line(event: Mapping[str, Any]) -> str:
    """One event as one line: moment, name, facts."""
    facts = {key: value for key, value in event.items() if key not in ("event", "at")}
    pairs = " ".join(f"{clean(key)}={clean(value)}" for key, value in facts.items())
    return f"{moment(event.get('at')):<24}  {clean(event.get('event')):<16} {pairs}".rstrip()


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
