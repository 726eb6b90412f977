"""A guest's day: granted by the site, below the ceiling of the issuer, while the order stands."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbridge.siteorders import GuestAsked
from hubcore.access.claim import Claim, Strength
from hubcore.access.grant import Access, Grant, issue_grant, read_grant
from hubcore.access.precedence import DoorOrder
from hubcore.access.words import Action, Denial
from hubcore.backend.uplink.words import OrderOutcome
from hubcore.bridge.ceilings.guests import (
    GUEST,
    GUEST_SECONDS_MAX,
    GUESTS_MAX,
    GuestCeiling,
    check_ceiling,
    prove_guest,
    read_ceiling,
    write_ceiling,
)
from hubcore.bridge.mandate import Use, prove_mandate
from hubcore.bridge.site.order import (
    GUEST_UNTIL_SECONDS_MAX,
    AdmittedGuest,
    CredentialDisabled,
    DoorsOrder,
    GuestAdmitted,
    issue_site_order,
)
from hubcore.errors import ConfigError, ProofError, StoreError
from hubcore.evidence.facts import Fact
from hubcore.policy.policy import Operator, OperatorRight
from hubcore.ports.clock import ClockState
from hubd.doors.judge import Judge
from hubd.doors.persons import Persons
from hubd.orders.site.wording import TOO_MANY_GUESTS
from hubd.orders.wording import NO_SUCH_POINT, NOT_ALLOWED
from hubsim.site.documents import OPEN_AND_QUERY, make_key
from tests.unit.test_bridge_site_orders import Bench
from tests.unit.test_site_orders_taken import DAY, HOUR, ISSUER, KEYS, NOW, Site, mandate

CEILING = GuestCeiling(guests=2, seconds=12 * HOUR, uses=None, access_points=(1, 2, 9))
PHONE = make_key()
RIGHTS = OPEN_AND_QUERY


def guest(number: int = 1, version: int = 1, **more: object) -> GuestAdmitted:
    made = Grant(
        site="site-1",
        credential=f"{GUEST}{number}",
        not_before=NOW,
        expires=NOW + 8 * HOUR,
        grant_id=number.to_bytes(16, "big"),
        key=PHONE.verify_key,
        access=(Access(1, RIGHTS, ()),),
    )
    grant = replace(made, **more)  # type: ignore[arg-type]
    document = issue_grant(KEYS[version], grant, PHONE.cose_key)
    signed = replace(grant, site_digest=hashlib.sha256(document).digest())
    return GuestAdmitted(grant.grant_id, AdmittedGuest(signed, document))


def end(number: int = 1) -> GuestAdmitted:
    return GuestAdmitted(number.to_bytes(16, "big"), None)


def document_of(admitted: GuestAdmitted) -> bytes:
    assert admitted.guest is not None
    return admitted.guest.document


def judge(site: Site) -> Judge:
    return Judge(
        site.rules,
        policy=site.policy,
        clock=site.clock,
        tell=lambda *_: None,
        persons=Persons(site.clock),
        offline_seconds=lambda: 0.0,
        used=lambda _claim: 0,
        mode_at=site.standing.mode_at,
        disabled_here=site.in_force.is_disabled,
        is_guest=site.in_force.is_guest,
    )


def why_denied(
    site: Site, admitted: GuestAdmitted, strength: Strength = Strength.FULL
) -> Denial | None:
    """Ask at the door as this guest, whose grant was proven at some time."""
    assert admitted.guest is not None
    claim = Claim.under(
        admitted.guest.grant,
        access_point=1,
        action=Action.OPEN,
        op=bytes(8),
        strength=strength,
        arrived=0.0,
    )
    return judge(site).why_denied(claim)


def is_let_in(site: Site, admitted: GuestAdmitted) -> bool:
    """Tell whether the grant is read by the site's key, and then opens, by both paths."""
    key = site.in_force.guest_keys().get(hashlib.sha256(document_of(admitted)).digest())
    if key is None:
        return False
    assert read_grant(document_of(admitted), key, "site-1", of_site=True).of_site
    answers = {why_denied(site, admitted, one) for one in (Strength.FULL, Strength.SHORT)}
    assert len(answers) == 1
    return answers == {None}


@pytest.fixture
async def site() -> Site:
    made = Site()
    await made.site.take_mandate(mandate(guests=CEILING))
    return made


# ---- the ceiling


