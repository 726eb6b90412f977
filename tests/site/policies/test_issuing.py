"""What is signed of a site's rows: the same for the same rows, and never more than was granted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.grant import ACCESS_ENTRIES, IN_BROWSER, Access
from hubcore.calendar.schedule import ALWAYS, Rule, SpecialDays
from hubcore.policy import document
from hubcore.policy.policy import OPENING, Operator, OperatorRight
from hubsim.site.documents import make_key
from hubsite.rules.issuing import (
    CLOCKS_APART_SECONDS,
    DAY,
    OPEN_AND_QUERY,
    OPENS_NOTHING,
    Granting,
    Hours,
    IssuedGrant,
    SiteRows,
    access_of,
    covers,
    expires_at,
    for_browsers,
    policy_of,
)

pytestmark = pytest.mark.once

NOW = 1_800_000_000
ISSUER = make_key()
OFFICE = Hours((((480, 1080),),) * 5 + ((), ()), ((frozenset({20_000}), ()),))
ROWS = SiteRows(
    site="acme",
    schedules={7: OFFICE, 3: Hours(((),) * 7)},
    revoked=frozenset({"lost"}),
    disabled=frozenset({"away", "lost"}),
    issued=(),
    entitled={},
    operators=frozenset({"olga"}),
)

_points = st.lists(st.integers(1, 6), min_size=1, max_size=4, unique=True).map(tuple)
_grantings = st.lists(
    st.builds(
        Granting,
        points=_points,
        schedule=st.none() | st.integers(1, 4),
        begins=st.integers(NOW - 5, NOW + 5),
        ends=st.none() | st.integers(NOW - 5, NOW + 50),
    ),
    max_size=6,
)


def test_a_policy_says_what_the_rows_say() -> None:
    policy = policy_of(ROWS, 5, NOW)
    assert (policy.site, policy.version, policy.issued_at) == ("acme", 5, NOW)
    assert policy.revoked_credentials == {"lost"}
    assert policy.disabled == {"away"}
    assert policy.schedules[7].rules == (Rule(31, 480, 1080),)
    assert policy.schedules[7].special == (SpecialDays(frozenset({20_000}), ()),)
    assert policy.schedules[3].rules == ()
    assert policy.operators == {"olga": OPENS_NOTHING}
    assert not OPENS_NOTHING.rights & OPENING
    assert document.read(document.issue(policy, ISSUER), ISSUER.verify_key, "acme") == policy


def test_operators_may_what_the_file_says() -> None:
    opens = Operator(OperatorRight.RELEASE, frozenset({10}))
    assert policy_of(ROWS, 5, NOW, opens).operators == {"olga": opens}


def test_the_same_rows_in_another_order_are_the_same_policy() -> None:
    other = replace(ROWS, schedules=dict(reversed(ROWS.schedules.items())))
    assert list(policy_of(other, 1, NOW).schedules) == list(policy_of(ROWS, 1, NOW).schedules)
    assert policy_of(other, 1, NOW) == policy_of(ROWS, 1, NOW)


@given(_grantings, st.randoms())
def test_access_is_what_is_granted_now_in_whatever_order(grants: list[Granting], order) -> None:  # type: ignore[no-untyped-def]
    access = access_of(grants, NOW)
    shuffled = list(grants)
    order.shuffle(shuffled)
    assert access_of(shuffled, NOW) == access
    counting = [one for one in grants if one.begins <= NOW and (one.ends or NOW + 1) > NOW]
    allowed = {(point, one.schedule) for one in counting for point in one.points}
    said = {
        (entry.access_point, None if entry.rules == ALWAYS else rule)
        for entry in access
        for rule in entry.rules
    }
    assert said <= allowed
    assert {point for point, _ in said} == {point for point, _ in allowed}
    at_all_hours = {point for point, schedule in allowed if schedule is None}
    assert said == {one for one in allowed if one[0] not in at_all_hours or one[1] is None}
    assert all(entry.rights == OPEN_AND_QUERY for entry in access)
    assert covers(access, access)
    end = expires_at(grants, NOW, DAY)
    assert NOW < end <= NOW + DAY
    assert all(one.ends is None or end <= one.ends for one in counting)


@given(_grantings, _grantings)
def test_an_issued_grant_is_revoked_where_it_says_more_and_only_there(
    then: list[Granting], by_now: list[Granting]
) -> None:
    """What hubs judge: the policy's list, beside the entries of the grant that the phone shows."""
    said = access_of(then, NOW)
    may = access_of(by_now, NOW)
    issued = IssuedGrant(b"g" * 16, "phone", said, NOW + 10)
    rows = replace(ROWS, issued=(issued,), entitled={"phone": may})
    is_revoked = issued.grant_id in policy_of(rows, 1, NOW).revoked_grants
    pairs = {(entry.access_point, rule) for entry in said for rule in entry.rules}
    allowed = {(entry.access_point, rule) for entry in may for rule in entry.rules}
    at_all_hours = {entry.access_point for entry in may if entry.rules == ALWAYS}
    too_much = {one for one in pairs - allowed if one[0] not in at_all_hours}
    assert is_revoked == bool(too_much)


