"""Weekly spans as people write them: what is meant is what is made, and what could never hold is
refused.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.grant import Access
from hubcore.calendar.schedule import ALL_DAYS, Rule, Schedule, inside
from hubcore.policy.policy import Policy
from hubsim import site as sites
from hubsim.main import main
from hubsim.weekly import weekly

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("mon-fri 08:00-18:00", [Rule(0b0011111, 480, 1080)]),
        ("Sat 9:30-12:00", [Rule(0b0100000, 570, 720)]),
        ("mon-sun 22:00-06:00", [Rule(ALL_DAYS, 1320, 1440), Rule(ALL_DAYS, 0, 360)]),
        ("mon-fri 22:00-06:00", [Rule(0b0011111, 1320, 1440), Rule(0b0111110, 0, 360)]),
        ("sun 22:00-06:00", [Rule(0b1000000, 1320, 1440), Rule(0b0000001, 0, 360)]),
        ("fri-mon 08:00-18:00", [Rule(0b1110001, 480, 1080)]),
        ("sun-sat 08:00-18:00", [Rule(ALL_DAYS, 480, 1080)]),
        ("mon-sun 00:00-24:00", [Rule(ALL_DAYS, 0, 1440)]),
        ("mon 22:00-00:00", [Rule(0b0000001, 1320, 1440)]),
    ],
)
def test_what_is_meant_is_made(text: str, rules: list[Rule]) -> None:
    assert list(weekly(text)) == rules


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (
            "mon-sun 00:00-00:00",
            "never holds: it ends when it begins; the whole day is 00:00-24:00",
        ),
        ("mon 08:00-08:00", "never holds"),
        ("mon 08:75-18:00", "08:75 is no time of a day"),
        ("mon 08:00-24:01", "24:01 is no time of a day"),
        ("mon 24:00-06:00", "begins at 23:59 at the latest"),
        ("mon 99:00-18:00", "99:00 is no time of a day"),
        ("mon-xyz 08:00-18:00", "'xyz' is none of mon, tue"),
        ("mon 8-18", "is no span such as"),
        ("mon,wed 08:00-18:00", "is no span such as"),
        ("", "is no span such as"),
        ("mon \u0661\u0662:00-18:00", "is no span such as"),
    ],
)
def test_what_could_never_hold_is_refused_with_a_sentence(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=re.escape(part)):
        weekly(text)


_MINUTES = st.integers(0, 1439)


@given(
    st.integers(0, 6),
    st.integers(1, 7),
    _MINUTES,
    st.integers(1, 1439),
    st.integers(0, 7 * 1440 - 1),
)
def test_a_span_holds_exactly_from_its_begin_to_its_end_on_each_of_its_days(
    first: int, count: int, start: int, length: int, minute: int
) -> None:
    last = (first + count - 1) % 7
    end = (start + length) % 1440
    text = (
        f"{DAYS[first]}-{DAYS[last]} {start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    )
    rules = weekly(text)
    begins = [((first + day) % 7) * 1440 + start for day in range(count)]
    expected = any((minute - begin) % (7 * 1440) < length for begin in begins)
    at = (MONDAY + timedelta(minutes=minute)).timestamp()
    assert inside(rules, at, UTC) is expected
    assert all(rule.start < rule.end and rule.days for rule in rules)


@pytest.mark.parametrize(
    "rule", [Rule(ALL_DAYS, 600, 600), Rule(ALL_DAYS, 1320, 360), Rule(0, 0, 1440)]
)
def test_no_document_is_made_with_a_rule_that_never_holds(rule: Rule) -> None:
    key = sites.make_key()
    with pytest.raises(ValueError, match="never holds"):
        sites.make_grant(
            key, site="site-1", credential="anna", key=key, access=[Access(1, 1, (rule,))]
        )


def test_no_policy_is_published_with_a_schedule_that_never_holds(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    site = sites.init(tmp_path_factory.mktemp("weekly") / "site")
    with pytest.raises(ValueError, match="never holds"):
        site.publish(Policy("site-1", 2, 0, schedules={1: Schedule((Rule(ALL_DAYS, 1320, 360),))}))
    assert site.policy().version == 1


def test_the_command_refuses_and_makes_the_two_rules(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = str(tmp_path_factory.mktemp("weekly") / "site")

    def command(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ("site", "--at", path, *words))
        return result.exit_code, result.output

    assert command("init")[0] == 0
    status, said = command("grant", "anna", "--weekly", "mon-sun 00:00-00:00")
    assert status == 2
    assert "never holds" in said
    status, said = command(
        "grant", "anna", "--weekly", "fri 22:00-06:00", "--weekly", "mon-thu 08:00-18:00"
    )
    assert status == 0, said
