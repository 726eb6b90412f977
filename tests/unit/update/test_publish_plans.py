"""A plan as a person writes it: what it means, and that nothing in it is passed over."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuf.api.metadata import TargetFile, Targets

from hubcore.calendar.schedule import Rule, WallTime
from hubcore.errors import ConfigError
from hubcore.update.director import Word, may_switch
from hubcore.update.plan import Plan, Stage
from hubcore.update.tolerance import Tolerance
from hubupdate.publish.explain import explain, next_switch
from hubupdate.publish.plans import read_plan_file
from hubupdate.publish.signed import SignedPlan

pytestmark = pytest.mark.once

HEAD = 'image = "a.squashfs"\nversion = "1.0"\n'
WHOLE = (
    HEAD
    + """
canaries = ["hub-9", "hub-1"]
held = ["hub-3"]
areas = [["hub-1", "hub-2"], ["hub-3", "hub-4"]]
[[stage]]
begins = 2026-12-01T08:00:00+01:00
percent = 0.25
[[stage]]
begins = 2026-12-02T07:00:00Z
percent = 100
[[window]]
days = ["mon", "sun"]
start = "01:30"
end = "24:00"
[[window]]
start = "00:00"
end = "00:30"
"""
)


def images() -> Targets:
    return Targets(targets={"a.squashfs": TargetFile.from_data("a.squashfs", b"abc", ["sha256"])})


def signed_of(text: str) -> SignedPlan:
    return read_plan_file(text.encode(), images(), 1_700_000_000)


def plan_of(text: str) -> Plan:
    return signed_of(text).plan


def test_every_word_means_what_it_says() -> None:
    plan = plan_of(WHOLE)
    assert plan.issued == 1_700_000_000
    assert (plan.image.size, plan.image.version) == (3, "1.0")
    assert plan.canaries == {"hub-1", "hub-9"}
    assert plan.held == {"hub-3"}
    assert not plan.is_held
    assert plan.area_of("hub-2") == {"hub-1", "hub-2"}
    begins = int(datetime(2026, 12, 1, 7, tzinfo=UTC).timestamp())
    assert plan.stages == (Stage(begins, 25), Stage(begins + 86_400, 10_000))
    assert plan.windows == (Rule(0b1000001, 90, 1440), Rule(0b1111111, 0, 30))
    assert plan_of(HEAD + "hold_all = true").is_held


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("version = 1", "`image`"),
        ('image = "b.squashfs"\nversion = "1.0"', "not on the list of images"),
        ('image = "a.squashfs"', "`version`"),
        ('image = "a.squashfs"\nversion = "no version!"', "version"),
        (HEAD + 'canary = ["hub-1"]', "`canary`"),
        (HEAD + 'canaries = "hub-1"', "`canaries`"),
        (HEAD + 'canaries = ["hub-1", "hub-1"]', "twice"),
        (HEAD + "canaries = [1]", "`canaries`"),
        (HEAD + 'canaries = [""]', "text"),
        (HEAD + 'hold_all = "yes"', "`hold_all`"),
        (HEAD + 'areas = [["a", "b"], ["b"]]', "two areas"),
        (HEAD + "stage = [1]", "[[stage]]"),
        (HEAD + "[[stage]]\nbegins = 2026-12-01T08:00:00\npercent = 1", "zone"),
        (HEAD + "[[stage]]\nbegins = 2026-12-01\npercent = 1", "zone"),
        (HEAD + "[[stage]]\nbegins = 2026-12-01T08:00:00Z\npercent = true", "`percent`"),
        (HEAD + "[[stage]]\nbegins = 2026-12-01T08:00:00Z\npercent = 0.123", "two decimals"),
        (HEAD + "[[stage]]\nbegins = 2026-12-01T08:00:00Z\npercent = nan", "`percent`"),
        (HEAD + "[[stage]]\nbegins = 2026-12-01T08:00:00Z\npercent = inf", "`percent`"),
        (HEAD + "[[stage]]\nbegins = 2026-12-01T08:00:00Z\npercent = 101", "`percent`"),
        (HEAD + "[[stage]]\nbegins = 2026-12-01T08:00:00Z\nshare = 1", "`share`"),
        (HEAD + '[[window]]\nstart = "22:00"\nend = "02:00"', "two windows"),
        (HEAD + '[[window]]\nstart = "1:00"\nend = "02:00"', "HH:MM"),
        (HEAD + '[[window]]\nstart = "01:60"\nend = "02:00"', "HH:MM"),
        (HEAD + '[[window]]\nstart = "01:00"\nend = "24:01"', "HH:MM"),
        (HEAD + '[[window]]\ndays = ["monday"]\nstart = "01:00"\nend = "02:00"', "monday"),
        (HEAD + '[[window]]\ndays = [["mon"]]\nstart = "01:00"\nend = "02:00"', "mon"),
        (HEAD + "tolerance = 3", "[tolerance]"),
        (HEAD + "[tolerance]\npercent = 5", "`failures`"),
        (HEAD + "[tolerance]\nfailures = true\npercent = 5", "`failures`"),
        (HEAD + "[tolerance]\nfailures = -1\npercent = 5", "failures are"),
        (HEAD + "[tolerance]\nfailures = 16385\npercent = 5", "failures are"),
        (HEAD + "[tolerance]\nfailures = 2", "`percent`"),
        (HEAD + "[tolerance]\nfailures = 2\npercent = 100.5", "`percent`"),
        (HEAD + "[tolerance]\nfailures = 2\npercent = 5\nhours = 1", "`hours`"),
        ("\x00", "TOML"),
    ],
)
def test_what_is_wrong_is_named(text: str, named: str) -> None:
    with pytest.raises(ConfigError) as told:
        plan_of(text)
    assert named in str(told.value)


def test_a_tolerance_is_the_publishers_and_no_part_of_the_plan() -> None:
    with_one = signed_of(HEAD + "[tolerance]\nfailures = 2\npercent = 0.5")
    without = signed_of(HEAD)
    assert with_one.tolerance == Tolerance(failures_max=2, share_max=50)
    assert without.tolerance is None
    assert with_one.plan == without.plan


def test_what_is_no_text_is_told() -> None:
    with pytest.raises(ConfigError, match="no TOML"):
        read_plan_file(b"\xff\xfe", images(), 1)


@given(percent=st.integers(0, 10_000))
def test_a_share_is_the_per_cent_that_was_written(percent: int) -> None:
    text = f"[[stage]]\nbegins = 2026-12-01T08:00:00Z\npercent = {percent / 100!r}"
    assert plan_of(HEAD + text).stages[0].share == percent


@given(at=st.integers(1_760_000_000, 1_800_000_000), hub=st.sampled_from(["hub-1", "hub-2"]))
def test_the_first_moment_is_a_moment_and_none_before_it_is(at: int, hub: str) -> None:
    text = """
canaries = ["hub-1", "hub-2"]
areas = [["hub-1", "hub-2"]]
[[window]]
start = "00:00"
end = "12:00"
"""
    plan = plan_of(HEAD + text)
    zone = ZoneInfo("Europe/Berlin")
    first = next_switch(plan, hub, at, zone)
    assert first is not None
    assert may_switch(plan, hub, first, WallTime.at(first, zone)) is Word.GO
    for moment in range(at, int(first), 60 * 7):
        assert may_switch(plan, hub, moment, WallTime.at(moment, zone)) is not Word.GO


def test_a_hub_is_told_its_stage_and_why_it_may_not() -> None:
    told = "\n".join(explain(plan_of(WHOLE), "hub-3", 1_800_000_000, UTC))
    assert "its stage begins 2026-12-02 07:00 UTC" in told
    assert "no: the director holds it back" in told
    assert "area: hub-3, hub-4" in told
