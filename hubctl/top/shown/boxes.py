"""The documents of a hub → boxes: a title, and rows of cells.

Laws:
1. What is wrong comes first in each box.
2. What the hub did not tell is `not measured`, and never looks well.
3. The filter leaves out rows, but never a problem.
4. Any document gives boxes; every text is cleaned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from hubctl.kept import mebibytes
from hubctl.show import device_row, orders_of, troubles, wrong_with
from hubctl.top.shown.figures import bar, milliseconds, number, spark
from hubctl.top.shown.seen import Document, Seen
from hubctl.top.shown.spans import Signs, Style
from hubterm.shapes import listed, mapping, mappings
from hubterm.text import age, clean

GRANTED = "granted"
NOT_MEASURED = "not measured"
ORDINARY_MODE = "Locked"
SPARK_CELLS = 40
BAR_CELLS = 16
STYLES = {"error": Style.ERROR, "warning": Style.WARNING}
"""Of severities."""


class Row(NamedTuple):
    """Cells beside each other. `key` is the id of a door that can be chosen."""

    cells: tuple[str, ...]
    style: Style = Style.PLAIN
    key: str = ""


class Box(NamedTuple):
    """Rows under a title."""

    title: str
    rows: Sequence[Row]


class Boxes(NamedTuple):
    """All that a screen of a hub shows, each part as long as it is."""

    head: Row
    troubles: Sequence[Row]
    left: Sequence[Box]
    right: Sequence[Box]

    @property
    def doors(self) -> list[str]:
        """The ids of the doors, in the order shown."""
        return [row.key for row in self.left[0].rows if row.key]


def boxes(seen: Seen, wanted: str, signs: Signs) -> Boxes:
    """Return what a screen shows; `wanted` is the filter."""
    status = mapping(seen.status)
    shown = [
        Box("doors", _doors(status)),
        Box("devices", _devices(status)),
        Box(radio_title(status, seen.radio), _links(seen.radio)),
        Box("decisions since hubd started", _decisions(seen.measured)),
    ]
    doors, devices, links, decisions = (_filtered(box, wanted) for box in shown)
    return Boxes(
        head=_head(status),
        troubles=_troubles(status),
        left=(doors, devices, Box("outbox", _outbox(status))),
        right=(
            links,
            Box("last unlocks", [_sparkline(seen.trace, signs)]),
            Box("time until the strike is asked", _histogram(seen.measured, signs)),
            decisions,
        ),
    )


def _filtered(box: Box, wanted: str) -> Box:
    if not wanted:
        return box
    word = wanted.casefold()
    rows = [row for row in box.rows if word in " ".join(row.cells).casefold()]
    return Box(f"{box.title}, {len(rows)} of {len(box.rows)}", rows)


def _head(status: Document) -> Row:
    ready = status.get("ready")
    said = "ready" if ready is True else f"not ready: {clean(status.get('missing'))}"
    return Row(
        (
            f"{clean(status.get('hub'))} of site {clean(status.get('site'))}",
            f"hubd {clean(status.get('version'))}",
            said,
        ),
        Style.GOOD if ready is True else Style.ERROR,
    )


def _troubles(status: Document) -> list[Row]:
    """Return a row for each problem, and under it what to do."""
    rows: list[Row] = []
    for trouble in troubles(status.get("problems")):
        style = STYLES.get(trouble.severity, Style.PLAIN)
        rows.append(Row((f"{trouble.head}{trouble.what}",), style))
        rows.append(Row((f"  what to do: {trouble.remedy}",)))
    return rows


def _doors(status: Document) -> list[Row]:
    if not isinstance(status.get("doors"), list):
        return [Row((NOT_MEASURED,), Style.DIM)]
    return _worst_first(map(_door, mappings(status["doors"])))


def _door(door: Document) -> Row:
    wrong = wrong_with(door)
    mode = clean(door.get("mode"))
    style = Style.PLAIN if mode in ("-", ORDINARY_MODE) else Style.WARNING
    said = [*wrong, orders_of(door)]
    return Row(
        (
            clean(door.get("id")),
            clean(door.get("name")),
            clean(door.get("state")),
            mode,
            ", ".join(filter(None, said)),
        ),
        Style.ERROR if wrong else style,
        clean(door.get("id")),
    )


def _devices(status: Document) -> list[Row]:
    if not isinstance(status.get("devices"), list):
        return [Row((NOT_MEASURED,), Style.DIM)]
    return _worst_first(map(_device, mappings(status["devices"])))


def _device(device: Document) -> Row:
    identity, name, _kind, position, _age, readings, faults = device_row(device)
    wrong = "" if faults == "-" else faults
    said = ", ".join(text for text in (wrong, readings) if text not in ("", "-"))
    return Row((identity, name, position, said), Style.ERROR if wrong else Style.PLAIN)


def _worst_first(rows: Iterable[Row]) -> list[Row]:
    order = (Style.ERROR, Style.WARNING, Style.PLAIN)
    return sorted(rows, key=lambda row: order.index(row.style))


def radio_title(status: Document, radio: Document | None) -> str:
    """Say whether the hub is on air, and how many phones there are."""
    told = mapping(mapping(radio).get("advertising"))
    on_air = told.get("on_air", mapping(status.get("radio")).get("on_air"))
    said = NOT_MEASURED
    if isinstance(on_air, bool):
        said = "on air" if on_air else "NOT on air"
    links = clean(mapping(status.get("radio")).get("links"))
    places = mapping(radio).get("link_places")
    of = "" if places is None else f" of {clean(places)}"
    return f"radio: {said}, links {links}{of}"


def _links(radio: Document | None) -> list[Row]:
    if radio is None:
        return [Row((f"each link: {NOT_MEASURED}",), Style.DIM)]
    why = mapping(radio.get("advertising")).get("why")
    rows = [] if why is None else [Row((f"why: {clean(why)}",), Style.WARNING)]
    rows += map(_link, mappings(radio.get("links")))
    failure = mapping(radio.get("last_failure"))
    if failure:
        rows.append(Row((f"last failure: {clean(failure.get('says'))}",), Style.DIM))
    return rows or [Row(("no phone is connected",), Style.DIM)]


def _link(link: Document) -> Row:
    rssi = link.get("rssi")
    point = link.get("point")
    return Row(
        (
            f"link {clean(link.get('number'))}",
            clean(link.get("phase")).replace("_", " "),
            "no RSSI" if rssi is None else f"{clean(rssi)} dBm",
            "" if point is None else f"point {clean(point)}",
        )
    )


def _sparkline(trace: Document | None, signs: Signs) -> Row:
    """Return how long the last unlocks took, the newest last."""
    if trace is None:
        return Row((NOT_MEASURED,), Style.DIM)
    totals = [number(one.get("total_ms")) for one in mappings(trace.get("unlocks"))]
    known = [total for total in totals if total is not None]
    if not known:
        return Row(("none since hubd started",), Style.DIM)
    newest = known[:SPARK_CELLS]
    return Row((spark(newest[::-1], SPARK_CELLS, signs), milliseconds(newest[0])))


def _histogram(measured: Document | None, signs: Signs) -> list[Row]:
    """Return how often it took how long, since hubd started."""
    asked = mapping(mapping(measured).get("strike_asked"))
    bounds = _numbers(asked.get("bounds_seconds"))
    counts = _numbers(asked.get("counts"))
    if bounds is None or counts is None or len(counts) != len(bounds) + 1:
        return [Row((NOT_MEASURED,), Style.DIM)]
    top = max(counts)
    labels = [f"up to {milliseconds(bound * 1000)}" for bound in bounds]
    labels.append(f"over {milliseconds(bounds[-1] * 1000)}" if bounds else "all")
    rows = []
    for label, count in zip(labels, counts, strict=True):
        if count:
            rows.append(Row((label, f"{count:.0f}", bar(count, top, BAR_CELLS, signs))))
    return rows or [Row(("none yet",), Style.DIM)]


def _numbers(value: Any) -> list[float] | None:
    """Return a list of numbers; None when one of them is none."""
    numbers = [number(one) for one in listed(value)]
    known = [one for one in numbers if one is not None]
    return known if len(known) == len(numbers) else None


def counted_decisions(measured: Document | None) -> list[tuple[str, int]]:
    """Return how often each reason was the answer, the most frequent first."""
    counted: Counter[str] = Counter()
    for one in mappings(mapping(measured).get("decisions")):
        count = number(one.get("count"))
        if count is not None:
            counted[clean(one.get("why"))] += int(count)
    return counted.most_common()


def _decisions(measured: Document | None) -> list[Row]:
    if measured is None:
        return [Row((NOT_MEASURED,), Style.DIM)]
    rows = []
    for why, count in counted_decisions(measured):
        rows.append(Row((why, str(count)), Style.GOOD if why == GRANTED else Style.PLAIN))
    return rows or [Row(("none yet",), Style.DIM)]


def _outbox(status: Document) -> list[Row]:
    """Return what waits for the backend, and how the way there is."""
    if not isinstance(status.get("records"), Mapping):
        return [Row((NOT_MEASURED,), Style.DIM), _backend(status.get("backend"))]
    records = mapping(status["records"])
    oldest = records.get("oldest_seconds")
    used = f"{mebibytes(records.get('used_bytes'))} of {mebibytes(records.get('budget_bytes'))} MiB"
    waiting = clean(records.get("waiting"))
    if oldest is not None:
        waiting += f", the oldest for {age(oldest)}"
    rows = [
        _backend(status.get("backend")),
        Row(("records wait", waiting)),
        Row(("records take", used)),
    ]
    telemetry = status.get("telemetry")
    if isinstance(telemetry, Mapping):
        waiting = clean(telemetry.get("waiting"))
        dropped = clean(telemetry.get("dropped"))
        rows.append(Row(("telemetry waits", f"{waiting}, dropped {dropped}")))
    return rows


def _backend(backend: Any) -> Row:
    if backend is None:
        return Row(("backend", "none configured"))
    known = mapping(backend)
    said = [NOT_MEASURED]
    if isinstance(known.get("connected"), bool):
        said = ["connected" if known["connected"] else "NOT connected"]
    said += [clean(known[key]) for key in ("halt", "why") if known.get(key)]
    style = Style.PLAIN if known.get("connected") is True else Style.WARNING
    return Row(("backend", ", ".join(said)), style)
