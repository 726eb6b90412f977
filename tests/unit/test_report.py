"""`hubctl report`: sums over the records of some days, and the page that shows them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import re
import shutil
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.evidence.facts import RecordKind
from hubcore.evidence.records import Record
from hubctl.evidence.opening import open_log
from hubctl.evidence.reading import FIRST_SINCE, window
from hubctl.main import hubctl
from hubctl.report.charts import Band, Bar, bands, columns, rows
from hubctl.report.figures import Figures, latency_rows
from hubctl.report.html import STYLE, page
from hubctl.report.latency import Hour, hours
from hubctl.report.reading import Told, sum_up
from hubctl.report.sums import (
    ALLOWED,
    KEYS_MAX,
    OTHERS,
    SPANS_MAX,
    UNPROVEN,
    Known,
    Span,
    Spread,
    Sums,
    uplink_spans,
)
from hubd.adapters.sqlite.audit import AuditStore

UTC = ZoneInfo("UTC")
HOUR = 3_600_000
DAY = 24 * HOUR
MONDAY = 1_795_996_800_000
"""2026-11-30T00:00:00Z."""
EVIL = '<script>alert("x")</script>\x1b[2J'
PERSON = "tweety"
VOID = frozenset({"meta", "br"})


def said(kind: str, at: int, **facts: Any) -> tuple[int, dict[str, Any]]:
    return at, {"kind": kind, "at": at, "mono": at - MONDAY, **facts}


def summed(*records: tuple[int, dict[str, Any]], zone: ZoneInfo = UTC) -> Sums:
    sums = Sums(zone, {1: "front"})
    for at, facts in records:
        sums.take(at, facts)
    return sums


NIGHT = (
    said("started", MONDAY + HOUR),
    said("access", MONDAY + 9 * HOUR, allowed=True, point=1, asker=PERSON),
    said("door", MONDAY + 9 * HOUR + 2_300, door="front", what="access_taken"),
    said("access", MONDAY + 10 * HOUR, allowed=False, why="no-grant", point=1, asker=PERSON),
    said("remote", MONDAY + 11 * HOUR, allowed=True, point=1, asker="operator-7"),
    said("refused", MONDAY + 12 * HOUR, count=40),
    said("fault", MONDAY + 13 * HOUR, device="shutter", fault="jammed", stands=True),
    said("fault", MONDAY + 14 * HOUR, device="shutter", fault="jammed", stands=False),
    said("stopped", MONDAY + 15 * HOUR),
    said("started", MONDAY + 16 * HOUR),
)
STATUS = {
    "hub": f"hub-1{EVIL}",
    "site": "acme",
    "zone": "UTC",
    "backend": {"connected": True, "since": (MONDAY + 20 * HOUR) / 1000},
    "doors": [{"id": "front", "access_points": [{"number": 1}]}],
    "devices": [{"id": "shutter", "answers": False, "faults": [EVIL]}],
    "problems": [{"severity": "error", "id": "radio", "what": EVIL, "remedy": "Look & see."}],
}


FIRST_HOUR = MONDAY // HOUR + 8
MEASURED: dict[str, Any] = {
    "strike_asked": {"bounds_seconds": [0.01, 0.1, 1.0], "counts": [9, 9, 9, 9]},
    "strike_asked_by_hour": [
        {"hour": FIRST_HOUR + 1, "counts": [0, 1, 0, 1], "sum_seconds": 9.0},
        {"hour": FIRST_HOUR, "counts": [60, 35, 5, 0], "sum_seconds": 2.0},
        {"hour": FIRST_HOUR + 2, "counts": [0, 0, 0, 0], "sum_seconds": 0.0},
    ],
}


def figures(sums: Sums | None = None, status: Any = STATUS, why: str = "") -> Figures:
    sums = sums or summed(*NIGHT)
    sums.finish(MONDAY + DAY, is_up_now=not why)
    uplink = uplink_spans(status.get("backend"), MONDAY, MONDAY + DAY)
    told = {} if why else MEASURED
    return Figures(sums, uplink, status, why, MONDAY, MONDAY + DAY, False, told)


def test_what_is_counted() -> None:
    sums = summed(*NIGHT)
    assert sums.decisions == {ALLOWED: 2, "no-grant": 1, UNPROVEN: 40}
    assert sums.happened["access_taken"][9] == 1
    assert sum(map(sum, sums.happened.values())) == 1
    assert sums.by_door == {"front": 1}
    assert (sums.opening[9].count, sums.opening[9].quantile(0.5)) == (1, 2.4)
    assert sums.device_faults == {"shutter": 1}
    assert sums.heard == {(MONDAY + 11 * HOUR) // HOUR}


def test_hours_are_those_of_the_site() -> None:
    taken = said("door", MONDAY + 9 * HOUR, door="front", what="access_taken")
    assert summed(taken, zone=ZoneInfo("Europe/Berlin")).happened["access_taken"][10] == 1


def test_when_the_hub_ran() -> None:
    sums = summed(*NIGHT)
    sums.finish(MONDAY + DAY, is_up_now=True)
    assert sums.hub == [
        Span(MONDAY + HOUR, MONDAY + 15 * HOUR, Known.UP),
        Span(MONDAY + 15 * HOUR, MONDAY + 16 * HOUR, Known.DOWN),
        Span(MONDAY + 16 * HOUR, MONDAY + DAY, Known.UP),
    ]


def test_a_hub_that_ended_without_a_word_is_not_known_from_its_last_record_on() -> None:
    sums = summed(said("started", MONDAY), said("door", MONDAY + HOUR), said("started", 2 * DAY))
    sums = summed(
        said("started", MONDAY),
        said("door", MONDAY + HOUR, door="front", what="exit"),
        said("started", MONDAY + 3 * HOUR),
        said("door", MONDAY + 4 * HOUR, door="front", what="exit"),
    )
    sums.finish(MONDAY + DAY, is_up_now=False)
    assert [(span.begins - MONDAY, span.ends - MONDAY, span.state) for span in sums.hub] == [
        (0, HOUR, Known.UP),
        (HOUR, 3 * HOUR, Known.NOT_KNOWN),
        (3 * HOUR, 4 * HOUR, Known.UP),
        (4 * HOUR, DAY, Known.NOT_KNOWN),
    ]


def test_a_release_before_a_restart_is_not_the_way_to_an_opening_after_it() -> None:
    sums = summed(
        said("access", MONDAY, allowed=True, point=1),
        said("started", MONDAY + 1000),
        said("door", MONDAY + 2000, door="front", what="access_taken"),
    )
    assert sum(spread.count for spread in sums.opening) == 0


def test_what_the_hub_says_of_its_uplink() -> None:
    at = (MONDAY + HOUR) / 1000
    assert uplink_spans({"connected": False, "since": at}, MONDAY, MONDAY + DAY) == [
        Span(MONDAY, MONDAY + HOUR, Known.NOT_KNOWN),
        Span(MONDAY + HOUR, MONDAY + DAY, Known.DOWN),
    ]
    for nothing in (None, {}, {"connected": 1, "since": at}, {"connected": True, "since": "x"}):
        assert uplink_spans(nothing, 0, 9) == [Span(0, 9, Known.NOT_KNOWN)]


def test_the_sums_take_the_same_room_however_many_records_there_are() -> None:
    sums = Sums(UTC, {1: "front"})
    for number in range(2000):
        at = MONDAY + number * 1000
        sums.take(*said("access", at, allowed=False, why=f"why-{number}"))
        sums.take(*said("started", at + 100))
        sums.take(*said("stopped", at + 200))
        sums.take(*said("fault", at, device=f"d{number}", stands=True))
    assert len(sums.decisions) == len(sums.device_faults) == KEYS_MAX + 1
    assert sums.decisions[OTHERS] == 2000 - KEYS_MAX
    assert len(sums.hub) <= SPANS_MAX + 1
    assert sums.hub[0].state is Known.NOT_KNOWN
    ends = [span.ends for span in sums.hub]
    assert [span.begins for span in sums.hub[1:]] == ends[:-1]


@settings(deadline=None)
@given(st.lists(st.tuples(
    st.sampled_from([*RecordKind, "new"]),
    st.integers(MONDAY, MONDAY + DAY - 1),
    st.dictionaries(
        st.sampled_from(["allowed", "why", "point", "door", "what", "count", "device", "stands",
                         "asker", "uid"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=5)
        | st.sampled_from(["front", "access_taken"]) | st.binary(max_size=3),
    ),
)))  # fmt: skip
def test_any_record_can_be_counted_and_shown(
    records: list[tuple[str, int, dict[str, Any]]],
) -> None:
    sums = summed(*(said(str(kind), at, **facts) for kind, at, facts in records))
    made = figures(sums)
    assert json.dumps(made.document())
    assert Read(page(made)).open == []
    assert all(span.begins < span.ends for span in sums.hub)


def test_how_fast_the_running_hub_was_by_hour() -> None:
    assert figures().latency() == [
        Hour(FIRST_HOUR, 100, half_within=0.01, most_within=0.1),
        Hour(FIRST_HOUR + 1, 2, half_within=0.1, most_within=None),
    ]
    assert latency_rows(figures()) == [
        ("2026-11-30T08:00:00.000Z", "100", "10", "100"),
        ("2026-11-30T09:00:00.000Z", "2", "100", "longer"),
    ]
    assert "Nobody was let in." in page(replace(figures(), measured={}))


def test_of_the_hours_the_newest_are_kept() -> None:
    rows = [{"hour": hour, "counts": [1, 0, 0, 0]} for hour in range(100)]
    told = {**MEASURED, "strike_asked_by_hour": rows}
    assert [one.hour for one in hours(told, 0.5, 0.95)] == list(range(76, 100))


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.just(10**400),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["bounds_seconds", "hour", "counts", "strike_asked"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "strike_asked": st.fixed_dictionaries({"bounds_seconds": JUNK}) | JUNK,
            "strike_asked_by_hour": st.lists(
                st.fixed_dictionaries({"hour": JUNK, "counts": st.lists(JUNK, max_size=3)})
            )
            | JUNK,
        }
    )
)
def test_what_is_no_histogram_is_left_out(told: dict[str, Any]) -> None:
    made = replace(figures(), measured=told)
    assert json.dumps(made.document()["latency"], allow_nan=False)
    assert Read(page(made)).open == []


def test_quantiles() -> None:
    spread = Spread()
    assert spread.quantile(0.5) is None
    for took in (50, 150, 250, 59_999):
        spread.take(took)
    assert (spread.quantile(0.5), spread.quantile(0.95)) == (0.2, 60.0)


# -- the charts --------------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"


def parts(svg: str, tag: str) -> list[ET.Element]:
    return ET.fromstring(svg).findall(f".//{SVG}{tag}")  # noqa: S314 - our own


def test_columns_are_as_high_as_their_numbers() -> None:
    bars = columns("t<", "d&", [Bar("a", 5), Bar("b", 10), Bar("c", None), Bar("<", 0)], "s")
    heights = [float(rect.get("height", "")) for rect in parts(bars, "rect")]
    assert heights == [60.0, 120.0, 0.0]
    assert [title.text for title in parts(bars, "title")] == ["t<", "a: 5 s", "b: 10 s", "<: 0 s"]
    assert [one.text for one in parts(bars, "desc")] == ["d&"]
    assert ET.fromstring(bars).get("role") == "img"  # noqa: S314


def test_rows_are_as_long_as_their_numbers() -> None:
    drawn = rows("t", "d", [Bar("x" * 99, 4), Bar("b", 1), Bar("c", None)])
    lengths = [float(rect.get("width", "")) for rect in parts(drawn, "rect")]
    assert lengths == [180.0, 45.0, 0.0]
    texts = [text.text for text in parts(drawn, "text")]
    assert texts == ["x" * 19 + "…", "4", "b", "1", "c", "not known"]


def test_bands_stand_where_their_times_are() -> None:
    drawn = bands("t", "d", [("hub", [Band(0.25, 0.5, "up", "x"), Band(0.5, 1, "down", "y")])],
                  ("from", "to"))  # fmt: skip
    found = [(rect.get("class"), rect.get("x"), rect.get("width")) for rect in parts(drawn, "rect")]
    assert found == [("up", "90.00", "90.00"), ("down", "180.00", "180.00")]


def test_charts_of_nothing_can_be_drawn() -> None:
    for drawn in (columns("t", "d", [], "s"), rows("t", "d", []), bands("t", "d", [], ("", ""))):
        assert parts(drawn, "rect") == []


# -- the page ----------------------------------------------------------------------------------


class Read(HTMLParser):
    """What a page holds; `open`: the tags that were never closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing() -> None:
    text = page(figures())
    read = Read(text)
    assert read.open == []
    names = {name for name, _ in read.tags}
    assert names.isdisjoint({"script", "link", "img", "iframe", "object", "base", "form", "a"})
    for _, attributes in read.tags:
        assert not [key for key in attributes if key.startswith("on") or key in ("src", "href")]
        assert "style" not in attributes
    (policy,) = [
        meta["content"] for meta in read.named("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]  # fmt: skip
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert f"<style>{STYLE}</style>" in text
    assert "url(" not in STYLE
    assert "prefers-color-scheme:dark" in STYLE


def test_no_text_of_the_hub_is_read_as_markup_and_nobody_is_named() -> None:
    text = page(figures())
    assert "<script" not in text
    assert "\x1b" not in text
    assert "&lt;script&gt;" in text
    for person in (PERSON, "operator-7"):
        assert person not in text
        assert person not in json.dumps(figures().document())


def test_each_chart_has_a_title_a_description_and_a_table_beside() -> None:
    text = page(figures())
    sections = text.split("<section>")[1:]
    assert len(sections) == 7
    for section in sections:
        for svg in re.findall("<svg.*?</svg>", section):
            assert [one.text for one in parts(svg, "desc")] != [None]
            assert "<table>" in section
    assert text.count("<svg") == 6


def test_every_number_is_in_a_table() -> None:
    words = Read(page(figures())).words
    for word in ("allowed", "no-grant", "40", "front", "2.4", "shutter", "up", "down"):
        assert word in words


def test_a_hub_that_does_not_answer_leaves_not_known_behind() -> None:
    text = page(figures(status={}, why="hubd does not answer"))
    assert "Not known: the hub did not answer." in text
    assert "None." not in text
    empty = page(figures(Sums(UTC, {}), status={}, why="down"))
    assert "There were none." in empty
    assert "Not known: no record here says it." in empty


# -- the command -------------------------------------------------------------------------------


def recorded(path: Path, records: Sequence[Record]) -> None:
    async def write() -> None:
        async with await AuditStore.open(path) as store:
            for one in records:
                await store.append(one)

    asyncio.run(write())


def some(days_ago: float, kind: RecordKind = RecordKind.DOOR, **facts: Any) -> Record:
    return Record(kind, int((time.time() - days_ago * 86_400) * 1000), 1, facts)


TAKEN = {"door": "front", "what": "access_taken"}
RECORDS = (
    some(30, **TAKEN),
    some(8, **TAKEN),
    some(3, **TAKEN),
    some(2, RecordKind.ACCESS, allowed=False, why="no-grant", asker=PERSON, point=1),
    some(1, **TAKEN),
)


def report(tmp_path: Path, *words: str) -> Result:
    command = ["report", "--file", str(tmp_path / "audit.db"), "--socket", str(tmp_path / "s")]
    return CliRunner().invoke(hubctl, [*command, *words])


def test_only_the_window_is_read(tmp_path: Path) -> None:
    recorded(tmp_path / "audit.db", RECORDS)
    for days, records in ((1, 0), (7, 3), (9, 4), (60, 5)):
        result = report(tmp_path, "--json", "--days", str(days))
        assert (result.exit_code, json.loads(result.stdout)["records"]) == (0, records)
    with contextlib.closing(open_log(tmp_path / "audit.db")) as connection:
        since_ms = int((time.time() - 4 * 86_400) * 1000)
        assert window(connection, since_ms, 100) == (3, 5, False)
        assert window(connection, since_ms, 2) == (4, 5, True)
        assert window(connection, since_ms + 30 * DAY, 100) == (6, 5, False)


def test_more_records_than_are_read_are_told(tmp_path: Path) -> None:
    recorded(tmp_path / "audit.db", RECORDS)
    shown: list[tuple[int, int]] = []
    sums = Sums(UTC, {})
    with contextlib.closing(open_log(tmp_path / "audit.db")) as connection:
        until = int(time.time() * 1000)
        is_cut = sum_up(
            connection, sums, 0, until, lambda read, of: shown.append((read, of)), count_max=2
        )
    assert (is_cut, sums.records, shown) == (True, 2, [(2, 2)])


def test_the_window_is_found_by_the_index(tmp_path: Path) -> None:
    """Ten million records are not walked through to find where the window begins."""
    recorded(tmp_path / "audit.db", RECORDS)
    with contextlib.closing(open_log(tmp_path / "audit.db")) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {FIRST_SINCE}", (1,)).fetchall()
    assert [row[3] for row in plan] == [
        "SEARCH records USING COVERING INDEX records_at_ms (at_ms>?)"
    ]


def test_the_page_is_written_for_this_user_alone(tmp_path: Path) -> None:
    recorded(tmp_path / "audit.db", RECORDS)
    result = report(tmp_path, "--html", str(tmp_path / "r.html"))
    assert (result.exit_code, result.stdout) == (
        0, f"{tmp_path}/r.html: 3 records of 7 days.\n"
    )  # fmt: skip
    assert (tmp_path / "r.html").stat().st_mode & 0o777 == 0o600
    text = (tmp_path / "r.html").read_text()
    assert "no-grant" in text
    assert PERSON not in text


def test_as_text(tmp_path: Path) -> None:
    recorded(tmp_path / "audit.db", RECORDS)
    result = report(tmp_path)
    assert result.exit_code == 0
    assert "no-grant" in result.stdout
    assert "what only the running hub says: hubd does not answer" in result.stdout
    assert PERSON not in result.stdout


def test_no_evidence_no_file(tmp_path: Path) -> None:
    result = report(tmp_path, "--json", "--html", str(tmp_path / "r.html"))
    assert (result.exit_code, result.stdout) == (66, "")
    assert json.loads(result.stderr)["error"]["code"] == "unreadable"
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    recorded(tmp_path / "audit.db", RECORDS)
    result = report(tmp_path, "--json", "--html", str(tmp_path / "none" / "r.html"))
    assert (result.exit_code, result.stdout) == (74, "")
    assert json.loads(result.stderr)["error"]["code"] == "unwritable"


def test_evidence_that_is_broken_is_told(tmp_path: Path) -> None:
    recorded(tmp_path / "audit.db", RECORDS)
    import sqlite3

    with contextlib.closing(sqlite3.connect(tmp_path / "audit.db")) as connection:
        connection.execute("UPDATE records SET body = x'00' WHERE number = 4")
        connection.commit()
    result = report(tmp_path, "--json")
    assert (result.exit_code, json.loads(result.stdout)["holds"]) == (1, False)
    assert "record 4" in json.loads(result.stdout)["why"]


def test_the_zone_of_a_hub_that_names_none() -> None:
    for zone in (None, 3, "Nowhere/Land", "../etc/passwd", ""):
        assert Told({"zone": zone}).zone == UTC
    assert Told({"doors": [{"id": 1}, 3, STATUS["doors"][0]]}).doors() == {1: "front"}


BROWSERS = ("chromium", "chromium-headless-shell", "google-chrome")
"""The second is what CI installs: 96 MB to fetch, and no desktop."""
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
WIDTHS = (320, 1280)
FRAMED = """<!DOCTYPE html><body><script>
const frame = document.createElement("iframe");
frame.width = {width}; frame.height = 800; frame.src = "{page}";
frame.onload = () => {{
  const inside = frame.contentDocument;
  inside.querySelectorAll("details").forEach((one) => one.open = true);
  const drawn = [...inside.querySelectorAll("svg")].map((one) => one.getBoundingClientRect().width);
  const bar = inside.defaultView.getComputedStyle(inside.querySelector(".bar")).fill;
  document.title = JSON.stringify(
    {{wide: inside.documentElement.scrollWidth, drawn: drawn, bar: bar}});
}};
document.body.append(frame);
</script>"""


@pytest.mark.skipif(
    CHROMIUM is None, reason="no browser here: apt-get install chromium-headless-shell"
)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_browser_shows_it_at_this_width(tmp_path: Path, width: int) -> None:
    (tmp_path / "r.html").write_text(page(figures()))
    (tmp_path / "frame.html").write_text(FRAMED.format(width=width, page="r.html"))
    done = subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu",
         "--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'profile'}",
         "--virtual-time-budget=10000", "--dump-dom", f"file://{tmp_path}/frame.html"],
        check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    titled = re.search("<title>(.*?)</title>", done.stdout)
    assert titled is not None, done.stdout
    measured = json.loads(titled.group(1))
    assert measured["wide"] <= width
    assert len(measured["drawn"]) == 6
    assert all(width * 0.5 <= drawn or drawn >= 600 for drawn in measured["drawn"])
    assert measured["bar"] == "rgb(31, 95, 168)"  # the style was let in by its hash
