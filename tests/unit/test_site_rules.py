"""`hubsim site schedule` and its sisters: each makes the next policy, and none a senseless one."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hubcore.access.passback import PassbackKind, PassbackRule
from hubcore.access.words import Mode
from hubcore.policy.policy import HoldOpen, Operator, OperatorRight
from hubsim import site as sites
from hubsim.main import main
from hubsim.site.folder import Site


@pytest.fixture
def where(tmp_path: Path) -> Site:
    made = sites.init(tmp_path / "site")
    assert run(made, "grant", "anna").exit_code == 0
    return made


def run(where: Site, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["site", "--at", str(where.path), *arguments])


def test_a_schedule_has_spans_recurrences_and_special_days(where: Site) -> None:
    result = run(
        where,
        "schedule",
        "3",
        "--weekly",
        "fri 22:00-06:00",
        "--recurring",
        "2026-12-07 08:00-12:00 FREQ=MONTHLY;BYDAY=1MO",
        "--special",
        "2026-12-24",
    )
    assert result.exit_code == 0, result.output
    assert "policy 2" in result.output
    schedule = where.policy().schedules[3]
    assert len(schedule.rules) == 3
    assert len(schedule.special) == 1
    assert run(where, "schedule", "3").exit_code == 0
    assert where.policy().schedules == {}


@pytest.mark.parametrize(
    "arguments",
    [
        ("schedule", "3", "--weekly", "never"),
        ("schedule", "3", "--recurring", "2026-12-07 08:00-12:00 FREQ=DAILY;INTERVAL=0"),
        ("schedule", "3", "--special", "today"),
        ("schedule", "-1"),
        ("mode", "1", "open"),
        ("passback", "1", "hard", "--from-area", "1", "--to-area", "1"),
        ("passback", "1", "timed"),
        ("passback", "1", "hard", "--seconds", "5"),
        ("operator", "anna", "fly"),
        ("disable", "nobody"),
    ],
)
def test_what_makes_no_sense_leaves_the_policy_as_it_is(
    where: Site, arguments: tuple[str, ...]
) -> None:
    result = run(where, *arguments)
    assert result.exit_code != 0
    assert where.policy().version == 1


def test_modes_and_holds(where: Site) -> None:
    assert run(where, "mode", "1", "no-entry").exit_code == 0
    assert where.policy().modes == {1: Mode.NO_ENTRY}
    assert run(where, "hold-open", "1", "3", "--first-person-in").exit_code == 0
    assert where.policy().points[1].hold_open == HoldOpen(3, first_person_in=True)
    assert run(where, "hold-open", "1").exit_code == 0
    assert where.policy().points == {}


def test_passback_stands_beside_what_is_demanded(where: Site) -> None:
    assert run(where, "demand", "1", "card", "--schedule", "3").exit_code == 0
    assert run(where, "demand", "1", "card+pin", "--also").exit_code == 0
    assert run(where, "passback", "1", "timed", "--seconds", "60").exit_code == 0
    rules = where.policy().points[1]
    assert [demand.schedule for demand in rules.demands] == [3, None]
    assert rules.passback == PassbackRule(PassbackKind.TIMED, 0, 1, 60)
    assert run(where, "passback", "1", "off").exit_code == 0
    assert where.policy().points[1].passback is None


def test_who_is_disabled_or_needs_longer_is_named_by_the_credential(where: Site) -> None:
    credential = where.credential("anna")
    assert run(where, "disable", "anna").exit_code == 0
    assert run(where, "longer", "anna").exit_code == 0
    assert where.policy().disabled == where.policy().extended_time == {credential}
    assert run(where, "disable", "anna", "--off").exit_code == 0
    assert run(where, "longer", "anna", "--off").exit_code == 0
    assert where.policy().disabled == where.policy().extended_time == frozenset()


def test_operators_and_groups(where: Site) -> None:
    assert (
        run(where, "operator", "kim", "release", "lock-down", "--access-point", "1").exit_code == 0
    )
    rights = OperatorRight.RELEASE | OperatorRight.LOCK_DOWN
    assert where.policy().operators["kim"] == Operator(rights, frozenset({1}))
    assert run(where, "operator", "kim").exit_code == 0
    assert "kim" not in where.policy().operators
    assert run(where, "group", "1", "shutter-1", "shutter-2").exit_code == 0
    assert where.policy().groups == {1: ("shutter-1", "shutter-2")}
    assert run(where, "group", "1").exit_code == 0
    assert where.policy().groups == {}
