"""The log's way out: a reader who stands still costs lines, never time; each line arrives whole or
not at all.
"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import io
import json
import logging
import os
import pty
import select
import socket
import sys
import threading
import tty
from collections.abc import Callable, Iterator
from typing import Any, TextIO

import pytest

from hubd.adapters.host import linepace, log

LINES = 5000
"""More than any of the ends here holds."""
MANY_SECONDS = 20.0
QUIET_SECONDS = 0.1
"""A terminal that passes nothing on for so long holds nothing any more."""


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = before
    log.set_up("info", sys.stderr)


def pipe() -> tuple[int, int]:
    return os.pipe()


def pair() -> tuple[int, int]:
    one, other = socket.socketpair()
    return one.detach(), other.detach()


def terminal() -> tuple[int, int]:
    reader, writer = pty.openpty()
    tty.setraw(writer)
    return reader, writer


class End:
    """Both ends of a way out, and the stream that a log gets."""

    def __init__(self, ends: tuple[int, int]) -> None:
        self.reader, writer = ends
        self.stream: TextIO = os.fdopen(writer, "w", encoding="utf-8")
        os.set_blocking(self.reader, False)

    @property
    def flags(self) -> int:
        return fcntl.fcntl(self.stream.fileno(), fcntl.F_GETFL)

    def read(self) -> bytes:
        """Take what is there."""
        parts = []
        while True:
            try:
                parts.append(os.read(self.reader, 65536))
            except BlockingIOError:
                return b"".join(parts)

    def read_until(self, event: str) -> bytes:
        """Read until a line of this event is whole; a terminal passes on what it holds in its own
        time.
        """
        data = self.read()
        while not (data.endswith(b"\n") and f'"event":"{event}"'.encode() in data):
            assert select.select([self.reader], [], [], MANY_SECONDS)[0], (
                f"{event} did not come after {data[-300:]!r}"
            )
            data += self.read()
        return data

    def close(self) -> None:
        self.stream.close()
        os.close(self.reader)


@pytest.fixture(params=[pipe, pair, terminal])
def end(request: pytest.FixtureRequest) -> Iterator[End]:
    make: Callable[[], tuple[int, int]] = request.param
    made = End(make())
    yield made
    made.close()


def entries(data: bytes) -> list[dict[str, Any]]:
    """Read each line as JSON, which fails for a line that is not whole."""
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.decode().splitlines()]


def in_time(work: Callable[[], None]) -> None:
    """Do the work in a thread; fail if it does not come to its end."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(MANY_SECONDS)
    assert not thread.is_alive(), "a line waits for its reader"


def say(count: int, text: str = "x" * 60) -> None:
    for number in range(count):
        log.get_logger().info("said", number=number, text=text)


@pytest.mark.parametrize("text", ["x" * 60, "y" * 1900])
def test_a_reader_who_stands_still_stops_nothing_and_is_told_what_was_lost(
    end: End, text: str
) -> None:
    before = end.flags
    log.set_up("info", end.stream, human=False)
    in_time(lambda: say(LINES, text))
    assert end.flags == before  # other processes share them
    data = end.read()
    while select.select([end.reader], [], [], QUIET_SECONDS)[0]:
        data += end.read()
    log.get_logger().info("after")  # finishes a line of which only a part fitted
    heard = entries(data + end.read_until("after"))
    said = [entry["number"] for entry in heard if entry["event"] == "said"]
    # several where a terminal made room
    notices = [entry for entry in heard if entry["event"] == "lines lost"]
    assert 0 < len(said) < LINES
    assert said == sorted(set(said))
    assert len(said) + sum(notice["lost"] for notice in notices) == LINES
    assert all(notice["level"] == "warning" and notice["time"].endswith("Z") for notice in notices)
    assert notices
    assert heard[-1]["event"] == "after"
    log.get_logger().info("again")
    assert [entry["event"] for entry in entries(end.read_until("again"))] == ["again"]


