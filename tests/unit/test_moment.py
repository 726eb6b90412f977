"""One form of time, everywhere."""

from __future__ import annotations

import io
import json
import math
import re
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hubcore.timing.moment import show_ms, show_seconds
from hubctl.show import event_line, status_page
from hubd.adapters.host import log

FORM = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z")


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_a_moment_keeps_its_form_and_its_milliseconds(at_ms: int) -> None:
    text = show_ms(at_ms)
    assert FORM.fullmatch(text)
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    assert round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000) == at_ms


@given(st.integers() | st.floats())
def test_every_number_is_shown_as_something(at: float) -> None:
    assert show_seconds(at).isprintable()


def test_what_is_no_moment_is_shown_as_it_is() -> None:
    assert show_ms(1 << 62) == f"{1 << 62} ms"
    assert show_seconds(math.inf) == "inf s"
    assert show_seconds(math.nan) == "nan s"


def test_status_events_and_both_kinds_of_log_show_the_same_form() -> None:
    backend = {"connected": False, "since": 1.5, "last_welcome": 1.5}
    page = status_page(
        {"since": 1.5, "clock": {"state": "trusted", "wall": 1.5}, "backend": backend}
    )
    assert page.plain().count("1970-01-01T00:00:01.500Z") == 4
    assert event_line({"event": "granted", "at": 1.5}).startswith(
        "1970-01-01T00:00:01.500Z  granted"
    )
    for human in (True, False):
        journal = io.StringIO()
        log.set_up("info", journal, human)
        log.get_logger().info("granted")
        line = journal.getvalue()
        assert FORM.fullmatch(line.split()[0] if human else json.loads(line)["time"])


def test_nothing_else_in_hubd_shows_a_moment() -> None:
    """The time of day at the doors is the site's own: it is what schedules are compared with."""
    root = Path(__file__).parents[2]
    own = {"hubcore/timing/moment.py", "hubd/start/checkconfig/machine.py"}
    form = re.compile(r"isoformat|strftime|%Y-|%H:|TimeStamper|ctime\(")
    files = [
        file
        for top in ("hubcore", "drivers", "hubd", "hubctl")
        for file in (root / top).rglob("*.py")
    ]
    assert len(files) > 60
    found = {
        str(file.relative_to(root))
        for file in files
        if form.search(file.read_text(encoding="utf-8"))
    }
    assert found == own
