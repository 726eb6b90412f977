"""What checks say to people far away: whole for each that may stand, and safe for any name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore import afar, checks
from hubcore.checks import CHECKS, CheckId

pytestmark = pytest.mark.once

HUBD = Path(__file__).parents[2] / "hubd"
BESIDE = ("start/", "trying/", "wiring/look/")
"""What raises checks there tells them to who asked: they never stand."""
_NAMED = re.compile(r"CheckId\.([A-Z_]+)")


def _standing() -> set[CheckId]:
    """Return the checks that the daemon may let stand: by name in its files, or by a table."""
    found = set()
    for path in HUBD.rglob("*.py"):
        if not str(path.relative_to(HUBD)).startswith(BESIDE):
            found |= {CheckId[name] for name in _NAMED.findall(path.read_text(encoding="utf-8"))}
    for name in checks.__all__:
        if name.startswith("CHECK_OF_"):
            found |= {check for check in getattr(checks, name).values() if check is not None}
    return {check for check in found if CHECKS[check].topic not in afar.UNTOLD}


def test_each_check_that_may_stand_has_sentences_for_people_far_away() -> None:
    """afar, laws 1 and 2"""
    standing = _standing()
    assert len(standing) >= 60
    for check in sorted(standing):
        what, remedy = afar.texts(CHECKS[check])
        assert afar.names_of(what) <= afar.PARTS, check
        assert afar.names_of(remedy) <= afar.PARTS, check
        assert what.endswith("."), check
        assert remedy.endswith("."), check
        assert remedy[0].isupper(), check


def test_what_names_its_parts_says_the_sentence_of_the_hub() -> None:
    told = afar.told("locks-weak", ("lock-1", "lock-2"))
    fields = {"devices": "lock-1, lock-2"}
    at_the_hub = checks.Problem(CheckId.LOCKS_WEAK, fields)
    assert (told.what, told.remedy) == (at_the_hub.what, at_the_hub.remedy)


@given(
    st.sampled_from([str(check) for check in CheckId]) | st.text(max_size=40),
    st.lists(st.text(max_size=40), max_size=3),
)
def test_any_name_and_any_parts_have_a_sentence(code: str, parts: list[str]) -> None:
    """afar, law 2"""
    told = afar.told(code, parts)
    assert told.what
    assert told.remedy
    if code not in set(CheckId):
        assert code in told.what
