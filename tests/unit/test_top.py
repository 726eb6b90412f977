"""What hubctl top shows: documents and keys in, lines out."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubctl.top.shown.boxes import boxes
from hubctl.top.shown.columns import shares
from hubctl.top.shown.figures import bar, milliseconds, spark
from hubctl.top.shown.keys import FILTER_CHARS_MAX, Key, State, View, press
from hubctl.top.shown.lines import KEYS, lines
from hubctl.top.shown.plain import Told, facts
from hubctl.top.shown.seen import Seen
from hubctl.top.shown.spans import ASCII, UTF8, Signs, Style, text_of, width_of
from hubctl.top.terminal import signs_of
from tests.unit.test_top_terminal import DOORS, MEASURED, RADIO, TRACE, unlock

STATUS: dict[str, Any] = {
    "hub": "hub-1",
    "site": "site-1",
    "version": "0.1.0",
    "ready": True,
    "problems": [],
    "doors": DOORS,
    "devices": [
        {"id": "light", "name": "Light", "kind": "relay", "position": "on", "faults": []},
        {"id": "south", "name": "South", "kind": "zwave", "position": "open", "faults": ["jammed"]},
    ],
    "records": {"waiting": 4, "oldest_seconds": 200.0, "budget_bytes": 1 << 30, "used_bytes": 0},
    "telemetry": None,
    "backend": {"connected": False, "why": "no answer"},
    "radio": {"on_air": True, "links": 2},
}
SEEN = Seen(0, STATUS, MEASURED, RADIO, TRACE)
ODD_TEXTS = st.text() | st.sampled_from(
    [
        "\x1b[2J",
        "入口の扉",
        "e\u0301\u0301",
        "\u202eabc",
        "👩‍👩‍👧",
        "\ud800",
        "a b" * 200,
        "\t\r\n",
        "",
    ]
)
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**400), max_value=10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | ODD_TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ODD_TEXTS, inner, max_size=4),
    max_leaves=12,
)
WORDS = [
    "id",
    "name",
    "state",
    "mode",
    "orders",
    "alarm",
    "tamper",
    "fault",
    "movers",
    "kind",
    "position",
    "level",
    "age_seconds",
    "answers",
    "faults",
    "readings",
    "number",
    "phase",
    "rssi",
    "point",
    "since",
    "why",
    "count",
    "by",
    "door",
    "at",
    "action",
    "result",
    "steps",
    "step",
    "ms",
    "total_ms",
    "connected",
    "halt",
    "waiting",
    "dropped",
    "oldest_seconds",
    "used_bytes",
    "budget_bytes",
    "on_air",
    "links",
    "says",
    "what",
    "remedy",
    "severity",
]
THINGS = st.lists(st.dictionaries(st.sampled_from(WORDS), ODD, max_size=10), max_size=6)


def document(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional={name: one | ODD for name, one in known.items()})


STATUSES = document(
    hub=ODD,
    site=ODD,
    version=ODD,
    ready=ODD,
    missing=ODD,
    problems=THINGS,
    doors=THINGS,
    devices=THINGS,
    records=st.dictionaries(st.sampled_from(WORDS), ODD),
    telemetry=st.dictionaries(st.sampled_from(WORDS), ODD),
    backend=st.dictionaries(st.sampled_from(WORDS), ODD),
    radio=st.dictionaries(st.sampled_from(WORDS), ODD),
)
NUMBERS = st.lists(st.integers() | st.floats(allow_nan=False, allow_infinity=False), max_size=5)
MEASURES = document(decisions=THINGS, strike_asked=document(bounds_seconds=NUMBERS, counts=NUMBERS))
RADIOS = document(advertising=ODD, links=THINGS, link_places=ODD, last_failure=ODD)
UNLOCKS = st.lists(
    st.fixed_dictionaries({}, optional=dict.fromkeys(WORDS, ODD | THINGS)), max_size=4
)
SEEN_ALL = st.builds(
    Seen,
    st.just(0),
    st.none() | STATUSES,
    st.none() | MEASURES,
    st.none() | RADIOS,
    st.none() | document(unlocks=UNLOCKS),
    st.just("") | st.text("no answer ").map(str.strip),
)
KEYS_ALL = st.sampled_from(Key) | st.sampled_from("q/?ax") | st.characters()
STATES = st.builds(
    State,
    st.sampled_from(View),
    ODD_TEXTS.filter(str.isprintable),
    st.integers(0, 100),
    st.text(st.characters(exclude_categories=["C", "Z"]), max_size=9),
    st.booleans(),
)
SIGNS = st.sampled_from([UTF8, ASCII])


@given(SEEN_ALL | st.none(), STATES, st.integers(-1, 140), st.integers(-1, 40), SIGNS)
@settings(deadline=None)
def test_any_documents_give_lines_of_the_size_of_any_screen(
    seen: Seen | None, state: State, width: int, height: int, signs: Signs
) -> None:
    shown = lines(seen, state, width, height, signs)
    assert len(shown) == (max(height, 0) if width > 0 else 0)
    for one in shown:
        text = text_of(one)
        assert width_of(text) == width
        assert text.isprintable()
        assert signs is UTF8 or text.isascii()


@given(SEEN_ALL, SEEN_ALL, SIGNS)
@settings(deadline=None)
def test_any_documents_give_printable_lines_of_changes(
    one: Seen, other: Seen, signs: Signs
) -> None:
    told = Told(signs)
    for seen in (one, other):
        for line in told.lines(seen, 1_800_000_000.0):
            assert line.isprintable()
            assert signs is UTF8 or line.isascii()
    assert told.lines(other, 1_800_000_001.0) == []


@given(st.lists(KEYS_ALL, max_size=40), st.lists(st.text(max_size=3), max_size=4))
def test_any_keys_lead_somewhere_and_what_is_typed_has_a_ceiling(
    keys: list[Key | str], doors: list[str]
) -> None:
    state = State()
    for key in keys:
        state = press(state, key, doors, 3)
        assert 0 <= state.unlock <= 2
        assert len(state.filter) <= FILTER_CHARS_MAX
        assert state.filter.isprintable()
        assert not state.chosen or state.chosen in doors
    assert press(state._replace(typing=False), "q", doors, 3).ended


def screen(
    seen: Seen = SEEN,
    state: State = State(),  # noqa: B008 - it is a value
    width: int = 110,
    height: int = 30,
) -> str:
    return "\n".join(map(text_of, lines(seen, state, width, height, UTF8)))


def problem(severity: str, what: str) -> dict[str, str]:
    return {"id": what, "severity": severity, "what": what, "remedy": f"mend {what}"}


def test_the_worst_problem_comes_first_with_what_to_do() -> None:
    problems = [problem("info", "later"), problem("error", "now"), problem("warning", "soon")]
    shown = screen(SEEN._replace(status={**STATUS, "problems": problems})).splitlines()
    assert shown[1].startswith("error: now: now")
    assert shown[2].startswith("what to do: mend now")
    assert shown[3].startswith("warning: soon")


def test_many_problems_leave_room_and_are_counted_among_what_is_left_out() -> None:
    problems = [problem("error", f"fault-{at}") for at in range(50)]
    shown = screen(SEEN._replace(status={**STATUS, "problems": problems}), height=24)
    assert "… more problems: hubctl status" in shown
    assert "Front door" in shown


def test_a_long_problem_is_wrapped_and_not_cut() -> None:
    what = " ".join(f"word{at}" for at in range(20))
    one = problem("error", what)
    shown = screen(SEEN._replace(status={**STATUS, "problems": [one]}), width=60, height=60)
    assert what in " ".join(shown.split())


def test_what_is_wrong_comes_first_in_each_box() -> None:
    made = boxes(SEEN, "", UTF8)
    assert made.doors == ["back", "yard", "front"]
    assert [row.style for row in made.left[0].rows] == [Style.ERROR, Style.WARNING, Style.PLAIN]
    assert [row.cells[0] for row in made.left[1].rows] == ["south", "light"]


def test_a_backend_that_is_away_is_told_with_what_waits() -> None:
    shown = screen()
    assert "NOT connected, no answer" in shown
    assert re.search("records wait +4, the oldest for 3 min", shown)


def test_a_hub_without_an_answer_shows_nothing_old() -> None:
    shown = screen(Seen(69, trouble="hubd does not run"))
    assert shown.splitlines()[0].startswith("hubd does not answer")
    assert "hubd does not run" in shown
    assert "Front" not in shown


def test_what_an_older_hub_does_not_measure_looks_like_nothing_that_is_well() -> None:
    for part in ("status", "measured", "radio", "trace"):
        shown = screen(SEEN._replace(**{part: None}))
        assert "not measured" in shown
        assert shown != screen()


def test_the_chosen_door_is_shown_and_marked_among_more_than_find_room() -> None:
    doors = [{**DOORS[0], "id": f"door-{at:02}"} for at in range(80)]
    seen = SEEN._replace(status={**STATUS, "doors": doors})
    shown = lines(seen, State(chosen="door-71"), 80, 24, UTF8)
    (marked,) = [one for one in shown if any(span.style is Style.CHOSEN for span in one)]
    assert text_of(marked).startswith("door-71")
    texts = [text_of(one) for one in shown]
    (left_out,) = [int(found[1]) for one in texts if (found := re.match(r"… (\d+) more", one))]
    assert left_out + sum(text.startswith("door-") for text in texts) == len(doors)


def test_a_filter_leaves_no_problem_out() -> None:
    status = {**STATUS, "problems": [problem("error", "clock")]}
    shown = screen(SEEN._replace(status=status), State(filter="gRaNt"))
    assert "error: clock" in shown
    assert "granted" in shown
    assert "doors, 0 of 3" in shown
    assert "/gRaNt" in shown


def test_the_trace_is_of_one_door_and_shows_each_step() -> None:
    shown = screen(state=State(view=View.TRACE, chosen="back", unlock=1))
    assert "steps of unlock 7" in shown
    assert "21 ms" in shown
    assert "33 ms" not in shown
    assert "2027-01-15T08:00:09.000Z" in shown


def test_steps_without_a_time_were_not_measured() -> None:
    one = {**unlock(1, "front", 5.0), "steps": [{"step": "door_moved", "ms": None}]}
    shown = screen(SEEN._replace(trace={"unlocks": [one]}), State(view=View.TRACE, chosen="front"))
    assert "door moved  not measured" in shown


@pytest.mark.parametrize(
    ("keys", "chosen"),
    [
        ([Key.DOWN], "b"),
        ([Key.DOWN] * 9, "d"),
        ([Key.DOWN, Key.DOWN, Key.UP], "b"),
        ([Key.UP], "a"),
        ([Key.END], "d"),
        ([Key.END, Key.HOME], "a"),
        ([Key.PAGE_DOWN], "d"),
        ([Key.PAGE_DOWN, Key.PAGE_UP], "a"),
    ],
)
def test_keys_choose_a_door(keys: list[Key], chosen: str) -> None:
    state = State()
    for key in keys:
        state = press(state, key, ["a", "b", "c", "d"], 0)
    assert state.chosen == chosen


def test_the_chosen_door_stays_chosen_when_it_gets_another_place() -> None:
    state = press(State(), Key.DOWN, ["a", "b", "c"], 0)
    assert press(state, Key.ENTER, ["c", "b", "a"], 0).chosen == "b"
    assert press(state, Key.ENTER, ["c", "a"], 0).chosen == "c"
    assert press(state, Key.ENTER, [], 0).view is View.HUB


@pytest.mark.parametrize("key", [Key.ESCAPE, Key.LEFT, Key.BACKSPACE, Key.ENTER])
def test_a_trace_is_left_by_each_key_that_goes_back(key: Key) -> None:
    opened = press(State(), Key.ENTER, ["a"], 3)
    assert opened.view is View.TRACE
    assert press(opened, key, ["a"], 3).view is View.HUB


def test_a_filter_is_kept_by_enter_and_dropped_by_escape() -> None:
    state = State()
    for key in ("/", "q", "?", Key.BACKSPACE, Key.UP, Key.ENTER):
        state = press(state, key, ["a"], 0)
    assert (state.filter, state.typing, state.ended, state.view) == ("q", False, False, View.HUB)
    assert press(state, Key.ESCAPE, ["a"], 0).filter == ""
    assert press(press(state, "/", ["a"], 0), Key.ESCAPE, ["a"], 0) == state._replace(filter="")


def test_every_key_stands_in_the_help() -> None:
    shown = screen(state=State(view=View.HELP))
    assert all(says in shown for _, says in KEYS)


def test_rows_share_the_room_fairly() -> None:
    assert shares([3, 9, 2], 8) == [3, 3, 2]
    assert shares([1, 1], 9) == [1, 1]
    assert shares([4, 4], 1) == [1, 0]
    assert shares([], 4) == []


@pytest.mark.parametrize(
    ("values", "drawn"), [([], ""), ([0, 0], "▁▁"), ([1, 4, 8], "▂▅█"), ([9, 9, 1, 8], "▂█")]
)
def test_a_sparkline_has_the_newest_last(values: list[float], drawn: str) -> None:
    assert spark(values, 2 if len(values) > 3 else 9, UTF8) == drawn


def test_a_bar_shows_the_least_there_is() -> None:
    assert bar(1, 10_000, 10, ASCII) == "#"
    assert bar(10, 10, 10, ASCII) == "#" * 10
    assert bar(0, 10, 10, ASCII) == ""


def test_a_time_has_as_many_digits_as_it_is_worth() -> None:
    assert [milliseconds(value) for value in (0.04, 9.96, 33.3, 12_345)] == [
        "0.0 ms",
        "10.0 ms",
        "33 ms",
        "12 s",
    ]


def test_ages_and_signal_strengths_make_no_line() -> None:
    links = [{**RADIO["links"][0], "rssi": -80, "since": 1.0}, RADIO["links"][1]]
    records = {**STATUS["records"], "oldest_seconds": 201.0}
    later = SEEN._replace(radio={**RADIO, "links": links}, status={**STATUS, "records": records})
    told = Told(UTF8)
    assert len(told.lines(SEEN, 1.0)) == len(facts(SEEN))
    assert told.lines(later, 2.0) == []


def test_a_hub_that_comes_again_is_held_against_what_it_said_before() -> None:
    told = Told(UTF8)
    told.lines(SEEN, 1.0)
    down = Seen(69, trouble="hubd does not run")
    assert told.lines(down, 2.0) == ["1970-01-01T00:00:02.000Z  hubd: no answer: hubd does not run"]
    assert told.lines(down, 3.0) == []
    decisions = [{"door": "front", "by": "access", "why": "granted", "count": 1}]
    again = SEEN._replace(measured={"decisions": decisions})
    assert [line.partition("  ")[2] for line in told.lines(again, 4.0)] == [
        "hubd: hub-1 of site site-1, 0.1.0, ready",
        "decided granted: 1",
        "decided out-of-schedule: gone",
    ]


@pytest.mark.parametrize(
    ("environment", "signs"),
    [
        ({"LANG": "de_DE.UTF-8"}, UTF8),
        ({"LANG": "de_DE.utf8@euro"}, UTF8),
        ({"LANG": "de_DE"}, ASCII),
        ({}, ASCII),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, ASCII),
        ({"LANG": "C.UTF-8"}, UTF8),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, ASCII),
        ({"LANG": "C", "LC_CTYPE": "en_US.UTF-8"}, UTF8),
        ({"LANG": "C.UTF-8", "TERM": "linux"}, ASCII),
    ],
)
def test_signs_are_those_that_the_environment_says(
    environment: dict[str, str], signs: Signs
) -> None:
    assert signs_of(environment) is signs
