"""`hubctl tail` with its filters: at the daemon, at the command, and from the journal."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.timing.moment import read_seconds, show_seconds
from hubctl.gathering.running import Output
from hubctl.main import hubctl
from hubctl.tailing.journal import LINES_MAX, NAMES, events
from hubctl.tailing.since import read_since
from hubd.adapters.host import log
from hubd.adapters.local.api import LocalApi
from hubd.adapters.local.teller import Teller
from hublocal.calls import Call
from hublocal.tail import events as event_tail
from hublocal.tail.events import (
    REMEMBERED_BYTES_MAX,
    REMEMBERED_EVENTS_MAX,
    EventTail,
    Filter,
)
from hublocal.tail.telling import filter_of
from hubterm.exits import NO, NO_ANSWER, OK, USAGE
from tests.fakes.clock import FakeClock
from tests.fakes.programs import Programs

NOW = 1_800_000_000.0
DOORS = [{"id": "front", "name": "Front door"}, {"id": "back", "name": "Yard"}]


@pytest.fixture(autouse=True)
def _no_logs() -> None:
    log.set_up("error", io.StringIO(), human=False)


def told(tail: EventTail, asked: Filter) -> list[dict[str, Any]]:
    """What an onlooker is reminded of."""
    with tail.subscribe(asked) as onlooker:
        return [json.loads(event) for event in onlooker.past]


def filled() -> EventTail:
    tail = EventTail(begins=NOW)
    for second in range(10):
        door = "front" if second % 2 else "back"
        level = "warning" if second >= 8 else "info"
        tail.publish({"event": "door", "n": second, "door": door, "at": NOW + second}, level)
    tail.publish({"event": "part", "n": 10, "at": NOW + 10})
    return tail


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        (Filter(), []),
        (Filter(since=NOW + 7), [7, 8, 9, 10]),
        (Filter(since=NOW + 4, door="front"), [5, 7, 9]),
        (Filter(since=NOW, level="warning"), [8, 9]),
        (Filter(since=NOW, level="warning", door="back"), [8]),
        (Filter(since=NOW, door="attic"), []),
    ],
)
@pytest.mark.asyncio
async def test_an_onlooker_is_reminded_of_what_it_asked_for(
    asked: Filter, numbers: list[int]
) -> None:
    assert [event["n"] for event in told(filled(), asked)] == numbers


@pytest.mark.asyncio
async def test_what_happens_from_then_on_goes_by_the_same_filter() -> None:
    tail = filled()
    with tail.subscribe(Filter(door="front", level="warning")) as onlooker:
        for door, level in (("front", "info"), ("back", "warning"), ("front", "warning")):
            tail.publish({"event": "door", "door": door, "at": NOW, "n": level}, level)
        batch = await onlooker.next()
    assert [json.loads(event)["n"] for event in batch.events] == ["warning"]
    assert batch.lost == 0


@pytest.mark.asyncio
async def test_the_memory_has_a_ceiling_in_events_and_says_where_it_begins() -> None:
    tail = EventTail(begins=NOW)
    for number in range(3 * REMEMBERED_EVENTS_MAX):
        tail.publish({"event": "refused", "at": NOW + number})
    with tail.subscribe(Filter(since=NOW)) as onlooker:
        assert len(onlooker.past) == REMEMBERED_EVENTS_MAX
        assert onlooker.begins == NOW + 2 * REMEMBERED_EVENTS_MAX - 1
    with tail.subscribe(Filter(since=NOW + 3 * REMEMBERED_EVENTS_MAX)) as late:
        assert (late.begins, late.past) == (None, ())


@pytest.mark.asyncio
async def test_the_memory_has_a_ceiling_in_bytes() -> None:
    tail = EventTail(begins=NOW)
    for number in range(REMEMBERED_EVENTS_MAX):
        tail.publish({"event": "x", "parts": ["y" * 1900] * 8, "at": NOW + number})
    with tail.subscribe(Filter(since=NOW)) as onlooker:
        assert 0 < sum(map(len, onlooker.past)) <= REMEMBERED_BYTES_MAX
        assert onlooker.begins is not None
    tail.publish({"event": "x" * 1900, "parts": ["y" * 1900] * 10, "at": NOW + 9999})
    assert told(tail, Filter(since=NOW + 9999)) == []  # longer than an event may be


@pytest.mark.asyncio
async def test_before_hubd_started_nothing_is_remembered() -> None:
    with EventTail(begins=NOW).subscribe(Filter(since=NOW - 60)) as onlooker:
        assert onlooker.begins == NOW


@pytest.mark.asyncio
async def test_the_level_is_that_of_the_log_line() -> None:
    tail = EventTail()
    tell = Teller(tail, FakeClock(), lambda _: None, {1: "front"})
    tell("access", {"point": 1, "why": "no-grant"})
    tell("not_secured", {"door": "front", "why": "stuck"})
    warnings = told(tail, Filter(since=0.0, level="warning"))
    assert [event["event"] for event in warnings] == ["not_secured"]
    at_front = told(tail, Filter(since=0.0, door="front"))
    assert [event["event"] for event in at_front] == ["access", "not_secured"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"door": 3}, {"door": True}, {"level": "error"}, {"level": 1}, {"since": "now"},
        {"since": True}, {"since": float("inf")}, {"since": float("nan")},
    ],
)  # fmt: skip
def test_what_is_no_filter_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"`(door|level|since)` is"):
        filter_of(arguments)


@contextlib.asynccontextmanager
async def hub(path: Path, tail: EventTail) -> AsyncIterator[None]:
    async def doors(_args: Mapping[str, Any], _caller: object) -> object:
        return DOORS

    api = LocalApi(path, (Call("doors", doors),), tail)
    api.bind()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(api.serve())
        yield
        serving.cancel()


async def asked(path: Path, *words: str) -> Result:
    """Run a tail that is ended by its time limit."""
    command = ["tail", "--socket", str(path), *words]
    return await asyncio.to_thread(CliRunner().invoke, hubctl, command, prog_name="hubctl")


@pytest.mark.asyncio
async def test_a_request_that_is_no_filter_is_answered(tmp_path: Path) -> None:
    async with hub(tmp_path / "s", EventTail()):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
        writer.write(b'{"id":1,"api":1,"call":"tail","args":{"level":"loud"}}\n')
        assert json.loads(await reader.readline())["error"]["code"] == "bad-filter"
        writer.write(b'{"id":2,"api":1,"call":"doors"}\n')
        assert json.loads(await reader.readline())["result"] == DOORS
        writer.close()


@pytest.mark.asyncio
async def test_the_past_comes_before_what_happens_now(tmp_path: Path) -> None:
    tail = filled()
    async with hub(tmp_path / "s", tail):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
        asks = {"since": NOW - 1, "door": "front", "level": "warning"}
        request = {"id": 1, "api": 1, "call": "tail", "args": asks}
        writer.write(json.dumps(request).encode() + b"\n")
        assert json.loads(await reader.readline())["result"] == "tailing"
        assert json.loads(await reader.readline()) == {"id": 1, "begins": NOW}
        assert json.loads(await reader.readline())["event"]["n"] == 9
        tail.publish({"event": "door", "n": 11, "door": "back", "at": NOW}, "warning")
        tail.publish({"event": "door", "n": 12, "door": "front", "at": NOW}, "warning")
        assert json.loads(await reader.readline())["event"]["n"] == 12
        writer.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("typed", "hint"),
    [("frnt", "Did you mean front?"), ("Yrd", "Did you mean Yard?"), ("qq", "See: hubctl doors")],
)
async def test_a_door_that_is_not_there(tmp_path: Path, typed: str, hint: str) -> None:
    async with hub(tmp_path / "s", EventTail()):
        ended = await asked(tmp_path / "s", "--door", typed)
        as_json = await asked(tmp_path / "s", "--door", typed, "--json")
    assert (ended.exit_code, ended.stdout) == (NO, "")
    assert ended.stderr == f"There is no door {typed}. {hint}\n"
    assert (as_json.exit_code, as_json.stdout) == (NO, "")
    assert json.loads(as_json.stderr)["error"]["code"] == "unknown-door"


@pytest.mark.asyncio
async def test_a_door_by_its_name_and_where_the_memory_begins(tmp_path: Path) -> None:
    """The tail runs until its hub stops."""
    words = ("--door", "Front door", "--since", show_seconds(NOW - 60))
    tail = filled()
    async with hub(tmp_path / "s", tail):
        running = asyncio.create_task(asked(tmp_path / "s", *words))
        async with asyncio.timeout(20):
            while not tail.onlookers:  # noqa: ASYNC110 -- another thread's doing
                await asyncio.sleep(0.01)
    ended = await running
    head, *lines = ended.stdout.splitlines()
    assert head.startswith(f"... hubd remembers from {show_seconds(NOW)} on.")
    assert len(lines) == 5
    assert all("door=front" in line for line in lines)
    assert ended.exit_code == NO_ANSWER  # it was stopped
    assert "journal" not in ended.stderr.replace("journalctl -u hubd", "")


def test_without_hubd_and_without_since_nothing_is_shown(tmp_path: Path) -> None:
    ended = CliRunner().invoke(hubctl, ["tail", "--socket", str(tmp_path / "none")])
    assert (ended.exit_code, ended.stdout) == (NO_ANSWER, "")


@pytest.mark.parametrize("text", ["", "soon", "10", "10 minutes", "-3h", "2026-11-27", "1e3s"])
def test_what_is_no_time_is_a_wrong_command_line(tmp_path: Path, text: str) -> None:
    words = ["tail", "--socket", str(tmp_path / "none"), "--since", text]
    ended = CliRunner().invoke(hubctl, words)
    assert ended.exit_code == USAGE
    assert "say 90s, 10min, 2h or 3d" in ended.stderr


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10min", 600), ("2h", 7200), ("3d", 259_200), ("5 s", 5)]
)
def test_a_span_goes_back_from_now(text: str, seconds: float) -> None:
    assert read_since(text, NOW) == NOW - seconds


@settings(deadline=None)
@given(st.integers(0, 4_000_000_000_000))
def test_a_moment_is_read_as_it_is_shown(at_ms: int) -> None:
    assert read_seconds(show_seconds(at_ms / 1000)) == pytest.approx(at_ms / 1000, abs=0.0011)


def test_a_moment_without_an_offset_goes_by_a_zone_alone() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert read_seconds("2026-11-27T14:56:43", berlin) == read_seconds("2026-11-27T13:56:43Z")
    assert read_seconds("2026-11-27T14:56:43Z", berlin) == read_seconds("2026-11-27T14:56:43Z")
    assert read_seconds("soon", berlin) is None
    assert read_seconds("2026-11-27T14:56:43") is None
    assert read_seconds("2026-11-27T14:56:43+01:00") == read_seconds("2026-11-27T13:56:43Z")


def line(event: str, second: float, **facts: Any) -> str:
    said = {"event": event, "level": "info", "time": show_seconds(NOW + second), **facts}
    return json.dumps({"__CURSOR": "s=1", "MESSAGE": json.dumps(said)})


def test_an_event_of_the_journal_is_as_it_was() -> None:
    entries = [
        line("access", -5, door="front"),
        line("access", 1.5, door="front", why="no-grant", link=7),
        line("library", 2, message="not an event"),
        '{"MESSAGE": "plain"}', '{"MESSAGE": [1, 2]}', "{}", "{", '{"MESSAGE": "3"}',
        '{"MESSAGE": "{\\"event\\": \\"access\\", \\"time\\": 3}"}',
        "-- no entries --",
    ]  # fmt: skip
    found = events(Programs({"journalctl": Output("\n".join(entries))}), NOW, None, "info")
    assert found.events == [
        {"event": "access", "door": "front", "why": "no-grant", "link": 7, "at": NOW + 1.5}
    ]
    assert found.says == "These are from the journal."


def test_the_journal_is_asked_by_its_fields() -> None:
    programs = Programs({"journalctl": Output("")})
    events(programs, NOW + 0.5, "front", "warning")
    (command,) = programs.commands
    assert [*command[-4:]] == [f"--since=@{int(NOW)}", "-p", "warning", "DOOR=front"]


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (Output(""), "The journal shows none; "),
        (Output("", "journalctl is not installed"), "The journal cannot be read: journalctl is"),
        (Output("\n".join([line("door", 1)] * LINES_MAX)), f"the newest {LINES_MAX} lines"),
    ],
)
def test_what_the_journal_does_not_show_is_told(output: Output, says: str) -> None:
    assert says in events(Programs({"journalctl": output}), NOW, None, "info").says


@settings(deadline=None)
@given(st.text())
def test_whatever_the_journal_holds_is_an_event_or_nothing(text: str) -> None:
    found = events(Programs({"journalctl": Output("{" + text)}), NOW, None, "info")
    assert found.events == []
    message = Output(json.dumps({"MESSAGE": text}))
    assert events(Programs({"journalctl": message}), NOW, None, "info").events == []


def test_levels_are_the_same_at_both_ends() -> None:
    from hubctl.commands.live.tail import LEVELS

    assert LEVELS == event_tail.LEVELS
    assert {"access", "door", "problem"} <= NAMES
    assert OK == 0