@given(_grantings, st.frozensets(st.integers(1, 6)))
def test_a_phone_in_a_browser_has_no_point_that_is_kept_from_it(
    grants: list[Granting], kept: frozenset[int]
) -> None:
    """issuing, laws 2 and 5"""
    before = access_of(for_browsers(grants), NOW)
    now_kept = [replace(one, no_browsers=kept.intersection(one.points)) for one in grants]
    access = access_of(for_browsers(now_kept), NOW)
    assert all(entry.rights == OPEN_AND_QUERY | IN_BROWSER for entry in access)
    others = [one for one in access_of(now_kept, NOW) if one.access_point not in kept]
    assert [replace(entry, rights=OPEN_AND_QUERY) for entry in access] == others
    issued = IssuedGrant(b"g" * 16, "phone", before, NOW + 10)
    rows = replace(ROWS, issued=(issued,), entitled={"phone": access})
    is_revoked = issued.grant_id in policy_of(rows, 1, NOW).revoked_grants
    assert is_revoked == any(entry.access_point in kept for entry in before)


@pytest.mark.parametrize(
    ("issued", "may", "is_revoked"),
    [
        (Access(1, 1, ALWAYS), (), True),
        (Access(1, 1, ALWAYS), (Access(1, 1, ALWAYS),), False),
        (Access(1, 9, ALWAYS), (Access(1, 1, ALWAYS),), True),
        (Access(1, 1, (7,)), (Access(1, 9, ALWAYS),), False),
        (Access(1, 1, ALWAYS), (Access(1, 9, (7,)),), True),
        (Access(1, 1, (7,)), (Access(1, 1, (7, 8)),), False),
        (Access(1, 1, (7,)), (Access(2, 1, (7,)),), True),
    ],
)
def test_what_says_more_than_by_now(
    issued: Access, may: tuple[Access, ...], is_revoked: bool
) -> None:
    one = IssuedGrant(b"g" * 16, "phone", (issued,), NOW)
    rows = replace(ROWS, issued=(one,), entitled={"phone": may})
    assert policy_of(rows, 1, NOW).revoked_grants == ({one.grant_id} if is_revoked else set())


def test_a_grant_stays_in_the_list_until_no_clock_can_take_it_for_valid() -> None:
    one = IssuedGrant(b"g" * 16, "phone", (Access(1, 1, ALWAYS),), NOW)
    rows = replace(ROWS, issued=(one,))
    last = NOW + CLOCKS_APART_SECONDS - 1
    assert policy_of(rows, 1, last).revoked_grants == {one.grant_id}
    assert policy_of(rows, 1, last + 1).revoked_grants == set()
    lost = replace(rows, issued=(replace(one, credential="lost"),))
    assert policy_of(lost, 1, NOW).revoked_grants == set(), "its credential is revoked already"


def test_more_than_a_phone_holds_is_refused_with_a_sentence() -> None:
    many = Granting(tuple(range(1, ACCESS_ENTRIES + 2)), None, NOW)
    with pytest.raises(ValueError, match="33 access points are granted, and a phone holds 32"):
        access_of([many], NOW)
    hours = [Granting((1,), number, NOW) for number in range(33)]
    with pytest.raises(ValueError, match="granted in 33 schedules"):
        access_of(hours, NOW)
