"""What one command shows: problems, facts and tables, drawn with rich on a terminal, plainly else.

Laws:
1. What is wrong comes first, each problem with what to do.
2. A text that is wider than the terminal is wrapped and never cut.
3. A screen that is too low shows what comes first, and says how much is left out.
4. No text is read as markup.
5. No class is a dataclass: their library takes as long to load as all the rest of a quick command.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

from hubterm.output import can_draw

STYLES = {"error": "bold red", "warning": "yellow"}
"""How the severities of problems are drawn."""


class Trouble(NamedTuple):
    """A standing problem, cleaned."""

    severity: str
    id: str
    what: str
    remedy: str

    @property
    def head(self) -> str:
        return f"{self.severity}: {self.id}: "


class TextTable(NamedTuple):
    """Rows under a title."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]


class Page:
    """What one command shows; `facts` are pairs of a label and a text."""

    __slots__ = ("facts", "tables", "troubles")

    def __init__(
        self,
        troubles: Iterable[Trouble] = (),
        facts: Iterable[tuple[str, str]] = (),
        tables: Iterable[TextTable] = (),
    ) -> None:
        self.troubles = list(troubles)
        self.facts = list(facts)
        self.tables = list(tables)

    def plain(self) -> str:
        """Return the page as aligned text, for pipes and files."""
        lines: list[str] = []
        for trouble in self.troubles:
            lines.append(f"{trouble.head}{trouble.what}")
            lines.append(f"  what to do: {trouble.remedy}")
        lines += _columns(self.facts)
        for table in self.tables:
            lines.append(table.title)
            for row in _columns([table.header, *table.rows]):
                lines.append(f"  {row}")
        return "\n".join(lines)

    def rich(self) -> Any:
        """Return the page as a renderable of rich."""
        from rich.console import Group

        parts: list[Any] = []
        for trouble in self.troubles:
            parts += _drawn_trouble(trouble)
        if self.facts:
            parts.append(_drawn_facts(self.facts))
        parts += [_drawn_table(table) for table in self.tables]
        return Group(*parts)

    def fitted(self, console: Any) -> Any:
        """Return as much of the page as the screen of a console of rich holds, from the top."""
        from rich.segment import Segment, Segments

        lines = console.render_lines(self.rich(), pad=False)
        if len(lines) > console.height:
            kept = console.height - 1
            left_out = Segment(f"... {len(lines) - kept} lines more: hubctl status")
            lines = [*lines[:kept], [left_out]]
        segments: list[Segment] = []
        for line in lines:
            segments += line
            segments.append(Segment.line())
        return Segments(segments[:-1])

    def show(self) -> None:
        """Print the page."""
        if not can_draw(sys.stdout):
            print(self.plain())
            return
        from rich.console import Console

        Console().print(self.rich())


def _drawn_trouble(trouble: Trouble) -> list[Any]:
    from rich.padding import Padding
    from rich.text import Text

    style = STYLES.get(trouble.severity, "")
    what = Text.assemble((trouble.head, style), trouble.what, overflow="fold")
    remedy = Text.assemble(("what to do: ", "bold"), trouble.remedy, overflow="fold")
    return [what, Padding(remedy, (0, 0, 0, 2))]


def _drawn_facts(facts: Iterable[tuple[str, str]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(overflow="fold")
    grid.add_column(overflow="fold")
    for label, text in facts:
        grid.add_row(Text(label, "bold"), Text(text))
    return grid


def _drawn_table(table: TextTable) -> Any:
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=Text(table.title, "bold"), title_justify="left")
    for name in table.header:
        drawn.add_column(name, overflow="fold")
    for row in table.rows:
        drawn.add_row(*map(Text, row))
    return drawn


def _columns(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Align cells by their width."""
    table = list(rows)
    columns = zip(*table, strict=True)
    widths = [max(map(len, column)) for column in columns]
    lines: list[str] = []
    for row in table:
        cells = map(str.ljust, row, widths)
        lines.append("  ".join(cells).rstrip())
    return lines
