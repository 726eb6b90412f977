"""Failures that stop the rest: from what hubs have said to hubs that hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.backend.uplink import codec
from hubcore.backend.uplink.updates import UpdatePhase, UpdateState
from hubcore.errors import ConfigError
from hubcore.update.director import Word, may_fetch
from hubcore.update.image import Image
from hubcore.update.plan import HUBS_MAX, HUNDREDTHS
from hubcore.update.tolerance import Ending, Tolerance, Verdict
from hubgateway.engine.buckets import Kept
from hubgateway.issuer.versions import documents, read_versions
from hubterm.exits import NO, OK, USAGE
from hubupdate.publish.heard import (
    FLEET_BYTES_MAX,
    NAMED_MAX,
    SILENT_SECONDS,
    endings,
    read_fleet,
    told,
)
from hubupdate.trust import Repository
from tests.unit.test_uplink_messages import NO_UPDATES, ON_TRIAL
from tests.unit.update.publisher import CHANNEL, PLAN, HubThere, Publisher

pytestmark = pytest.mark.once

NOW = 2_000_000_000.0
IMAGE = Image("hubd-2.squashfs", "2.0", b"\x02" * 32, 2000)
BEFORE = replace(
    ON_TRIAL,
    phase=UpdatePhase.RESTING,
    version="1.0",
    digest=b"\x01" * 32,
    other="2.0",
    quarantine=(),
)
"""It has the image beside, and has not switched."""
STAYED = replace(BEFORE, version="2.0", digest=IMAGE.digest, other="1.0")
CAME_BACK = replace(BEFORE, quarantine=(b"\x09" * 32, IMAGE.digest))
AMID = replace(BEFORE, phase=UpdatePhase.TRIAL)


def fleet(ages: Mapping[str, float] | None = None, **states: UpdateState) -> bytes:
    """Return what `hubissuer updates --json` says of hubs that have said this."""
    moments = {hub: NOW - (ages or {}).get(hub, 0.0) for hub in states}
    bucket = {hub: Kept(codec.encode(one), moments[hub]) for hub, one in states.items()}
    return json.dumps(documents(read_versions(bucket), NOW)).encode()


def ended(data: bytes) -> dict[str, Ending]:
    return endings(read_fleet(data), IMAGE)


def test_what_hubs_say_tells_how_it_ended() -> None:
    by_person = replace(STAYED, quarantine=(IMAGE.digest,))
    said = fleet(a=STAYED, b=CAME_BACK, c=BEFORE, d=NO_UPDATES, e=by_person)
    assert ended(said) == {"a": Ending.STAYED, "b": Ending.CAME_BACK, "e": Ending.CAME_BACK}


@pytest.mark.parametrize("phase", [one for one in UpdatePhase if one])
def test_only_a_hub_amid_its_switch_may_be_silent(phase: UpdatePhase) -> None:
    state = replace(BEFORE, phase=phase)
    is_amid = phase in (UpdatePhase.SWITCHING, UpdatePhase.TRIAL, UpdatePhase.RETURNING)
    late = {"a": SILENT_SECONDS + 1.0}
    assert ended(fleet({"a": SILENT_SECONDS}, a=state)) == {}
    assert ended(fleet(late, a=state)) == ({"a": Ending.SILENT} if is_amid else {})
    assert ended(fleet(late, a=replace(state, other="1.9"))) == {}, "it tries another version"


def test_a_hub_that_cannot_be_read_hides_no_other() -> None:
    bucket = {"a": Kept(b"\xff", NOW), "b": Kept(codec.encode(CAME_BACK), NOW)}
    said = json.dumps(documents(read_versions(bucket), NOW)).encode()
    assert ended(said) == {"b": Ending.CAME_BACK}


def entry(**words: Any) -> dict[str, Any]:
    (one,) = json.loads(fleet(a=CAME_BACK))
    return {**one, **words}


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\xff",
        b"{}",
        b"[" * 100_000,
        b"[" + b"9" * 5000 + b"]",
        json.dumps([7]),
        json.dumps([{}]),
        json.dumps([entry(hub="")]),
        json.dumps([entry(hub="a\x1b[2J")]),
        json.dumps([entry(hub="a" * 101)]),
        json.dumps([entry(), entry()]),
        json.dumps([{"hub": f"hub-{number}"} for number in range(HUBS_MAX + 1)]),
        json.dumps([entry(phase=7)]),
        json.dumps([entry(digest="aa")]),
        json.dumps([entry(digest="AA" * 32)]),
        json.dumps([entry(other=["2.0"])]),
        json.dumps([entry(quarantine=None)]),
        json.dumps([entry(quarantine=["aa" * 32] * 33)]),
        json.dumps([entry(quarantine=[[]])]),
        json.dumps([entry(unchanged_seconds=-1)]),
        json.dumps([entry(unchanged_seconds=True)]),
        json.dumps([entry(unchanged_seconds=float("nan"))]),
        json.dumps([entry(unchanged_seconds=1 << 41)]),
    ],
    ids=range(23),
)
def test_what_hubissuer_does_not_write_is_refused(said: str | bytes) -> None:
    with pytest.raises(ConfigError, match="what was heard"):
        read_fleet(said.encode() if isinstance(said, str) else said)


def test_a_document_without_an_end_is_not_decoded() -> None:
    with pytest.raises(ConfigError, match="bytes at most"):
        read_fleet(b" " * (FLEET_BYTES_MAX - 1) + b"[]")


@given(st.binary(max_size=60) | st.text('[]{}",:0159 abhu', max_size=60).map(str.encode))
def test_bytes_of_any_kind_are_a_fleet_or_refused(data: bytes) -> None:
    try:
        read_fleet(data)
    except ConfigError:
        return


HUBS = st.sampled_from([f"hub-{number}" for number in range(12)])
KINDS = {
    Ending.STAYED: STAYED,
    Ending.CAME_BACK: CAME_BACK,
    Ending.SILENT: AMID,
}
STEPS = st.lists(st.one_of(st.dictionaries(HUBS, st.sampled_from(Ending)), st.none()), max_size=12)
"""What is heard by and by; None is a person's plan."""


