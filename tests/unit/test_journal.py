"""Log lines with fields to journald: what it gets, when it is asked, and what happens when it is
full, gone, or gets too much.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.evidence.facts import FACTS, Fact, Shown
from hubd.adapters.host import log
from hubd.adapters.host.linepace import LEFT_OUT, LINES, LinePace
from hubd.adapters.journal.fields import FIELDS, PRIORITIES, VALUE_CHARS_MAX, fields_of
from hubd.adapters.journal.native import DATAGRAM_BYTES_MAX, datagram, leads_to_journald
from tests.fakes.journald import FakeJournald, read_entry

MANY = 5000
"""More than the socket holds: the kernel keeps some hundred datagrams (net.unix.max_dgram_qlen)."""


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = before
    log.set_up("info", sys.stderr)


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[FakeJournald]:
    made = FakeJournald(tmp_path / "socket")
    yield made
    made.close()


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[TextIO]:
    """What systemd made standard error; here a file, so that a test can read it."""
    with (tmp_path / "stderr").open("w+", encoding="utf-8") as opened:
        yield opened


def names(stream: TextIO) -> dict[str, str]:
    about = os.fstat(stream.fileno())
    return {"JOURNAL_STREAM": f"{about.st_dev}:{about.st_ino}"}


def set_up(stream: TextIO, journald: FakeJournald, pace: LinePace | None = None) -> None:
    log.set_up("info", stream, pace=pace, environment=names(stream), journald=journald.path)


def said_on(stream: TextIO) -> list[dict[str, Any]]:
    stream.seek(0)
    return [json.loads(line) for line in stream]


def test_a_line_comes_with_its_fields_and_is_as_it_was(
    stream: TextIO, journald: FakeJournald
) -> None:
    set_up(stream, journald)
    facts = {"door": "front", "link": 7, "why": "no-grant", "reader": "gate", "device": "south"}
    log.get_logger().warning("access", asker="anna…", point=1, **facts)
    (entry,) = journald.entries()
    line = json.loads(entry.pop("MESSAGE"))
    assert entry == {
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "hubd",
        "EVENT": "access",
        "DOOR": "front",
        "LINK": "7",
        "REASON": "no-grant",
        "READER": "gate",
        "DEVICE": "south",
    }
    assert list(line)[:3] == ["event", "level", "time"]
    assert line == {
        "event": "access", "level": "warning", "time": line["time"], "asker": "anna…",
        "point": 1, **facts,
    }  # fmt: skip
    assert said_on(stream) == []


def test_the_stream_gets_the_same_line(stream: TextIO, journald: FakeJournald) -> None:
    """What a search of the journal for words found, it finds with fields too."""
    set_up(stream, journald)
    log.get_logger().info("door", door="front", what="forced")
    log.set_up("info", stream, environment={}, journald=journald.path)
    log.get_logger().info("door", door="front", what="forced")
    (entry,) = journald.entries()
    by_fields = json.loads(entry["MESSAGE"])
    (by_stream,) = said_on(stream)
    assert {**by_fields, "time": ""} == {**by_stream, "time": ""}


@pytest.mark.parametrize("level", PRIORITIES)
def test_each_level_has_its_priority(stream: TextIO, journald: FakeJournald, level: str) -> None:
    log.set_up("debug", stream, environment=names(stream), journald=journald.path)
    getattr(log.get_logger(), level)("said")
    assert [entry["PRIORITY"] for entry in journald.entries()] == [PRIORITIES[level]]
    assert set(PRIORITIES) == set(log.LEVELS)


def test_only_a_stream_that_systemd_connected_leads_to_journald(
    stream: TextIO, tmp_path: Path
) -> None:
    right = names(stream)
    assert leads_to_journald(stream, right)
    with (tmp_path / "elsewhere").open("w") as led_elsewhere:
        assert not leads_to_journald(led_elsewhere, right)
    assert not leads_to_journald(io.StringIO(), right)
    for said in ("", "1:2:3", "no", ":"):
        assert not leads_to_journald(stream, {"JOURNAL_STREAM": said})
    assert not leads_to_journald(stream, {})


def test_elsewhere_the_lines_go_as_before(stream: TextIO, journald: FakeJournald) -> None:
    log.set_up("info", stream, environment={}, journald=journald.path)
    log.get_logger().info("said")
    assert [line["event"] for line in said_on(stream)] == ["said"]
    assert journald.entries() == []


def test_a_full_socket_costs_no_time_and_the_stream_takes_what_does_not_fit(
    stream: TextIO, journald: FakeJournald
) -> None:
    """It would stand still here if a write waited: nobody reads until all were written."""
    set_up(stream, journald)
    for number in range(MANY):
        log.get_logger().info("said", number=number)
    came = [json.loads(entry["MESSAGE"])["number"] for entry in journald.entries()]
    assert 0 < len(came) < MANY
    assert [*came, *(line["number"] for line in said_on(stream))] == list(range(MANY))
    log.get_logger().info("after")
    assert [entry["EVENT"] for entry in journald.entries()] == ["after"]


def test_what_neither_takes_is_lost_and_the_next_line_tells(journald: FakeJournald) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with open(writer, "w", encoding="utf-8") as full, open(reader, "rb", buffering=0) as end:
        set_up(full, journald)
        for number in range(MANY):
            log.get_logger().info("said", number=number, text="x" * 60)
        sent = len(journald.entries())
        came = end.read(1 << 20)
        log.get_logger().info("after")  # journald takes it
        came += end.read(1 << 20)
        *said, notice = [json.loads(line) for line in came.splitlines()]
        assert [entry["EVENT"] for entry in journald.entries()] == ["after"]
    assert notice["event"] == "lines lost"
    assert 0 < notice["lost"] == MANY - sent - len(said)


def test_lines_of_one_kind_are_paced_as_before(stream: TextIO, journald: FakeJournald) -> None:
    set_up(stream, journald, LinePace(monotonic=lambda: 0.0))
    burst = int(LINES.burst)
    came = 0
    for _ in range(burst + 40):
        log.get_logger().info("refused")
        came += len(journald.entries())
    assert came == burst
    log._tell_left_out()
    (entry,) = journald.entries()
    assert (entry["EVENT"], json.loads(entry["MESSAGE"])["count"]) == (LEFT_OUT, 40)


def test_while_journald_cannot_be_reached_the_stream_takes_the_lines(
    stream: TextIO, journald: FakeJournald
) -> None:
    set_up(stream, journald)
    journald.close()
    log.get_logger().info("gone")
    assert [line["event"] for line in said_on(stream)] == ["gone"]
    back = FakeJournald(journald.path)
    log.get_logger().info("back")
    assert [entry["EVENT"] for entry in back.entries()] == ["back"]
    back.close()


def test_a_line_that_is_too_long_for_journald_goes_to_the_stream(
    stream: TextIO, journald: FakeJournald
) -> None:
    set_up(stream, journald)
    log.get_logger().info("long", parts=["x" * 1999] * 50)
    (line,) = said_on(stream)
    assert len(json.dumps(line)) > DATAGRAM_BYTES_MAX
    assert journald.entries() == []


TEXT = st.text(st.characters(exclude_categories=()), max_size=60)


@settings(deadline=None)
@given(TEXT, TEXT, TEXT)
def test_no_value_makes_a_field_of_its_own(line: str, door: str, why: str) -> None:
    entry = read_entry(datagram(line, {"DOOR": door, "REASON": why}))
    expected = {"MESSAGE": line, "SYSLOG_IDENTIFIER": "hubd", "DOOR": door, "REASON": why}
    written = {
        name: value.encode("utf-8", "backslashreplace").decode() for name, value in expected.items()
    }
    assert entry == written


def test_a_forged_field_in_a_value_is_none(stream: TextIO, journald: FakeJournald) -> None:
    set_up(stream, journald)
    log.get_logger().info("access", door="front\nPRIORITY=0\n_UID=0", why="a\0b\x1b[2J")
    (entry,) = journald.entries()
    assert (entry["PRIORITY"], entry["DOOR"]) == ("6", "front\nPRIORITY=0\n_UID=0")
    assert set(entry) == {"MESSAGE", "SYSLOG_IDENTIFIER", "PRIORITY", "EVENT", "DOOR", "REASON"}


def test_no_secret_and_no_person_becomes_a_field() -> None:
    """A fact that names somebody is no field, not even its beginning."""
    shown_whole = {str(fact) for fact, kind in FACTS.items() if kind.shown is Shown.WHOLE}
    assert set(FIELDS) - {"event", "link"} <= shown_whole
    assert {str(Fact.UID), str(Fact.ASKER)}.isdisjoint(FIELDS)
    assert fields_of({"level": "info", "asker": "anna", "key": "k"}) == {"PRIORITY": "6"}


def test_the_page_names_every_field() -> None:
    page = (Path(__file__).parents[2] / "docs/hubctl.md").read_text()
    section = page.partition("\n## The journal\n")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `([A-Z]+)` \|", section, re.M)
    assert sorted(named) == sorted([*FIELDS.values(), "PRIORITY"])
    assert f"more than {VALUE_CHARS_MAX} characters" in section


def test_a_value_that_nobody_would_type_has_no_field() -> None:
    fields = fields_of({"level": "no", "why": "x" * (VALUE_CHARS_MAX + 1), "door": ["front"]})
    assert fields == {"PRIORITY": "3"}