@given(
    st.integers(1, GUESTS_MAX),
    st.integers(1, GUEST_SECONDS_MAX),
    st.none() | st.integers(1, 65535),
    st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=32, unique=True),
)
def test_a_ceiling_is_read_as_it_was_written(
    guests: int, seconds: int, uses: int | None, points: list[int]
) -> None:
    ceiling = GuestCeiling(guests, seconds, uses, tuple(points))
    assert read_ceiling(write_ceiling(ceiling)) == ceiling


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        [0, 1, None, [1]],
        [GUESTS_MAX + 1, 1, None, [1]],
        [True, 1, None, [1]],
        [1, 0, None, [1]],
        [1, GUEST_SECONDS_MAX + 1, None, [1]],
        [1, 1, 0, [1]],
        [1, 1, 65536, [1]],
        [1, 1, None, []],
        [1, 1, None, [1, 1]],
        [1, 1, None, ["1"]],
        [1, 1, None, list(range(33))],
        [1, 1, None, [1], 5],
    ],
)
def test_another_ceiling_is_none(value: object) -> None:
    with pytest.raises(ProofError):
        read_ceiling(value)


@pytest.mark.parametrize("use", [Use.RECEIPTS, Use.TESTIMONY])
def test_only_a_mandate_for_orders_has_guests(use: Use) -> None:  # mandate, law 5
    document = mandate(use=use, guests=CEILING)
    with pytest.raises(ProofError):
        prove_mandate(document, "site-1", ISSUER.verify_key)
    found = prove_mandate(mandate(guests=CEILING), "site-1", ISSUER.verify_key)
    assert found.guests == CEILING
    assert prove_mandate(mandate(), "site-1", ISSUER.verify_key).guests is None


BEYOND: Mapping[str, Mapping[str, object]] = {
    "too long": {"expires": NOW + CEILING.seconds + 1},
    "a day and a second": {"expires": NOW + GUEST_SECONDS_MAX + 1},
    "no time at all": {"expires": NOW},
    "another place": {"access": (Access(3, RIGHTS, ()),)},
    "one place of two": {"access": (Access(1, RIGHTS, ()), Access(3, RIGHTS, ()))},
    "the right to hold a door open": {"access": (Access(1, 0b10 | RIGHTS, ()),)},
    "somebody's credential": {"credential": "anna"},
    "another site": {"site": "site-2"},
}


@pytest.mark.parametrize("why", BEYOND)
async def test_what_is_above_the_ceiling_proves_nothing(site: Site, why: str) -> None:
    """guests, laws 1 to 3"""
    admitted = guest(**BEYOND[why])
    assert admitted.guest is not None
    order = site.made(admitted)
    with pytest.raises(ProofError):
        check_ceiling(prove_guest(document_of(admitted), "site-1", KEYS[1].verify_key), CEILING)
    with pytest.raises(ProofError):
        await site.site.take(issue_site_order(order, "site-1", KEYS[1]))
    assert not is_let_in(site, admitted)


async def test_uses_are_below_the_ceiling() -> None:
    site = Site()
    await site.site.take_mandate(mandate(guests=replace(CEILING, uses=3)))
    for uses in (None, 4):
        with pytest.raises(ProofError):
            await site.say(guest(uses=uses))
    assert (await site.say(guest(uses=3))).outcome is OrderOutcome.TAKEN


async def test_a_grant_by_another_key_is_no_guest(site: Site) -> None:
    for version in (2, 3):
        with pytest.raises(ProofError):
            await site.say(guest(version=version))
    assert site.in_force.guest_keys() == {}


async def test_without_a_ceiling_a_site_has_no_guests() -> None:
    site = Site()
    await site.site.take_mandate(mandate())
    with pytest.raises(ProofError):
        await site.say(guest())


async def test_a_guest_ends_within_seven_days_of_the_order(site: Site) -> None:
    begins = NOW + GUEST_UNTIL_SECONDS_MAX
    with pytest.raises(ProofError):
        await site.say(guest(not_before=begins, expires=begins + HOUR))
    assert (await site.say(guest(not_before=begins - DAY, expires=begins - HOUR * 13))).outcome is (
        OrderOutcome.TAKEN
    )


# ---- at the hub


