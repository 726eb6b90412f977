"""The page of `hubctl report --html`: one file that needs no network and runs no script.

Laws:
1. Its content security policy allows one thing, its own style, by its hash.
2. Every text of the hub is cleaned and escaped.
3. Every chart has a table beside it. Colours follow the reader's system, and none says anything
   alone.
4. What was not measured says so in words.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

from hubcore.timing.moment import show_ms
from hubctl.report.charts import Band, Bar, bands, columns, rows
from hubctl.report.figures import Figures, hour_rows, latency_rows, opening_rows, span_rows
from hubctl.report.latency import HOUR_MS
from hubctl.report.sums import Known, Span
from hubterm.text import clean

STYLE = """
:root{color-scheme:light dark;--ink:#1a1a1a;--paper:#fff;--bar:#1f5fa8;--down:#b3261e;
--none:#9a9a9a;
--up:#2e7d32;--line:#ccc}
@media (prefers-color-scheme:dark){:root{--ink:#eaeaea;--paper:#121212;--bar:#7fb2ea;--down:#ff8a80;
--none:#6e6e6e;--up:#81c784;--line:#444}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:45rem;
margin:0 auto;padding:1rem;overflow-wrap:anywhere}
svg{width:100%;height:auto;font:10px system-ui,sans-serif}
svg text{fill:var(--ink)}svg .end{text-anchor:end}
.bar{fill:var(--bar)}.up{fill:var(--up)}.down{fill:var(--down)}.unknown{fill:var(--none)}
.heard{fill:var(--bar)}
.table{overflow-x:auto}table{border-collapse:collapse;font-size:.875rem}
th,td{border:1px solid var(--line);padding:.2rem .5rem;text-align:left}
summary{cursor:pointer;padding:.5rem 0}
.error{border-left:.3rem solid var(--down);padding-left:.6rem}
.warning{border-left:.3rem solid var(--none);padding-left:.6rem}
"""
CSS_OF = {Known.UP: "up", Known.DOWN: "down", Known.NOT_KNOWN: "unknown"}
HAPPENED = ("hour", "gone through", "exits", "not gone through", "forced", "held open")


def page(figures: Figures) -> str:
    """Return the page."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = escape(figures.title)
    body = "\n".join(
        [
            f"<h1>{title}</h1>",
            _about(figures),
            _problems(figures),
            _decisions(figures),
            _activity(figures),
            _opening(figures),
            _latency(figures),
            _devices(figures),
            _time_line(figures),
        ]
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title}</title><style>{STYLE}</style></head>\n<body>{body}</body></html>\n"
    )


def _about(figures: Figures) -> str:
    said = [
        f"From {show_ms(figures.since_ms)} to {show_ms(figures.until_ms)}. "
        f"Records: {figures.sums.records}. Hours are those of {figures.sums.zone}.",
    ]
    if figures.is_cut:
        said.append("There were more records than are read; the oldest are left out.")
    if figures.why_down:
        said.append(f"The hub did not answer: {clean(figures.why_down)}")
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in said)


def _problems(figures: Figures) -> str:
    if figures.why_down:
        return _section("Problems now", "<p>Not known: the hub did not answer.</p>")
    problems = figures.status.get("problems")
    found = problems if isinstance(problems, list) else []
    shown = [one for one in found if isinstance(one, Mapping)]
    if not shown:
        return _section("Problems now", "<p>None.</p>")
    return _section("Problems now", "".join(map(_problem, shown)))


def _problem(one: Mapping[str, Any]) -> str:
    css = "error" if one.get("severity") == "error" else "warning"
    severity = escape(clean(one.get("severity")))
    topic = escape(clean(one.get("id")))
    return (
        f'<div class="{css}"><p><strong>{severity}: {topic}</strong>: '
        f"{escape(clean(one.get('what')))}</p>"
        f"<p>What to do: {escape(clean(one.get('remedy')))}</p></div>"
    )


def _decisions(figures: Figures) -> str:
    found = figures.by_decision()
    if not found:
        return _section("Decisions by reason", "<p>There were none.</p>")
    bars = [Bar(name, count) for name, count in found]
    total = sum(count for _, count in found)
    says = f"{total} decisions; most often: {found[0][0]}, {found[0][1]} times."
    table = _table(("decision", "count"), [(name, str(count)) for name, count in found])
    return _section("Decisions by reason", rows("Decisions by reason", says, bars), table)


def _activity(figures: Figures) -> str:
    taken = figures.sums.happened["access_taken"]
    bars = [Bar(f"{hour:02}", count) for hour, count in enumerate(taken)]
    busiest = max(range(len(taken)), key=taken.__getitem__)
    says = f"Doors were gone through {sum(taken)} times."
    if sum(taken):
        says += f" The busiest hour begins at {busiest:02}:00, with {taken[busiest]}."
    chart = columns("Doors gone through, by hour of the day", says, bars, "times")
    doors = [(clean(door), str(count)) for door, count in figures.sums.by_door.items()]
    return _section(
        "Doors, by hour of the day",
        f"<p>{says}</p>{chart}",
        _table(HAPPENED, hour_rows(figures), "Table by hour"),
        _table(("door", "gone through"), doors, "Table by door") if doors else "",
    )


