"""`hubctl report`: the figures of the last days, as text, for machines, or as a page.

Laws:
1. The evidence is only read, and only from the window on; hubd need not run.
2. The page is there as a whole, or not at all.
"""

from __future__ import annotations

import time
from pathlib import Path

import click

from hubctl.answers import print_json
from hubctl.commands.audit.opening import file_option, reading
from hubctl.options import JSON, SOCKET
from hubctl.page import Page, TextTable
from hubctl.report.figures import Figures, hour_rows, latency_rows, opening_rows, span_rows
from hubctl.report.html import HAPPENED, page
from hubctl.report.reading import ask_hub, sum_up
from hubctl.report.sums import Sums, uplink_spans
from hubterm.files import whole_file
from hubterm.progress import Progress
from hubterm.speaking import end_with_error
from hubterm.text import clean

DAYS_MAX = 90
DAY_MS = 86_400_000


@click.command()
@click.option("--html", "html", type=click.Path(path_type=Path), help="Write a page to this file.")
@click.option("--days", type=click.IntRange(1, DAYS_MAX), default=7, show_default=True)
@file_option
@JSON
@SOCKET
@click.pass_context
def report(ctx: click.Context, path: Path, html: Path | None, days: int, as_json: bool) -> None:
    """Show the figures of the last days: decisions, doors, devices, the way to the backend.

    With --html they are one page with charts, which needs no network and runs no script. It is read
    from the evidence, so hubd need not run. Nobody is named in it.
    """
    figures = _figures(ctx.obj, path, days, as_json)
    if html is not None:
        _write(html, page(figures), as_json)
    if as_json:
        written = None if html is None else str(html)
        print_json({"file": clean(str(path)), "html": written, **figures.document()})
    elif html is not None:
        print(f"{clean(str(html))}: {figures.sums.records} records of {days} days.")
    else:
        text_page(figures).show()


def _figures(socket: Path, path: Path, days: int, as_json: bool) -> Figures:
    """Read all that a report needs, or end with the sentence of why it cannot be read."""
    until_ms = int(time.time() * 1000)
    since_ms = until_ms - days * DAY_MS
    told = ask_hub(socket)
    sums = Sums(told.zone, told.doors())
    with reading(path, as_json) as connection, Progress("records read", as_json=as_json) as shown:
        is_cut = sum_up(connection, sums, since_ms, until_ms, shown.show)
    sums.finish(until_ms, is_up_now=not told.why)
    uplink = uplink_spans(told.status.get("backend"), since_ms, until_ms)
    return Figures(
        sums=sums,
        uplink=uplink,
        status=told.status,
        why_down=told.why,
        since_ms=since_ms,
        until_ms=until_ms,
        is_cut=is_cut,
        measured=told.measured,
    )


def _write(html: Path, text: str, as_json: bool) -> None:
    try:
        with whole_file(html) as file:
            file.write(text.encode(errors="backslashreplace"))
    except OSError as error:
        sentence = f"{clean(str(html))} cannot be written: {error.strerror or error}"
        end_with_error("unwritable", sentence, as_json)


def text_page(figures: Figures) -> Page:
    """Return what people read."""
    facts = [
        ("hub", figures.title),
        ("records", str(figures.sums.records)),
        ("hours of", str(figures.sums.zone)),
    ]
    if figures.is_cut:
        facts.append(("left out", "the oldest records: there were more than are read"))
    if figures.why_down:
        facts.append(("not known", f"what only the running hub says: {clean(figures.why_down)}"))
    decisions = [(name, str(count)) for name, count in figures.by_decision()]
    busy = [row for row in hour_rows(figures) if set(row[1:]) != {"0"}]
    tables = [
        TextTable("decisions", ("decision", "count"), [*decisions]),
        TextTable("doors, by hour of the day", HAPPENED, busy),
        TextTable(
            "from the yes to the open door",
            ("hour", "count", "half within s", "95 % within s"),
            opening_rows(figures),
        ),
        TextTable(
            "from the last byte to the strike, newest hours",
            ("hour from", "count", "half within ms", "95 % within ms"),
            latency_rows(figures),
        ),
        TextTable(
            "devices", ("device", "answers", "faults now", "faults begun"), figures.devices()
        ),
        TextTable("hub", ("from", "to", "state"), span_rows(figures.sums.hub)),
        TextTable("uplink", ("from", "to", "state"), span_rows(figures.uplink)),
    ]
    return Page(facts=facts, tables=tables)
