"""`hubctl audit list`: the newest records, or those of a time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from hubcore.errors import AuditError
from hubcore.evidence.records import facts
from hubcore.evidence.show import plain, record_line
from hubctl.commands.audit.opening import file_option, reading
from hubctl.commands.audit.times import Times, times_options
from hubctl.evidence.reading import in_window, window_of
from hubterm.progress import Progress
from hubterm.text import document

LAST_MAX = 1_000_000
LAST = 20


@click.command()
@file_option
@click.option(
    "--last",
    type=click.IntRange(1, LAST_MAX),
    help=f"How many, the newest; without it {LAST}, with --since all of that time.",
)
@times_options
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON object a line; bytes in hexadecimal.",
)
def list_records(
    path: Path, last: int | None, since: float | None, until: float | None, as_json: bool
) -> None:
    """Show the newest records, oldest first. This does not check them: see `verify`.

    Records stand in the order in which they were written. A clock that was set back between them
    does not change it.
    """
    count = last or (LAST if since is None else LAST_MAX)
    times = Times.of(since, until)
    is_shown = not sys.stdout.isatty()  # else the records themselves show how far it is
    with (
        reading(path, as_json) as connection,
        Progress("records shown", as_json=as_json or not is_shown) as shown,
    ):
        found = window_of(connection, times.since_ms, times.until_ms, count)
        rows = in_window(connection, found)
        for row in shown.over(rows, max(0, found.last - found.first + 1)):
            if not times.holds(row.at_ms):
                continue
            try:
                said = facts(row.body)
            except AuditError as error:
                raise AuditError(f"record {row.number}: {error}") from error
            line = _record_as_json if as_json else _record_as_line
            click.echo(line(row.number, said))


def _record_as_json(number: int, said: dict[str, Any]) -> str:
    kind = said.pop("kind")
    at_ms = said.pop("at")
    mono_ms = said.pop("mono")
    detail = {key: plain(value) for key, value in said.items()}
    return document(number=number, at_ms=at_ms, mono_ms=mono_ms, kind=kind, detail=detail)


def _record_as_line(number: int, said: dict[str, Any]) -> str:
    kind = said.pop("kind")
    at_ms = said.pop("at")
    said.pop("mono")
    return record_line(number, at_ms, kind, said)