async def test_a_guest_is_let_in_until_the_end_of_his_grant(site: Site) -> None:
    assert not is_let_in(site, guest())
    assert why_denied(site, guest()) is Denial.NO_GRANT
    seen: list[bool] = []
    admitted = guest()
    site.log.on_durable = lambda _record: seen.append(is_let_in(site, admitted))
    assert (await site.say(admitted)).outcome is OrderOutcome.TAKEN
    assert seen == [False], "the record comes first"
    assert is_let_in(site, admitted)
    record = site.records()[-1].detail
    assert record[Fact.ORDER] == "guest"
    assert record[Fact.CREDENTIAL] == "guest.1"
    assert record[Fact.ASKER] == "boss"
    await site.look(8 * HOUR + 1)
    assert admitted.guest is not None
    assert not site.in_force.is_guest(admitted.guest.grant.site_digest)
    assert why_denied(site, admitted) is Denial.NO_GRANT


async def test_his_end_ends_both_paths(site: Site) -> None:
    admitted = guest()
    await site.say(admitted)
    assert (await site.say(end())).outcome is OrderOutcome.TAKEN
    assert why_denied(site, admitted, Strength.SHORT) is Denial.NO_GRANT
    assert site.in_force.guest_keys() == {}
    assert site.records()[-1].detail[Fact.ON] is False


async def test_an_older_grant_of_the_same_id_lets_nobody_in(site: Site) -> None:
    """in_force, law 3: also one that is in flight, or behind a ticket"""
    wide = guest(access=(Access(1, RIGHTS, ()), Access(2, RIGHTS, ())))
    narrow = guest(expires=NOW + HOUR)
    again = guest(expires=NOW + 2 * HOUR)
    for before, now in ((wide, narrow), (narrow, again)):
        await site.say(before)
        assert is_let_in(site, before)
        assert (await site.say(now)).outcome is OrderOutcome.TAKEN
        assert is_let_in(site, now)
        for strength in (Strength.FULL, Strength.SHORT):
            assert why_denied(site, before, strength) is Denial.NO_GRANT


async def test_the_key_of_a_later_mandate_ends_guests(site: Site) -> None:
    """taker, law 5"""
    admitted = guest()
    await site.say(admitted)
    await site.site.take_mandate(mandate(2, guests=CEILING))
    assert not is_let_in(site, admitted)


async def test_a_lockdown_goes_before_a_guest(site: Site) -> None:
    admitted = guest()
    await site.say(admitted)
    await site.say(DoorsOrder(DoorOrder.LOCKDOWN, None, site.in_an_hour()))
    assert why_denied(site, admitted) is Denial.LOCKDOWN
    await site.say(DoorsOrder(DoorOrder.LOCKDOWN, None, None))
    await site.say(CredentialDisabled("guest.1", site.in_an_hour()))
    assert why_denied(site, admitted) is Denial.CREDENTIAL_DISABLED


async def test_a_guest_stands_over_a_restart_if_the_log_says_so(site: Site) -> None:
    """held, law 6"""
    admitted = guest()
    await site.say(admitted)
    before = site.file.documents
    site.restart()
    assert is_let_in(site, admitted)
    await site.say(end())
    site.file.documents = before
    site.restart()
    assert not is_let_in(site, admitted), "an older file was put back"


async def test_without_a_trusted_clock_no_guest_is_let_in(site: Site) -> None:
    admitted = guest()
    await site.say(admitted)
    site.clock.trust = ClockState.BEHIND_RECORDS
    points = {number: replace(one, without_time=True) for number, one in site.rules.points.items()}
    site.rules = replace(site.rules, points=points)
    assert why_denied(site, admitted) is Denial.TIME_UNTRUSTED
    of_issuer = replace(admitted.guest.grant, site_digest=b"")  # type: ignore[union-attr]
    assert why_denied(site, GuestAdmitted(b"", AdmittedGuest(of_issuer, b""))) is None
    assert (await site.say(guest(2))).outcome is OrderOutcome.REFUSED


async def test_so_many_at_once(site: Site) -> None:
    """guests, law 1: ended ones and those who are admitted again make room"""
    for number in (1, 2):
        assert (await site.say(guest(number))).outcome is OrderOutcome.TAKEN
    result = await site.say(guest(3))
    assert (result.outcome, result.detail) == (OrderOutcome.REFUSED, TOO_MANY_GUESTS)
    assert (await site.say(guest(2, uses=5))).outcome is OrderOutcome.TAKEN
    await site.say(end(1))
    assert (await site.say(guest(3))).outcome is OrderOutcome.TAKEN
    await site.look(8 * HOUR)
    later = guest(4, not_before=NOW + 8 * HOUR, expires=NOW + 9 * HOUR)
    assert (await site.say(later)).outcome is OrderOutcome.TAKEN