@given(st.integers(0, 5), st.integers(0, HUNDREDTHS), STEPS)
def test_a_stop_comes_by_the_law_and_stands_until_a_persons_plan(
    failures: int, share: int, steps: list[dict[str, Ending] | None]
) -> None:
    tolerance = Tolerance(failures, share)
    is_stopped = False
    was_exceeded = False
    for heard_now in steps:
        if heard_now is None:
            is_stopped = was_exceeded = False
            continue
        failed = len(heard_now) - list(heard_now.values()).count(Ending.STAYED)
        was_exceeded |= failed > failures and failed / len(heard_now) > share / HUNDREDTHS
        is_stopped = tolerance.verdict(heard_now, is_stopped) is not Verdict.GO_ON
        assert is_stopped is was_exceeded


OTHERS = st.sampled_from([BEFORE, NO_UPDATES, AMID, replace(CAME_BACK, quarantine=(b"\x07" * 32,))])


@given(
    st.dictionaries(HUBS, st.sampled_from(Ending)),
    st.dictionaries(HUBS.map(lambda hub: f"other-{hub}"), OTHERS),
    st.integers(0, 3),
    st.integers(0, HUNDREDTHS),
)
def test_who_has_not_ended_neither_helps_nor_hinders(
    tried: dict[str, Ending], others: dict[str, UpdateState], failures: int, share: int
) -> None:
    ages = dict.fromkeys(tried, SILENT_SECONDS + 1.0)
    states = {hub: KINDS[ending] for hub, ending in tried.items()}
    assert ended(fleet(ages, **states, **others)) == tried
    tolerance = Tolerance(failures, share)
    alone = tolerance.is_exceeded(ended(fleet(ages, **states)))
    assert tolerance.is_exceeded(ended(fleet(ages, **states, **others))) is alone


def test_so_many_failures_are_named_in_part() -> None:
    tried = {f"hub-{number:03}": Ending.SILENT for number in range(NAMED_MAX + 7)}
    lines = list(told(Tolerance(2, 500), tried, Verdict.STOP))
    assert lines[0] == "57 of 57 hubs that tried have failed"
    assert lines[1] == "the plan takes 2 failures; above that, 5 per cent"
    assert len(lines) == NAMED_MAX + 4
    assert lines[-2:] == ["and 7 more", "the rest is to be stopped"]


TOLERANCE = "\n[tolerance]\nfailures = 1\npercent = 50\n[[stage]]\n"
STAGE = "begins = 2020-01-01T00:00:00Z\npercent = 100\n"