def test_a_line_longer_than_the_pipe_arrives_whole_or_not_at_all() -> None:
    end = End(pipe())
    fcntl.fcntl(end.stream.fileno(), fcntl.F_SETPIPE_SZ, 4096)
    log.set_up("info", end.stream, human=False)
    data = b""
    long = ["z" * 1900] * 20
    for number in range(3):
        # only the first begins; the others are lost
        log.get_logger().info("long", number=number, text=long)
    for number in range(40):
        data += end.read()
        log.get_logger().info("short", number=number)
    heard = entries(data + end.read())
    first, notice, *short = heard
    assert (first["number"], first["text"]) == (0, long)
    assert notice["lost"] + len(short) == 42
    assert short[-1]["number"] == 39
    end.close()


def test_a_pipe_that_cannot_be_opened_again_does_not_wait_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(path: str, *_: object) -> int:
        raise PermissionError(path)

    end = End(pipe())
    monkeypatch.setattr(os, "open", refuse)  # as for another account's pipe
    log.set_up("info", end.stream, human=False)
    monkeypatch.undo()
    in_time(lambda: say(LINES))
    early = end.read()
    log.get_logger().info("after")
    *said, notice, after = entries(early + end.read())
    assert (notice["lost"], after["event"]) == (LINES - len(said), "after")
    assert len(said) > 100
    end.close()


def test_a_reader_who_is_gone_stops_nothing() -> None:
    for make in (pipe, pair):
        reader, writer = make()
        with os.fdopen(writer, "w") as stream:
            log.set_up("info", stream, human=False)
            os.close(reader)
            say(3)


def test_setting_up_again_leaves_no_descriptor_open() -> None:
    ends = [End(make()) for make in (pipe, pair, terminal)]
    log.set_up("info", sys.stderr)
    before = len(os.listdir("/proc/self/fd"))
    for end in ends:
        for _ in range(5):
            log.set_up("info", end.stream, human=False)
    log.set_up("info", sys.stderr)
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before
    for end in ends:
        end.close()


class Times:
    """Both clocks of a LinePace, in the test's hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_peer_that_does_it_again_and_again_writes_at_a_pace_and_is_counted() -> None:
    times = Times()
    stream = io.StringIO()
    pace = linepace.LinePace(times, times)
    log.set_up("info", stream, human=False, pace=pace)
    told = log.get_logger()
    for n in range(2810):  # ten seconds of a link that is never ended
        times.now = 1000.0 + n / 281
        told.info("refused", error="SequenceError", why=f"link: not served {n}")
    told.info("access", allowed=True, asker="c0ff…")  # another's line is not left out
    told.info("access", allowed=False, asker="beef…")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    refused = [line for line in lines if line["event"] == "refused"]
    assert len(refused) <= linepace.LINES.burst + 10 * linepace.LINES.per_second + 1
    assert [line["allowed"] for line in lines if line["event"] == "access"] == [True, False]
    (said,) = pace.report()
    assert said["of"] == "refused SequenceError"
    assert said["count"] == 2810 - len(refused)
    assert 1000.0 < said["first"] < said["last"] < 1010.0
    assert pace.report() == []


def test_kinds_of_lines_are_bounded_and_each_library_has_its_own() -> None:
    times = Times()
    stream = io.StringIO()
    pace = linepace.LinePace(times, times)
    log.set_up("info", stream, human=False, pace=pace)
    for n in range(2 * linepace.KINDS_MAX):
        log.get_logger().info(f"event-{n}")
    assert len(pace._buckets) <= linepace.KINDS_MAX + 1
    logging.getLogger("one").warning("told by a library")
    assert '"library":"one"' in stream.getvalue() or any(
        "other" in said["of"] for said in pace.report()
    )


async def test_what_was_left_out_is_told_though_no_further_line_comes() -> None:
    times = Times()
    stream = io.StringIO()
    log.set_up("info", stream, human=False, pace=linepace.LinePace(times, times))
    for _ in range(100):
        log.get_logger().info("refused")
    async with asyncio.timeout(5):
        task = asyncio.create_task(log.tell_left_out(0.001))
        while linepace.LEFT_OUT not in stream.getvalue():  # noqa: ASYNC110 - a stream has no event
            await asyncio.sleep(0)
        task.cancel()
    (said,) = [
        json.loads(line) for line in stream.getvalue().splitlines() if linepace.LEFT_OUT in line
    ]
    assert (said["of"], said["count"], said["level"]) == ("refused", 40, "warning")