async def test_who_may_release_a_door_may_let_in_a_guest_there(site: Site) -> None:
    """taker, law 2"""
    release = OperatorRight.RELEASE
    site.policy.operators["porter"] = Operator(release, frozenset({1}))
    site.policy.operators["guard"] = Operator(OperatorRight.LOCK_DOWN)
    both = {"access": (Access(1, RIGHTS, ()), Access(2, RIGHTS, ()))}
    for by, what in (("nobody", guest()), ("guard", guest()), ("porter", guest(**both))):
        result = await site.say(what, by=by)
        assert (result.outcome, result.detail) == (OrderOutcome.REFUSED, NOT_ALLOWED)
    assert (await site.say(guest(), by="porter")).outcome is OrderOutcome.TAKEN
    assert (await site.say(end(), by="guard")).outcome is OrderOutcome.REFUSED
    assert (await site.say(end(), by="porter")).outcome is OrderOutcome.TAKEN


async def test_a_guest_for_other_hubs_is_none_here(site: Site) -> None:
    result = await site.say(guest(access=(Access(9, RIGHTS, ()),)), hub=None)
    assert (result.outcome, result.detail) == (OrderOutcome.REFUSED, NO_SUCH_POINT)


async def test_what_cannot_be_kept_lets_nobody_in(site: Site) -> None:
    """taker, law 3"""
    site.file.failing = StoreError("told to fail")
    assert (await site.say(guest())).outcome is OrderOutcome.FAILED
    assert not is_let_in(site, guest())


# ---- at the bridge


def asked(bench: Bench, **more: object) -> GuestAsked:
    now = int(bench.clock.wall())
    made = GuestAsked("7", PHONE.verify_key, (1,), now, now + HOUR, 3)
    return replace(made, **more)  # type: ignore[arg-type]


@pytest.fixture
async def bench() -> Bench:
    made = Bench(guests=CEILING)
    await made.hub.site.take_mandate(mandate(guests=CEILING))
    return made


async def test_a_site_admits_a_guest_and_ends_that(bench: Bench) -> None:
    """siteorders, law 6"""
    order, document = await bench.desk.admit(asked(bench), "boss")
    assert await bench.carry() == [OrderOutcome.TAKEN]
    assert isinstance(order.what, GuestAdmitted)
    assert document_of(order.what) == document
    assert is_let_in(bench.hub, order.what)
    bench.start()
    assert [one.order for one in bench.desk.shown()] == [order]
    await bench.desk.give(GuestAdmitted(order.what.grant_id, None), "boss")
    assert await bench.carry() == [OrderOutcome.TAKEN]
    assert not is_let_in(bench.hub, order.what)
    assert bench.desk.shown() == []


async def test_a_hub_that_comes_later_lets_the_guest_in(bench: Bench) -> None:
    """siteorders, law 3"""
    bench.is_up = False
    order, _ = await bench.desk.admit(asked(bench), "boss")
    bench.clock.advance(1800)
    assert await bench.come() == [OrderOutcome.TAKEN]
    assert isinstance(order.what, GuestAdmitted)
    assert is_let_in(bench.hub, order.what)


@pytest.mark.parametrize(
    "more", [{"access_points": (3,)}, {"expires": NOW + DAY}, {"name": "x" * 40}]
)
async def test_a_bridge_signs_nothing_above_the_ceiling(
    bench: Bench, more: dict[str, object]
) -> None:
    with pytest.raises(ProofError):
        await bench.desk.admit(asked(bench, **more), "boss")
    assert bench.said == []


async def test_without_its_key_a_bridge_admits_nobody(bench: Bench) -> None:
    bench.has_key = False
    bench.start()
    with pytest.raises(ConfigError):
        await bench.desk.admit(asked(bench), "boss")


def test_the_site_cannot_sign_what_the_grant_does_not_say() -> None:
    """site.order, law 7"""
    admitted = guest()
    assert admitted.guest is not None
    other = GuestAdmitted(
        admitted.grant_id,
        AdmittedGuest(replace(admitted.guest.grant, uses=9), admitted.guest.document),
    )
    site = Site()
    with pytest.raises(ProofError):
        issue_site_order(site.made(other), "site-1", KEYS[1])
