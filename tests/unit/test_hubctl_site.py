"""`hubctl --site`: its help, its words, its exit statuses, and a bridge that says odd things."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubbridge.local.acts import WAIT_SECONDS
from hubcore.localapi import BRIDGE_ACTORS_GROUP, BRIDGE_READERS_GROUP, BRIDGE_SOCKET
from hubctl.main import hubctl
from hubctl.options import with_shared
from hubctl.shell.completion import Names, SiteNames, candidates
from hubctl.shell.fields import without_output
from hubctl.shell.site import OF_COMMAND, QUESTIONS, SITE
from hubctl.site import giving
from hubctl.site.asking import SOCKET_VARIABLE
from hubctl.site.pages.events import event_line
from hubctl.site.pages.looks import hub_page, status_page
from hubctl.site.pages.orders import answer_text, given_page
from hubctl.site.pages.troubles import troubles
from hubctl.table import LOOK, find
from hublocal.calls import ANSWER_BYTES_MAX, TAIL
from hublocal.roles import Role
from hubterm import deadline
from hubterm.exits import NO, NO_ANSWER, OK, TRY_AGAIN, USAGE
from hubupdate.mirror.board import CacheBoard
from hubupdate.mirror.mirror import Mirrored
from tests.fakes.daemon import Daemon, documents
from tests.unit.test_bridge_local import Bench

NOW = 1_800_000_000.0
HUB: dict[str, Any] = {
    "hub": "hub-1",
    "phase": "speaking",
    "since": NOW,
    "heard_at": NOW,
    "version": "1.2",
    "policy_version": 7,
    "clock_ahead_seconds": 0.2,
    "certificate_ends": NOW + 90 * 86_400,
    "newest_record": 9,
    "held_record": 9,
    "waiting_records": 3,
    "unsigned_records": 0,
    "missing_records": 0,
    "doubt": None,
    "alarms_standing": 0,
    "doors_under": [],
}
STATUS: dict[str, Any] = {
    "site": "site-1",
    "bridge": "bridge-1",
    "version": "1.2",
    "since": NOW,
    "at": NOW,
    "clock": "trusted",
    "disk_full": False,
    "backend": {"phase": "speaking", "why": "", "gateway": "gw", "heard_seconds": 3},
    "used_bytes": 1,
    "budget_bytes": 2,
    "certificate_ends": NOW + 100 * 86_400,
    "certificate_next": "none",
    "orders_by": "this bridge",
    "orders_here": True,
    "hubs": [HUB],
    "orders": 1,
    "alarms": [{"hub": "hub-1", "what": "forced", "at": NOW, "record": 4, "ahead": True}],
}
GIVEN: dict[str, Any] = {
    "order": "ab" * 16,
    "what": "lockdown at all doors",
    "hub": None,
    "by": "anna",
    "given_at": NOW,
    "until": NOW + 60,
    "hubs": [{"hub": "hub-1", "connected": True, "answer": "taken", "detail": ""}],
    "answered": 1,
    "complete": True,
}
DOORS: dict[str, Any] = {
    "since": NOW,
    "doors": [{"hub": "hub-1", "door": "front", "what": "forced", "at": NOW, "alarms": ["forced"]}],
    "doors_left_out": 4,
    "standing": [
        {
            "hub": "hub-1",
            "order": "no_entry",
            "where": "all doors",
            "given_by": "site",
            "since": NOW,
            "until": None,
        }
    ],
}
READINGS: dict[str, Any] = {
    "readings": [
        {
            "hub": "hub-1",
            "device": "boiler",
            "quantity": "temperature",
            "value": 61.5,
            "unit": "degC",
            "age_seconds": 75,
        }
    ]
}
ORDERS: dict[str, Any] = {
    "orders": [
        {
            **GIVEN,
            "hub": "hub-1",
            "taken": 1,
            "missing": 0,
            "missing_hubs": [],
            "missing_connected": 0,
        }
    ]
}
ANSWERS: dict[str, Any] = {
    "site-status": STATUS,
    "site-hub": {**HUB, **DOORS, **READINGS, "gaps": [[3, 5]], "alarms": STATUS["alarms"]},
    "site-doors": DOORS,
    "site-readings": READINGS,
    "site-orders": ORDERS,
    "site-order": GIVEN,
    "site-answers": GIVEN,
    "site-release": GIVEN,
    "site-credential": GIVEN,
}
LOOKS = ("status", "hub hub-1", "doors", "readings", "orders")


def type_at(socket: Path | str, *words: str) -> Result:
    return CliRunner().invoke(hubctl, ["--site", "--socket", str(socket), *words])


def examples_in(text: str) -> Iterator[str]:
    _, _, part = text.partition("Examples:\n")
    for line in part.partition("\n\n")[0].splitlines():
        yield re.split(r"\s{2,}", line.strip())[0]


def refusal_of(words: str, typed: str) -> str:
    first, site, *rest = shlex.split(typed)
    found = find(rest, SITE)
    if (first, site) != ("hubctl", "--site") or found is None or found.row.words != words:
        return f"{typed} is another command"
    command = with_shared(found.row.load())
    try:
        command.make_context(words, without_output(found.rest).rest).close()
    except click.UsageError as error:
        return f"{typed}: {error.format_message()}"
    finally:
        deadline.end()
    return ""


@pytest.mark.parametrize("words", [row.words for row in SITE])
def test_each_command_has_help_and_examples_that_can_be_typed(words: str) -> None:
    """table, law 2"""
    shown = CliRunner().invoke(hubctl, ["--site", *words.split(), "--help"])
    assert shown.exit_code == 0, shown.output
    examples = list(examples_in(shown.stdout))
    assert examples == [one.typed for one in OF_COMMAND[words]]
    assert [refused for one in examples if (refused := refusal_of(words, one))] == []


def test_an_example_that_cannot_be_typed_is_noticed() -> None:
    assert refusal_of("doors", "hubctl --site readings")
    assert refusal_of("doors", "hubctl doors")
    assert refusal_of("lockdown", "hubctl --site lockdown --for soon")
    assert refusal_of("hold-open", "hubctl --site hold-open")
    assert set(OF_COMMAND) == {row.words for row in SITE}


def test_the_first_page_of_a_site_has_its_commands_and_no_others() -> None:
    shown = CliRunner().invoke(hubctl, ["--site"], prog_name="hubctl").stdout
    for question in QUESTIONS:
        assert question.typed in shown
        assert not refusal_of(question.typed.split()[2], question.typed)
    for row in SITE:
        assert row.words in shown
    assert "audit verify" not in shown
    assert "lockdown end" not in CliRunner().invoke(hubctl, []).stdout


def test_a_word_that_is_none_is_answered_by_one_that_is_near() -> None:
    said = CliRunner().invoke(hubctl, ["--site", "lokdown"], prog_name="hubctl")
    assert (said.exit_code, said.stdout) == (USAGE, "")
    assert "Did you mean 'lockdown'?" in said.stderr
    said = CliRunner().invoke(hubctl, ["--site", "lockdown", "edn"], prog_name="hubctl")
    assert said.exit_code == USAGE
    assert "lockdown takes no name. Did you mean lockdown end?" in said.stderr


def test_the_document_has_each_command_and_each_call_with_who_may_make_it() -> None:
    text = (Path(__file__).parents[2] / "docs" / "bridge.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `hubctl --site ([^`]+)` \| .* \| (yes|) ?\|$", text, re.M)
    acts = {row.words: row.section != LOOK for row in SITE}
    assert {words: who == "yes" for words, who in rows} == acts
    called = dict(re.findall(r"^\| (`site-.*?) \| (.*?) \|$", text, re.M))
    documented = {
        name: who for names, who in called.items() for name in re.findall("`(.+?)`", names)
    }
    who = {Role.LOOK: "who can connect", Role.ACT: f"group `{BRIDGE_ACTORS_GROUP}`, root"}
    bench = Bench()
    calls = {one.name: who[one.role] for one in bench.calls()}
    assert documented == {**calls, TAIL: who[Role.LOOK]}
    for sentence in (
        f"ends when all that are here have, or after {giving.ANSWER_SECONDS:g} s",
        f"`seconds` ({WAIT_SECONDS} at most)",
        f"No answer is longer than {ANSWER_BYTES_MAX >> 20} MiB",
        BRIDGE_SOCKET,
        SOCKET_VARIABLE,
    ):
        assert sentence in " ".join(text.split())


def test_a_point_needs_one_hub(tmp_path: Path) -> None:
    for hubs in ([], ["--hub", "hub-1", "--hub", "hub-2"]):
        said = type_at(tmp_path / "none", "lockdown", "--point", "3", *hubs)
        assert said.exit_code == USAGE
        assert "one --hub" in said.stderr


def test_a_bridge_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = type_at(tmp_path / "none", "status")
    assert said.exit_code == NO_ANSWER
    assert "hubbridge does not run" in said.stderr
    assert "journalctl -u hubbridge" in said.stderr
    assert BRIDGE_READERS_GROUP == "hubbridge"


def test_the_environment_names_another_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBBRIDGE_SOCKET", str(tmp_path / "there"))
    monkeypatch.setenv("HUBD_SOCKET", str(tmp_path / "not-there"))
    said = CliRunner().invoke(hubctl, ["--site", "status"])
    assert f"{tmp_path / 'there'}:" in said.stderr


@pytest.mark.parametrize("words", LOOKS)
def test_a_look_is_shown_and_is_one_document(tmp_path: Path, words: str) -> None:
    with Daemon(tmp_path / "s", documents(ANSWERS)):
        shown = type_at(tmp_path / "s", *words.split())
        document = type_at(tmp_path / "s", *words.split(), "--json")
    assert (shown.exit_code, document.exit_code) == (OK, OK), shown.output + document.output
    assert "hub-1" in shown.stdout
    assert json.loads(document.stdout)["schema"] == 1


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"disk_full": True}, "disk is full"),
        ({"orders_here": False, "orders_by": "no key"}, "nobody can order here: no key"),
        ({"orders_unkept": 2}, "does not keep 2 orders"),
        ({"clock": "before_build"}, "timedatectl"),
        ({"hubs": [{**HUB, "phase": "away"}]}, "decides alone"),
        ({"hubs": [{**HUB, "doubt": "fork"}]}, "set back"),
        ({"hubs": [{**HUB, "alarms_standing": 2}]}, "hubctl --site hub hub-1"),
        ({"hubs": [{**HUB, "certificate_ends": NOW - 1}]}, "has ended"),
    ],
)
def test_what_cannot_wait_comes_first_and_is_the_exit_status(
    tmp_path: Path, change: dict[str, Any], part: str
) -> None:
    with Daemon(tmp_path / "s", documents({"site-status": {**STATUS, **change}})):
        shown = type_at(tmp_path / "s", "status")
    assert shown.exit_code == NO
    assert shown.stdout.startswith("error: ")
    assert part in shown.stdout


def test_a_cache_of_updates_that_hubs_take_nothing_from_is_wrong_too(tmp_path: Path) -> None:
    board = tmp_path / "cache.json"
    words = ("--site", "--socket", str(tmp_path / "s"), "status", "--cache", str(board))
    CacheBoard(board).fresh(Mirrored(1, 1, 0), time.time() + 604_800, time.time())
    with Daemon(tmp_path / "s", documents({"site-status": STATUS})):
        assert CliRunner().invoke(hubctl, words).exit_code == OK
        CacheBoard(board).fresh(Mirrored(1, 1, 0), time.time() - 1, time.time())
        shown = CliRunner().invoke(hubctl, words)
        document = json.loads(CliRunner().invoke(hubctl, [*words, "--json"]).stdout)
    assert shown.exit_code == NO
    assert shown.stdout.startswith("error: cache-old: its lists ended")
    assert [one["id"] for one in document["cache_problems"]] == ["cache-old"]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"clock_ahead_seconds": -31.0}, "-31 s"),
        ({"certificate_ends": NOW + 3 * 86_400}, "ends in 3 days"),
        ({"missing_records": 5}, "5 of its records"),
    ],
)
def test_what_can_wait_is_a_warning(change: dict[str, Any], part: str) -> None:
    found = list(troubles({**STATUS, "hubs": [{**HUB, **change}]}))
    assert [one.severity for one in found] == ["warning"]
    assert part in found[0].what
    assert list(troubles(STATUS)) == []


@pytest.mark.parametrize(
    ("days", "following", "severity", "said"),
    [
        (13, "asked", "warning", "ends in 13 days: it has asked for the next one"),
        (-1, "none", "error", "has ended: none is asked for"),
        (13, "x\x1b[2J", "warning", "ends in 13 days: x"),
    ],
)
def test_the_bridges_own_certificate_is_told_before_it_ends(
    days: int, following: str, severity: str, said: str
) -> None:
    status = {**STATUS, "certificate_ends": NOW + days * 86_400, "certificate_next": following}
    (found,) = [one for one in troubles(status) if one.id == "certificate"]
    assert found.severity == severity
    assert said in found.what
    assert "hubissuer renew-bridge bridge-1" in found.remedy
    assert "\x1b" not in found.what
    assert not [one for one in troubles(STATUS) if one.id == "certificate"]


def test_a_hub_shows_how_many_records_wait_for_its_signature() -> None:
    plain = hub_page({**HUB, "unsigned_records": 0}, NOW).plain()
    waiting = hub_page({**HUB, "unsigned_records": 2}, NOW).plain()
    assert "signature" not in plain
    assert "3 wait for the backend (2 of them for this hub's signature)" in waiting


@pytest.mark.parametrize("way", [{"heard_seconds": None}, {"heard_seconds": 4000}])
def test_a_backend_that_is_away_is_a_warning(way: dict[str, Any]) -> None:
    found = list(troubles({**STATUS, "backend": way}))
    assert [(one.severity, one.id) for one in found] == [("warning", "backend")]
    assert list(troubles({**STATUS, "backend": None})) == []


def hub(answer: str | None, connected: bool = True, detail: str = "") -> dict[str, Any]:
    return {"hub": "hub-2", "connected": connected, "answer": answer, "detail": detail}


@pytest.mark.parametrize(
    ("other", "status"),
    [
        (hub("taken"), OK),
        (hub("refused", detail="he may not"), NO),
        (hub("busy"), NO),
        (hub(None), TRY_AGAIN),
        (hub(None, connected=False), TRY_AGAIN),
    ],
)
def test_the_exit_status_says_whether_all_doors_are_as_asked(
    other: dict[str, Any], status: int
) -> None:
    """giving, law 2"""
    answer = {**GIVEN, "hubs": [*GIVEN["hubs"], other]}
    assert giving.judge([answer]) == status
    assert giving.judge([GIVEN, answer]) == status
    page = given_page([answer]).plain()
    assert answer_text(other) in page
    assert page.startswith("error: hub-2") is (status != OK)


def test_an_order_that_the_bridge_does_not_keep_is_told_and_done_all_the_same() -> None:
    answer = {**GIVEN, "kept": False}
    page = given_page([answer]).plain()
    assert page.startswith("warning: disk: the bridge's disk does not keep this order")
    assert "give it again" in page
    assert giving.judge([answer]) == OK
    assert "disk" not in given_page([{**GIVEN, "kept": True}]).plain()


def test_an_end_of_what_another_bridge_gave_is_told() -> None:
    page = given_page([{**GIVEN, "ends_nothing": True}]).plain()
    assert page.startswith("warning: end: no such order was given at this bridge")
    assert "end it there, too" in page
    assert "end:" not in given_page([{**GIVEN, "ends_nothing": False}]).plain()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, "none"),
        ({"policy_version": 5}, "version 5, whole"),
        ({"policy_version": 5, "policy_coming": 6}, "version 5, whole; version 6 is on its way"),
        ({"policy_coming": 6}, "none; version 6 is on its way"),
    ],
)
def test_the_policy_at_the_bridge_is_shown(found: dict[str, Any], said: str) -> None:
    lines = status_page({**STATUS, **found}).plain().splitlines()
    (line,) = [one for one in lines if "policy here" in one]
    assert line.endswith(said)


def test_an_order_that_no_hub_hears_is_not_done() -> None:
    assert giving.judge([{**GIVEN, "hubs": []}]) == TRY_AGAIN


def test_acts_say_what_they_are_about(tmp_path: Path) -> None:
    with Daemon(tmp_path / "s", documents(ANSWERS)) as daemon:
        for words in (
            "lockdown --for 2h",
            "lockdown end --hub hub-1 --hub hub-2",
            "no-entry --hub hub-1 --point 3",
            "hold-open --for 30min",
            "release hub-1 --point 2 --for 10s",
            "disable 3fa9c2 --for 2d",
            "enable 3fa9c2",
        ):
            said = type_at(tmp_path / "s", *words.split())
            assert said.exit_code == OK, said.output
            assert "lockdown at all doors, by anna" in said.stdout
    assert list(zip(daemon.asked, daemon.arguments, strict=True)) == [
        ("site-order", {"order": "lockdown", "on": True, "seconds": 7200}),
        ("site-order", {"order": "lockdown", "on": False, "hub": "hub-1"}),
        ("site-order", {"order": "lockdown", "on": False, "hub": "hub-2"}),
        ("site-order", {"order": "no-entry", "on": True, "hub": "hub-1", "point": 3}),
        ("site-order", {"order": "hold-open", "on": True, "seconds": 1800}),
        ("site-release", {"hub": "hub-1", "point": 2, "seconds": 10}),
        ("site-credential", {"credential": "3fa9c2", "on": True, "seconds": 172_800}),
        ("site-credential", {"credential": "3fa9c2", "on": False}),
    ]


def test_an_event_is_one_line_with_its_hub() -> None:
    event = {"event": "alarm", "hub": "hub-1", "at": NOW, "what": "forced\x1b[2J", "was_at": NOW}
    line = event_line(event)
    assert "hub-1" in line
    assert line.isprintable()
    assert "the site" in event_line({"event": "order_given", "at": NOW})


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_a_bridge_says_ends_with_a_status_and_printable_text(
    tmp_path: Path, data: st.DataObject
) -> None:
    """pages, law 1"""
    odd = data.draw(ODD)
    call = data.draw(st.sampled_from(sorted(ANSWERS)))
    key = data.draw(st.sampled_from([*ANSWERS[call]]))
    changed = {**ANSWERS[call], key: odd}
    for page in (lambda: status_page(changed), lambda: given_page([changed])):
        text = page().plain()
        assert all(line.isprintable() for line in text.split("\n"))
    assert event_line(changed).isprintable()
    assert giving.judge([changed]) in (OK, NO, TRY_AGAIN)


def offered(*words: str, names: Names | None = None) -> list[str]:
    *typed, incomplete = words
    found = candidates(typed, incomplete, names or SiteNames("/nowhere/x", Path("/nowhere/x")))
    return sorted(str(item.value) for item in found)


def test_words_of_a_site_are_offered_after_site(tmp_path: Path) -> None:
    assert offered("--site", "lock") == ["lockdown"]
    assert offered("--site", "lockdown", "e") == ["end"]
    assert "--hub" in offered("--site", "lockdown", "--h")
    assert "lockdown" not in offered("", names=Names("/nowhere/x", Path("/nowhere/x")))
    with Daemon(tmp_path / "s", documents({"site-status": {"hubs": [HUB, {"hub": "$(id)"}]}})):
        names = SiteNames(tmp_path / "s", Path("/nowhere/x"))
        assert offered("--site", "release", "", names=names) == ["hub-1"]
        assert offered("--site", "lockdown", "--hub", "", names=names) == ["hub-1"]
    with Daemon(tmp_path / "s", documents({"site-status": ["hubs"]})):
        assert offered("--site", "hub", "", names=SiteNames(tmp_path / "s")) == []
