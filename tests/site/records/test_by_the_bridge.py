"""Doors as the bridge says them, with the engine gone, there, and come again; and odd answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hubcore.errors import FrameError
from hubsite.acts.models import Act
from hubsite.bridge.answer import read_now
from hubsite.bridge.models import WORDS_LENGTH, BridgeAlarm
from hubsite.bridge.watching.watch import LINES, BridgeWatch
from hubsite.config import Engine, Records
from hubsite.fleet.models import HubState
from hubsite.records import kept
from hubsite.records.follower import Follower
from hubsite.records.models import HubDoor, Record
from hubsite.register.models import Door
from tests.site.browser import Browser, at_work
from tests.site.chains import NOW, access, at_door, message, told
from tests.site.fakebridge import FakeBridge, alarm_from, door_now, fake_bridge

pytestmark = pytest.mark.once

WAIT_SECONDS = 20.0


@contextmanager
def watched(bridge: FakeBridge, answer_seconds: float = 3.0) -> Iterator[BridgeWatch]:
    watch = BridgeWatch(bridge.at, ask_seconds=0.02, answer_seconds=answer_seconds)
    settings.HUBSITE_RUNNING.parts = (*settings.HUBSITE_RUNNING.parts, watch)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


def wait_for(true: Callable[[], bool], seconds: float = WAIT_SECONDS) -> bool:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if true():
            return True
        time.sleep(0.01)
    return true()


def engine_away() -> None:
    """The engine is in the file, and nobody reads it."""
    follower = Follower(Engine(("nats://127.0.0.1:9",)), Records(), lambda: None)
    settings.HUBSITE_RUNNING.parts = (follower,)


def _part(browser: Browser) -> str:
    return browser.get("/now/doors").text


def test_with_the_engine_gone_doors_and_alarms_come_by_the_bridge_and_are_one_with_their_records(
    tmp_path: Path,
) -> None:
    """alarms, laws 1, 2 and 5; bridged, laws 1 and 3; watch, laws 2 and 3"""
    records = told(at_door("closed"), access(), at_door("forced"))
    kept.take([message(1, records[:2])], NOW)
    HubDoor.objects.update(site_door=Door.objects.create(name="Front"))
    engine_away()
    browser = at_work()
    with fake_bridge(tmp_path) as bridge, watched(bridge) as watch:
        bridge.doors = [door_now("forced", "forced"), door_now("closed", door="yard")]
        bridge.standing = [
            {"hub": "hub-1", "order": "lockdown", "where": "all doors", "given_by": "site"}
            | {"since": 1.0, "until": None}
        ]
        bridge.alarms = [alarm_from(records[2])]
        assert wait_for(lambda: BridgeAlarm.objects.exists())
        page = _part(browser)
        assert "not read now" in page
        assert "By the bridge bridge-1: it is heard now" in page
        assert "not known, the hubs' engine is not read; it said last: closed" in page
        assert "the bridge says: forced open since" in page
        assert "alarm, by the bridge: forced" in page
        assert "lockdown by site, says the bridge of hub-1" in page
        assert "hub-1 yard" in page
        assert "Alarms that nobody has seen: 1" in page
        assert "Alarms (1 that nobody has seen" in page
        alarms = browser.get("/now/alarms")
        assert "Seen by the bridge bridge-1, record not here yet" in alarms.text
        needs = browser.get("/").text
        assert "Alarms that the bridge alone has told: 1." in needs
        assert "The bridge says that an alarm stands at hub-1 front." in needs
        hubs = browser.get("/hubs").text
        assert "The hubs' engine is not read now." in hubs
        assert "hub-1: it hears this hub" in hubs
        bridge.hubs = {"hub-1": False}
        assert wait_for(lambda: "the bridge does not hear its hub" in _part(browser))
        assert "Hubs that the bridge does not hear" in browser.get("/now/alarms").text
        browser.submit()
        assert BridgeAlarm.objects.get().seen_by == "olga"
        assert "Seen by olga" in browser.get("/now/alarms").text
        kept.take([message(2, records)], NOW)
        assert not BridgeAlarm.objects.exists()
        assert Record.objects.get(number=3).seen_by == "olga"
        asked = bridge.asked
        assert wait_for(lambda: bridge.asked > asked + 3)
        assert not BridgeAlarm.objects.exists()
        assert browser.get("/now/alarms").text.count("hub-1 3") == 1
    kinds = [act.said["kind"] for act in Act.objects.order_by("number")]
    assert kinds.count("alarm-seen") == 1
    assert not watch.problem.startswith("The bridge is")


def test_where_both_ways_say_the_same_the_bridge_adds_nothing_and_else_both_are_shown(
    tmp_path: Path,
) -> None:
    """bridged, laws 1 and 2"""
    kept.take([message(1, told(at_door("forced")))], NOW)
    HubState.objects.create(hub="hub-1", is_here=True)
    engine_away()
    (follower,) = settings.HUBSITE_RUNNING.parts
    browser = at_work()
    with fake_bridge(tmp_path) as bridge, watched(bridge):
        follower.read_at = time.monotonic()
        bridge.hubs = {"hub-1": True, "hub-of-another-bridge": False}
        bridge.doors = [door_now("forced", "forced")]
        assert wait_for(lambda: "it is heard now" in _part(browser))
        page = _part(browser)
        assert "By the hubs' engine: it is read now." in page
        assert "forced open since" in page
        assert "the bridge says" not in page
        assert "hub-of-another-bridge" not in browser.get("/now/alarms").text
        bridge.doors = [door_now("closed")]
        assert wait_for(lambda: "the bridge says: closed" in _part(browser))
        assert "forced open since" in _part(browser)
        follower.read_at = 0.0
        assert "hub-of-another-bridge" in browser.get("/now/alarms").text


HOSTILE = {
    "junk": b"\xff\x00{[" * 100 + b"\n",
    "no object": b"[]\n",
    "deep": b"[" * 100_000 + b"\n",
    "a flood": b"a" * (2 << 20),
    "cut off": b'{"api": 1, "resu',
    "nothing": b"\n",
    "another's words": b'{"id": 1, "api": 1, "result": {"doors": 7}}\n',
    "a refusal": b'{"id": 1, "api": 1, "error": {"code": "x", "message": "no\\u0000"}}\n',
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_a_broken_bridge_is_one_sentence_and_what_records_say_stays(
    tmp_path: Path, raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """watch, laws 1, 2 and 4"""
    kept.take([message(1, told(at_door("forced")))], NOW)
    browser = at_work()
    with fake_bridge(tmp_path) as bridge, watched(bridge) as watch:
        bridge.doors = [door_now("closed")]
        assert wait_for(lambda: watch.is_heard)
        heard = watch.heard
        bridge.raw = raw
        assert wait_for(lambda: watch.problem.startswith("The bridge is not heard: "))
        asked = bridge.asked
        assert wait_for(lambda: bridge.asked > asked + 3)
        assert watch.problem.isprintable()
        assert len(watch.problem) < 400
        assert watch.heard is not None
        assert watch.heard.now.doors == heard.now.doors  # type: ignore[union-attr]
        page = _part(browser)
        assert "forced open since" in page
        assert "alarm: forced" in page
        bridge.raw = b""
        assert wait_for(lambda: watch.problem == "")
    assert len([one for one in caplog.records if one.name == "hubsite.bridge"]) <= 2


def test_a_bridge_that_drips_is_given_up_and_old_words_are_said_to_be_old(tmp_path: Path) -> None:
    """watch, laws 1 and 3"""
    browser = at_work()
    with fake_bridge(tmp_path) as bridge, watched(bridge, answer_seconds=0.2) as watch:
        bridge.raw = None
        assert wait_for(lambda: "did not answer within 0.2 s" in watch.problem)
        bridge.ended.set()  # the one that drips ends, and nobody listens
        assert wait_for(lambda: "The bridge is not heard" in watch.problem)
    with fake_bridge(tmp_path / "other") as bridge, watched(bridge) as watch:
        settings.HUBSITE_RUNNING.parts = (watch,)
        bridge.behind_seconds = 3600
        bridge.doors = [door_now("closed")]
        assert wait_for(lambda: watch.heard is not None)
        assert wait_for(lambda: "speaks of another moment than now, 3600 s off" in watch.problem)
        assert not watch.is_heard
        page = _part(browser)
        assert "By the bridge bridge-1: not heard now" in page
        assert "the bridge is not heard, which said last: closed" in page


def test_a_bridge_that_comes_and_goes_writes_few_lines(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """watch, law 4"""
    with fake_bridge(tmp_path) as bridge, watched(bridge) as watch:
        for _ in range(int(LINES.burst) + 4):
            assert wait_for(lambda: watch.problem == "")
            bridge.raw = b"\n"
            assert wait_for(lambda: watch.problem != "")
            bridge.raw = b""
    lines = [one for one in caplog.records if one.name == "hubsite.bridge"]
    assert len(lines) == LINES.burst


# Alarms, over all orders of what brings them.

LOG = told(at_door("forced"), access(), at_door("held_open"), at_door("tamper"), access())


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**400),
    st.floats(),
    st.text(max_size=40),
    st.just("x" * 300),
    st.lists(st.integers(), max_size=2),
)
RIGHT = alarm_from(LOG[0])


@hypothesis_settings(deadline=None)
@given(st.lists(st.one_of(ODD, st.dictionaries(st.sampled_from([*RIGHT]), ODD))), ODD)
def test_what_is_odd_is_left_out_and_hides_nothing(rows: list[object], other: object) -> None:
    """answer, laws 1 and 3"""
    said = {"bridge": "bridge-1", "at": NOW, "alarms": [*rows, RIGHT, {**RIGHT, "what": other}]}
    found = read_now({**said, "doors": other, "hubs": rows, "standing": rows})
    assert RIGHT["what"] in [one.what for one in found.alarms]
    for one in found.alarms:
        assert one.what.isprintable()
        assert 0 < len(one.what) <= WORDS_LENGTH


@hypothesis_settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["bridge", "at", "doors_left_out"]), ODD))
def test_an_answer_that_does_not_say_whose_it_is_is_refused(head: dict[str, object]) -> None:
    found = None
    with suppress(FrameError):
        found = read_now(head)
    is_whole = isinstance(head.get("bridge"), str) and "at" in head
    assert found is None or (is_whole and found.bridge)
