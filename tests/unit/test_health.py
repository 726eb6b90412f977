"""Health, the watchdog that lives on it, the clock that judges itself, and logs that keep
secrets.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubcore.checks import CheckId, Problem, Topic, problem
from hubcore.ports.clock import ClockState
from hubcore.version import BUILD_TIME
from hubd.adapters.host import log
from hubd.adapters.host.clock import BEHIND_SECONDS, SystemClock, set_by_timesyncd
from hubd.adapters.host.systemd import Notifier
from hubd.upkeep.health import COUNTERS_MAX, COUNTERS_OVERFLOW, Health
from tests.fakes.clock import FakeClock


def test_one_late_loop_is_enough_and_a_beat_revives() -> None:
    clock = FakeClock()
    health = Health(clock, {"radio": 5.0, "door": 1.0}, ())
    assert health.alive()
    clock.advance(1.0)
    assert health.alive()
    clock.advance(0.1)
    assert (health.alive(), health.late()) == (False, ("door",))
    health.beat("door")
    assert health.alive()
    clock.advance(4.0)
    health.beat("door")
    assert health.late() == ("radio",)


def test_a_name_that_is_not_in_the_table_is_a_bug() -> None:
    health = Health(FakeClock(), {"radio": 5.0}, ("store",))
    with pytest.raises(KeyError):
        health.beat("rdio")
    with pytest.raises(KeyError):
        health.part("radio", True)


def test_counters_have_a_ceiling() -> None:
    health = Health(FakeClock(), {}, ())
    for number in range(COUNTERS_MAX + 10):
        health.count(f"c{number}")
    health.count("c0", 2)
    counters = health.counters()
    assert len(counters) == COUNTERS_MAX + 1
    assert (counters["c0"], counters[COUNTERS_OVERFLOW]) == (3, 10)


def _disk(check: CheckId) -> Problem:
    return problem(check, mebibytes=12.0, folder="/var/lib/hubd")


def test_problems_stand_until_cleared_errors_first_and_one_for_each_topic() -> None:
    health = Health(FakeClock(), {}, ())
    health.set(_disk(CheckId.DISK_LOW))
    health.set(problem(CheckId.STRIKES_DOWN, why="No chip."))
    health.set(problem(CheckId.EPOCH_NONE))
    assert [p.id for p in health.problems()] == [Topic.STRIKES, Topic.DISK, Topic.EPOCH]
    health.set(_disk(CheckId.DISK_SHORT))
    assert [p.id for p in health.problems()] == [Topic.DISK, Topic.STRIKES, Topic.EPOCH]
    assert "12.0 MiB are left on the disk of /var/lib/hubd." in health.problems()[0].what
    health.clear(Topic.STRIKES)
    health.clear(Topic.RADIO)
    assert [p.id for p in health.problems()] == [Topic.DISK, Topic.EPOCH]
    assert json.loads(json.dumps(health.snapshot()))["problems"][0]["id"] == "disk"


@pytest.mark.asyncio
async def test_ready_needs_every_part_at_once() -> None:
    clock = FakeClock()
    health = Health(clock, {}, ("store", "api"))
    health.part("store", True)
    health.part("store", False)
    began = clock.wall()
    clock.advance(7)
    health.part("api", True)
    assert (health.ready(), health.missing()) == (False, ("store",))
    async with asyncio.timeout(1), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(health.wait_ready())
        await asyncio.sleep(0)
        assert not waiting.done()
        assert health.snapshot()["since"] == began
        health.part("store", True)
    assert health.snapshot()["since"] == began + 7
    health.part("api", False)
    assert not health.ready()
    async with asyncio.timeout(1):
        await health.wait_ready()
    assert json.loads(json.dumps(health.snapshot()))["missing"] == ["api"]


# --- systemd ---


@pytest.fixture(params=["path", "abstract"])
def ear(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[socket.socket, dict[str, str]]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        if request.param == "path":
            name = address = str(tmp_path / "notify")
        else:
            name = f"@hubd-test-{os.getpid()}"
            address = f"\0hubd-test-{os.getpid()}"
        listener.bind(address)
        listener.setblocking(False)
        yield listener, {"NOTIFY_SOCKET": name}


def _heard(listener: socket.socket) -> list[str]:
    heard = []
    while True:
        try:
            heard.append(listener.recv(4096).decode())
        except BlockingIOError:
            return heard


def test_systemd_hears_what_is_said(ear: tuple[socket.socket, dict[str, str]]) -> None:
    listener, environment = ear
    notifier = Notifier(environment)
    assert notifier.ready("on air")
    assert notifier.ready()
    assert notifier.status("two\nlines READY=0")
    assert notifier.stopping()
    assert _heard(listener) == [
        "READY=1\nSTATUS=on air",
        "READY=1",
        "STATUS=two lines READY=0",
        "STOPPING=1",
    ]


def test_systemd_hears_which_process_is_the_main_one(
    ear: tuple[socket.socket, dict[str, str]],
) -> None:
    listener, environment = ear
    assert Notifier(environment).main_process(4711)
    assert _heard(listener) == ["MAINPID=4711"]


async def test_the_barrier_ends_when_systemd_closes_what_it_was_given(
    ear: tuple[socket.socket, dict[str, str]],
) -> None:
    listener, environment = ear
    before = set(os.listdir("/proc/self/fd"))
    waiting = asyncio.ensure_future(Notifier(environment).barrier(5.0))
    await asyncio.sleep(0)
    message, descriptors, _, _ = socket.recv_fds(listener, 4096, 4)
    assert message == b"BARRIER=1"
    (given,) = descriptors
    assert not waiting.done()
    os.close(given)
    assert await waiting
    assert set(os.listdir("/proc/self/fd")) == before


async def test_a_barrier_that_nobody_answers_is_no_word_of_systemd(
    ear: tuple[socket.socket, dict[str, str]],
) -> None:
    _, environment = ear
    assert not await Notifier(environment).barrier(0.01)
    assert not await Notifier({}).barrier(5.0)
    assert not await Notifier({"NOTIFY_SOCKET": "/nowhere/notify"}).barrier(5.0)


@pytest.mark.parametrize(
    "name", ["", "relative", "/nowhere/notify", "@nobody-listens-here", "/" + "x" * 200]
)
def test_nobody_listens_and_nothing_fails(name: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": name} if name else {})
    assert not notifier.ready()
    assert not notifier.stopping()


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "20000000"}, 20.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}, 20.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({"WATCHDOG_USEC": "-1"}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_time_of_the_watchdog(environment: dict[str, str], seconds: float) -> None:
    assert Notifier(environment).watchdog_seconds == seconds


@pytest.mark.asyncio
async def test_the_watchdog_is_fed_only_while_the_loops_are_alive(
    ear: tuple[socket.socket, dict[str, str]],
) -> None:
    listener, environment = ear
    clock = FakeClock()
    health = Health(clock, {"door": 1.0}, ())
    notifier = Notifier({**environment, "WATCHDOG_USEC": "40000"})
    asked = asyncio.Semaphore(0)

    def alive() -> bool:
        asked.release()
        return health.alive()

    async def times(number: int) -> None:
        for _ in range(number):
            await asked.acquire()

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        feeding = tasks.create_task(notifier.feed_watchdog(alive))
        await times(3)
        assert _heard(listener) == ["WATCHDOG=1"] * 3
        clock.advance(1.1)
        await times(3)
        assert _heard(listener) == []
        health.beat("door")
        await times(1)
        assert _heard(listener) == ["WATCHDOG=1"]
        feeding.cancel()


@pytest.mark.asyncio
async def test_a_loop_that_was_late_once_is_forgiven_before_the_watchdog_bites(
    ear: tuple[socket.socket, dict[str, str]],
) -> None:
    listener, environment = ear
    answers = iter([False, True])
    fed = asyncio.Event()

    def alive() -> bool:
        if (answer := next(answers, None)) is None:
            fed.set()
        return answer is not False

    async with (
        asyncio.timeout(0.9),
        asyncio.TaskGroup() as tasks,
    ):  # half of a second, twice, would be too late
        feeding = tasks.create_task(
            Notifier({**environment, "WATCHDOG_USEC": "1000000"}).feed_watchdog(alive)
        )
        await fed.wait()
        feeding.cancel()
    assert _heard(listener) == ["WATCHDOG=1"] * 2


@pytest.mark.asyncio
async def test_without_a_watchdog_feeding_ends_at_once() -> None:
    async with asyncio.timeout(1):
        await Notifier({}).feed_watchdog(lambda: True)


# --- the clock ---


@pytest.mark.parametrize(
    ("wall", "newest", "state"),
    [
        (BUILD_TIME - 1, 0.0, ClockState.BEFORE_BUILD),
        (0, BUILD_TIME + 1e6, ClockState.BEFORE_BUILD),
        (BUILD_TIME, 0.0, ClockState.TRUSTED),
        (BUILD_TIME + 1000, BUILD_TIME + 1000 + BEHIND_SECONDS, ClockState.TRUSTED),
        (BUILD_TIME + 1000, BUILD_TIME + 1001 + BEHIND_SECONDS, ClockState.BEHIND_RECORDS),
    ],
)
def test_the_clock_judges_itself(wall: float, newest: float, state: ClockState) -> None:
    clock = SystemClock(lambda: newest, wall=lambda: wall, monotonic=lambda: 5.0)
    assert (clock.state(), clock.wall(), clock.monotonic()) == (state, wall, 5.0)


def test_a_clock_before_the_hubs_certificate_is_wrong() -> None:
    begins = BUILD_TIME + 86_400.0
    clock = SystemClock(lambda: 0.0, wall=lambda: begins - 1, begins=begins)
    assert clock.state() is ClockState.BEFORE_BUILD
    assert (
        SystemClock(lambda: 0.0, wall=lambda: begins, begins=begins).state() is ClockState.TRUSTED
    )
    assert (
        SystemClock(lambda: 0.0, wall=lambda: BUILD_TIME - 1, begins=0.0).state()
        is ClockState.BEFORE_BUILD
    )


def test_the_time_service_is_believed_each_time_it_has_set_the_clock(tmp_path: Path) -> None:
    mark = tmp_path / "synchronized"
    assert set_by_timesyncd(mark) is None
    mark.touch()
    first = set_by_timesyncd(mark)
    assert first is not None
    assert set_by_timesyncd(mark) == first
    os.utime(mark, ns=(first + 1_000_000_000, first + 1_000_000_000))
    assert set_by_timesyncd(mark) != first


# --- logs ---


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    before = logging.getLogger().handlers[:]
    log.set_up("info", stream, human=False)
    yield stream
    logging.getLogger().handlers[:] = before
    log.set_up("info", sys.stderr)


def _logged(stream: io.StringIO) -> dict[str, object]:
    (line,) = stream.getvalue().splitlines()
    entry: dict[str, object] = json.loads(line)
    return entry


def test_a_line_is_json_with_event_level_and_time(lines: io.StringIO) -> None:
    log.get_logger(door="front").info("released", seconds=5.0, who=None)
    log.get_logger().debug("not told")
    entry = _logged(lines)
    assert list(entry) == ["event", "level", "time", "door", "seconds", "who"]
    assert (entry["event"], entry["level"], entry["door"], entry["seconds"]) == (
        "released",
        "info",
        "front",
        5.0,
    )
    assert str(entry["time"]).endswith("Z")


def test_secrets_do_not_reach_the_log(lines: io.StringIO) -> None:
    class Holder:
        def __repr__(self) -> str:
            return "hidden-in-repr"

    hidden = "hidden"
    log.get_logger(session_key=hidden).warning(
        "odd", data=b"hidden", nonce=hidden, Token=hidden,
        deep={"secret": hidden, "list": [b"hidden", Holder()]},
        held=Holder(), monkey="shown",
    )  # fmt: skip
    assert hidden not in lines.getvalue()
    entry = _logged(lines)
    assert (entry["data"], entry["nonce"], entry["held"], entry["monkey"]) == (
        "<6 bytes>", "<redacted>", "<Holder>", "shown",
    )  # fmt: skip


def test_a_line_is_one_line_of_bounded_length_whatever_was_put_into_it(lines: io.StringIO) -> None:
    deep: dict[str, object] = {}
    deep["self"] = deep
    log.get_logger().info(
        "a\nb",
        text="x" * 100_000,
        many=[["y" * 3000] * 1000] * 3,
        deep=deep,
        lone="\udc80",
        big=10**40,
    )
    assert "lone" in _logged(lines)
    assert len(lines.getvalue()) < 500_000


def test_exceptions_and_libraries_take_the_same_way(lines: io.StringIO) -> None:
    try:
        raise ValueError("of no use")
    except ValueError:
        logging.getLogger("somelib").exception("failed %s", "badly")
    logging.getLogger("somelib").info("not told")
    entry = _logged(lines)
    assert (entry["event"], entry["level"], entry["library"]) == ("library", "error", "somelib")
    assert entry["message"] == "failed badly"
    assert str(entry["exception"]).endswith("ValueError: of no use")


def test_plain_lines_for_people_cannot_steer_the_terminal() -> None:
    stream = io.StringIO()
    log.set_up("info", stream, human=True)
    log.get_logger().info("seen", peer="\x1b[2J\nfake line")
    log.set_up("info", sys.stderr)
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


def test_a_broken_stream_stops_nothing() -> None:
    stream = io.StringIO()
    log.set_up("info", stream, human=False)
    stream.close()
    log.get_logger().info("lost")
    log.set_up("info", sys.stderr)


def test_logs_do_not_load_rich() -> None:
    code = "import sys, hubd.adapters.host.log; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=20).returncode == 0
