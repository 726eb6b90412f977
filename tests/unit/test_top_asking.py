"""How hubctl top asks: one connection, one call after the other, all of them once in a while."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hubcore.version import __version__
from hubctl.top.asking import Asker, Asking
from hubctl.top.shown.seen import Seen
from hubterm.exits import NO_ANSWER, OK, PROTOCOL
from tests.fakes.daemon import Daemon, documents
from tests.unit.test_top_terminal import MEASURED, RADIO, TRACE

STATUS = {"hub": "hub-1", "problems": []}
DOCUMENTS: dict[str, Any] = {
    "status": STATUS,
    "measured": MEASURED,
    "radio": RADIO,
    "trace": TRACE,
}
SEEN = Seen(OK, {**STATUS, "installed_version": __version__}, MEASURED, RADIO, TRACE)


@contextmanager
def asking_of(path: Path) -> Iterator[tuple[Daemon, Asker]]:
    """A daemon that answers all calls, and who asks it."""
    with Daemon(path, documents(DOCUMENTS)) as daemon:
        asker = Asker(path)
        yield daemon, asker
        asker.close()


def test_one_connection_carries_one_call_after_the_other(tmp_path: Path) -> None:
    with asking_of(tmp_path / "s") as (daemon, asker):
        assert [asker.ask() for _ in range(3)] == [SEEN] * 3
        assert daemon.connections == 1
        assert daemon.asked == ["status", "measured", "radio", "trace"] * 3


def test_the_trace_is_that_of_the_door_that_is_looked_at(tmp_path: Path) -> None:
    with asking_of(tmp_path / "s") as (daemon, asker):
        asker.ask()
        asker.ask("front")
        assert daemon.arguments[3::4] == [{"last": 64}, {"last": 64, "door": "front"}]


@pytest.mark.parametrize("code", ["unknown-call", "unknown-door"])
def test_what_a_hub_does_not_have_was_not_measured_and_the_rest_was(
    tmp_path: Path, code: str
) -> None:
    refusal = {"id": 1, "api": 1, "error": {"code": code, "message": "no"}}
    whole = documents(DOCUMENTS)

    def answer(call: str) -> bytes:
        return json.dumps(refusal).encode() + b"\n" if call == "trace" else whole(call)

    with asking_of(tmp_path / "s") as (daemon, asker):
        daemon.answer = answer
        assert [asker.ask(), asker.ask()] == [SEEN._replace(trace=None)] * 2
        assert daemon.connections == 1


def test_whatever_goes_wrong_is_a_sentence_and_the_next_time_it_connects_again(
    tmp_path: Path,
) -> None:
    down = Asker(tmp_path / "s").ask()
    assert (down.exit_status, down.code, down.status) == (NO_ANSWER, "down", None)
    assert "hubd does not run" in down.trouble
    with asking_of(tmp_path / "s") as (daemon, asker):
        assert asker.ask() == SEEN
        daemon.answer = documents({**DOCUMENTS, "radio": ["strange"]})
        odd = asker.ask()
        assert (odd.exit_status, odd.code, odd.status) == (PROTOCOL, "protocol", None)
        daemon.answer = documents(DOCUMENTS)
        assert asker.ask() == SEEN
        daemon.answer = lambda _: b"half an ans"
        assert asker.ask().code == "down"
        daemon.answer = documents(DOCUMENTS)
        assert asker.ask() == SEEN
        assert daemon.connections == 3


def test_asking_again_waits_for_its_turn_whatever_is_looked_at(tmp_path: Path) -> None:
    woken, wake = os.pipe()
    with asking_of(tmp_path / "s") as (daemon, asker):
        with Asking(asker, wake, ask_seconds=3600.0) as asking:
            assert os.read(woken, 9) == b"\0"
            asking.door = "front"
            assert asking.newest() == SEEN
        assert len(daemon.asked) == 4
    os.close(woken)
    os.close(wake)


def test_a_bug_of_the_thread_is_raised_where_its_answers_are_fetched(tmp_path: Path) -> None:
    class Broken(Asker):
        def ask(self, door: str = "") -> Seen:
            raise ZeroDivisionError(door)

    woken, wake = os.pipe()
    with Asking(Broken(tmp_path / "s"), wake) as asking:
        assert os.read(woken, 9) == b"\0"
        with pytest.raises(ZeroDivisionError):
            asking.newest()
    os.close(woken)
    os.close(wake)
