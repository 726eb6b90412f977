"""What hubd tells of itself, and what anything else on that socket may say."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.bridge.talk import WayPhase
from hubcore.checks import Part, Topic
from hubcore.ports.clock import ClockState
from hubcore.update.health import Peer, Required
from hubd.bridge.state import SPOKEN_WITH, WayState
from hubupdate.running.clock import HubClock
from hubupdate.running.daemon import (
    ANSWER_BYTES_MAX,
    ask_status,
    has_right_time,
    look_of,
    rests,
    seen_of,
)

WELL: dict[str, Any] = {
    "ready": True,
    "missing": [],
    "late": [],
    "problems": [],
    "radio": {"on_air": True, "links": 0},
    "backend": {"connected": True},
    "bridge": {"phase": "speaking"},
    "doors": [{"id": "front", "in_cycle": False}],
    "devices": [{"id": "lamp", "answers": True}, {"id": "shutter", "answers": False}],
    "clock": {"state": "trusted"},
}
ALL = frozenset(Required)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*WELL, "id"]), inner)
    ),
    max_leaves=12,
)


def test_a_hub_that_is_well_is_all_right() -> None:
    found = look_of(WELL)
    assert found.right == ALL
    assert found.seen == {Peer.BACKEND, Peer.BRIDGE, "lamp"}
    assert rests(WELL)
    assert has_right_time(WELL)


ILL = {
    Required.WATCHDOG: {"late": ["links"]},
    Required.RECORDS: {"problems": [{"id": "audit", "severity": "error"}]},
    Required.GUARD: {"missing": ["strikes"]},
    Required.ON_AIR: {"radio": {"on_air": False, "links": 0}},
}


@pytest.mark.parametrize("missing", ILL)
def test_each_thing_that_is_missing_is_seen(missing: Required) -> None:
    assert look_of({**WELL, **ILL[missing]}).right == ALL - {missing}


def test_a_hubd_that_tells_nothing_is_not_right_and_disturbs_nobody() -> None:
    assert look_of(None).right == frozenset()
    assert seen_of(None) == frozenset()
    assert rests(None)
    assert not has_right_time(None)


@given(JSON)
def test_whatever_comes_raises_nothing_and_is_right_only_if_it_says_so(value: Any) -> None:
    status = value if isinstance(value, dict) else {"radio": value, "doors": value, "late": value}
    found = look_of(status)
    rests(status)
    has_right_time(status)
    assert Required.ON_AIR not in found.right or status["radio"]["on_air"] is True


@pytest.mark.parametrize("door", [{"in_cycle": True}, {"in_cycle": None}, {"state": "secured"}])
def test_a_door_that_does_not_say_that_it_rests_is_waited_for(door: dict[str, Any]) -> None:
    assert not rests({**WELL, "doors": [*WELL["doors"], door]})


@pytest.mark.parametrize("phase", WayPhase)
def test_a_bridge_is_there_once_it_has_answered(phase: WayPhase) -> None:
    """The field and its words are hubd's own: they cannot drift apart unseen."""
    way = asdict(
        WayState(
            phase=phase, since=0.0, why="", bridge="", endpoint="", certificate_ends=0, waiting=0
        )
    )
    assert (Peer.BRIDGE in seen_of({**WELL, "bridge": way})) is (phase in SPOKEN_WITH)


def test_a_phone_that_is_connected_is_waited_for() -> None:
    assert not rests({**WELL, "radio": {"on_air": True, "links": 1}})


def test_the_words_are_those_of_hubd() -> None:
    """What is looked for in a status are names of hubd's own: they cannot drift apart unseen."""
    assert {"strikes", "relay_strikes"} <= set(Part)
    assert {"audit", "disk"} <= set(Topic)
    assert ClockState.TRUSTED.value == "trusted"


@contextmanager
def answering(path: Path, data: bytes, *, then_silent: bool = False) -> Iterator[None]:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    ended = threading.Event()

    def serve() -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.recv(4096)
            try:
                connection.sendall(data)
            except OSError:
                return
            if then_silent:
                ended.wait(30)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        listener.close()
        thread.join(10)


def test_a_status_is_asked_for_over_the_local_socket(tmp_path: Path) -> None:
    line = json.dumps({"id": 1, "api": 1, "result": WELL}).encode() + b"\n"
    with answering(tmp_path / "sock", line):
        assert ask_status(tmp_path / "sock") == WELL


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"{}\n",
        b"[]\n",
        b'{"result": []}\n',
        b'{"error": {"code": "busy", "message": "x"}}\n',
        b'{"result": NaN}\n',
        b'{"result": {"at": 1e999}}\n',
        b"[" * 200_000 + b"\n",
        b"\xff\xfe\n",
        b"x" * (ANSWER_BYTES_MAX + 70_000),
    ],
)
def test_what_is_no_status_tells_nothing(tmp_path: Path, data: bytes) -> None:
    with answering(tmp_path / "sock", data):
        assert ask_status(tmp_path / "sock") is None


def test_who_falls_silent_is_waited_for_so_long_and_no_longer(tmp_path: Path) -> None:
    with answering(tmp_path / "sock", b'{"result"', then_silent=True):
        assert ask_status(tmp_path / "sock", seconds=0.3) is None


def test_nobody_on_the_socket_tells_nothing(tmp_path: Path) -> None:
    assert ask_status(tmp_path / "none") is None


def test_the_clock_is_believed_while_hubd_believes_it_and_never_before_the_build() -> None:
    assert HubClock(lambda: WELL).state() is ClockState.TRUSTED
    assert HubClock(lambda: None).state() is ClockState.CONTRADICTED
    wrong = {**WELL, "clock": {"state": "behind_records"}}
    assert HubClock(lambda: wrong).state() is ClockState.CONTRADICTED
    assert HubClock(lambda: WELL, wall=lambda: 0.0).state() is ClockState.BEFORE_BUILD