def _opening(figures: Figures) -> str:
    heading = "From the yes to the open door"
    found = figures.opening()
    if not any(one["count"] for one in found):
        return _section(heading, "<p>Not known: no record here says it.</p>")
    bars = [Bar(f"{one['hour']:02}", one["median_seconds"]) for one in found]
    says = (
        "Half of those who were let in had opened the door within this time. It counts from the "
        "record of the yes, and a person's way to the door is in it."
    )
    table = _table(("hour", "count", "half within s", "95 % within s"), opening_rows(figures))
    return _section(heading, f"<p>{says}</p>{columns(heading, says, bars, 's')}", table)


def _latency(figures: Figures) -> str:
    heading = "From the last byte to the strike, newest hours"
    found = figures.latency()
    if not found:
        word = "Not known: the hub did not answer." if figures.why_down else "Nobody was let in."
        return _section(heading, f"<p>{word}</p>")
    bars = [
        Bar(f"{_clock_hour(figures, one.hour):02}", _milliseconds(one.most_within)) for one in found
    ]
    says = (
        "95 of 100 had their strike asked to move within this time, by the running hub's own "
        "count since its start. No bar: it took some longer than the hub counts."
    )
    table = _table(
        ("hour from", "count", "half within ms", "95 % within ms"), latency_rows(figures)
    )
    return _section(heading, f"<p>{says}</p>{columns(heading, says, bars, 'ms')}", table)


def _clock_hour(figures: Figures, hour: int) -> int:
    return datetime.fromtimestamp(hour * HOUR_MS / 1000, figures.sums.zone).hour


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _devices(figures: Figures) -> str:
    found = figures.devices()
    if not found:
        word = "Not known: the hub did not answer." if figures.why_down else "There are none."
        return _section("Devices", f"<p>{word}</p>")
    bars = [Bar(row[0], float(row[3])) for row in found]
    says = "How many faults of each device began in this time."
    return _section(
        "Devices",
        f"<p>{says}</p>{rows('Faults of devices', says, bars)}",
        _table(("device", "answers", "faults now", "faults begun"), found),
    )


def _time_line(figures: Figures) -> str:
    says = (
        "When the hub ran, by its records, and how its way to the backend is, by its own word. "
        "Green is up, red is down, grey is not known. "
        "The last row has each hour in which a record shows that the backend spoke."
    )
    lines = [
        ("hub", _bands(figures, figures.sums.hub)),
        ("uplink", _bands(figures, figures.uplink)),
        ("backend heard", _heard(figures)),
    ]
    ends = (show_ms(figures.since_ms)[:10], show_ms(figures.until_ms)[:10])
    chart = bands("Hub and uplink over time", says, lines, ends)
    head = ("from", "to", "state")
    heard = [(show_ms(hour * HOUR_MS),) for hour in sorted(figures.sums.heard)]
    return _section(
        "Hub and uplink over time",
        f"<p>{says}</p>{chart}",
        _table(head, span_rows(figures.sums.hub), "The hub"),
        _table(head, span_rows(figures.uplink), "The uplink"),
        _table(("hour that began at",), heard, "Backend heard") if heard else "",
    )


def _bands(figures: Figures, spans: Iterable[Span]) -> list[Band]:
    return [
        Band(
            begins=_part(figures, span.begins),
            ends=_part(figures, span.ends),
            css=CSS_OF[span.state],
            says=f"{span.state}: {show_ms(span.begins)} to {show_ms(span.ends)}",
        )
        for span in spans
    ]


def _heard(figures: Figures) -> list[Band]:
    return [
        Band(
            begins=_part(figures, hour * HOUR_MS),
            ends=_part(figures, (hour + 1) * HOUR_MS),
            css="heard",
            says=f"heard in the hour from {show_ms(hour * HOUR_MS)}",
        )
        for hour in sorted(figures.sums.heard)
    ]


def _part(figures: Figures, at_ms: int) -> float:
    """Return where a moment is between the ends of the report, from 0 to 1."""
    whole = max(1, figures.until_ms - figures.since_ms)
    return min(1.0, max(0.0, (at_ms - figures.since_ms) / whole))


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def _table(head: Sequence[str], found: Iterable[Sequence[str]], caption: str = "Table") -> str:
    headers = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    lines = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in found
    )
    return (
        f"<details><summary>{escape(caption)}</summary>"
        f'<div class="table" tabindex="0"><table><thead><tr>{headers}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div></details>"
    )