@pytest.fixture
def desk(tmp_path: Path) -> Publisher:
    """A publisher of a plan for all, with a tolerance."""
    publisher = Publisher(tmp_path)
    for which in Repository:
        publisher.make(which)
    assert publisher.add("hubd-1.squashfs", b"an image") == OK, publisher.said
    assert publisher.plan(PLAN + TOLERANCE + STAGE) == OK, publisher.said
    publisher.published()
    return publisher


def tolerate(desk: Publisher, data: bytes) -> int:
    path = desk.desk / "fleet.json"
    path.write_bytes(data)
    key = desk.key("director-targets-0")
    return desk.does("tolerate", desk.carrier, CHANNEL, "--heard", path, "--key", key)


def lists_of(desk: Publisher) -> set[str]:
    return {path.name for path in (desk.carrier / "director").rglob("*")}


def test_from_what_hubs_say_to_hubs_that_hold(desk: Publisher, tmp_path: Path) -> None:
    hub = HubThere(desk, tmp_path / "kept")
    before = hub.look()
    assert before is not None
    assert may_fetch(before, "hub-9", NOW) is Word.GO
    bad = replace(CAME_BACK, quarantine=(before.image.digest,))
    well = replace(STAYED, digest=before.image.digest)

    unchanged = lists_of(desk)
    for said in (fleet(), fleet(a=BEFORE), fleet(a=bad), fleet(a=bad, b=bad, c=well, d=well)):
        assert tolerate(desk, said) == OK, desk.said
    assert "2 of 4 hubs" in desk.said[0]
    assert lists_of(desk) == unchanged, "what is tolerated changes nothing"

    lost = replace(AMID, other="1.0")
    late = {"b": SILENT_SECONDS + 1.0}
    assert tolerate(desk, fleet(late, a=bad, b=lost, c=well)) == NO
    assert f"a: {Ending.CAME_BACK.value}" in desk.said
    assert f"b: {Ending.SILENT.value}" in desk.said
    assert hub.look() == before, "it is not published yet"
    desk.published(Repository.DIRECTOR)
    held = hub.look()
    assert held is not None
    assert replace(held, is_held=False, issued=before.issued) == before
    assert {may_fetch(held, one, NOW) for one in ("hub-1", "hub-9")} == {Word.HELD}

    stopped = lists_of(desk)
    for said in (fleet(), fleet(a=well, b=well, c=well)):
        assert tolerate(desk, said) == NO, "what is heard ends no stop"
    assert lists_of(desk) == stopped, "it is signed once"

    key = desk.key("director-targets-0")
    assert desk.does("resign", desk.carrier, Repository.DIRECTOR, "--key", key) == OK
    assert tolerate(desk, fleet()) == NO, "a list that is signed again is no plan"
    assert desk.plan(PLAN + TOLERANCE + STAGE) == OK
    assert tolerate(desk, fleet(a=well)) == OK
    desk.published(Repository.DIRECTOR)
    after = hub.look()
    assert after is not None
    assert may_fetch(after, "hub-9", NOW) is Word.GO


def test_without_a_tolerance_nothing_is_judged(desk: Publisher) -> None:
    assert desk.plan(PLAN) == OK
    before = lists_of(desk)
    assert tolerate(desk, b"no JSON") == OK
    assert "no tolerance" in desk.said[0]
    assert lists_of(desk) == before


def test_what_cannot_be_judged_is_told(desk: Publisher) -> None:
    before = lists_of(desk)
    assert tolerate(desk, b"no JSON") == USAGE
    key = desk.key("director-targets-0")
    words = ("--heard", desk.desk / "fleet.json", "--key", key)
    assert desk.does("tolerate", desk.carrier, "other", *words) == USAGE
    assert "sign a plan first" in desk.said[0]
    assert desk.does("tolerate", desk.carrier, CHANNEL, "--heard", "nowhere", "--key", key) == USAGE
    assert "nowhere cannot be read" in desk.said[0]
    assert lists_of(desk) == before


def test_a_plan_whose_bytes_were_changed_is_not_judged(desk: Publisher) -> None:
    for path in (desk.carrier / "director" / "targets").iterdir():
        path.write_bytes(path.read_bytes() + b"\x00")
    assert tolerate(desk, fleet()) == NO
    assert "not what its list says" in desk.said[0]
