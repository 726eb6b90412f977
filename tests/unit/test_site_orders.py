"""The orders of a site at a hub: over all orders of arrival, with and without a trusted clock."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.precedence import DoorOrder
from hubcore.bridge.mandate import Mandate, Use
from hubcore.bridge.site.order import (
    TAKE_SECONDS_MAX,
    CredentialDisabled,
    DoorsOrder,
    GuestAdmitted,
    Ordered,
    SiteOrder,
    SiteRelease,
)
from hubcore.bridge.site.orders import (
    AHEAD_SECONDS,
    CREDENTIALS_MAX,
    SUBJECTS_MAX,
    SiteOrders,
    SiteVerdict,
)
from hubcore.codec.cose import SigningKey, VerifyKey

NOW = 1_800_000_000
LOCKDOWN = DoorsOrder(DoorOrder.LOCKDOWN, None, NOW + 3600)
END = DoorsOrder(DoorOrder.LOCKDOWN, None, None)


@cache
def key() -> VerifyKey:
    return SigningKey(ec.generate_private_key(ec.SECP256R1())).verify_key


def mandate() -> Mandate:
    return Mandate("site-1", "office", Use.ORDERS, 1, key(), NOW - 86_400, NOW + 86_400)


def order(
    number: int, issued: int, what: Ordered = LOCKDOWN, take_seconds: int = TAKE_SECONDS_MAX
) -> SiteOrder:
    """An order with an id of its own, issued so many seconds after NOW."""
    return SiteOrder(
        id=number.to_bytes(16, "big"),
        hub="hub-1",
        issued_ms=1000 * (NOW + issued),
        expires_at=NOW + issued + take_seconds,
        by="porter-7",
        what=what,
    )


@dataclass
class Hub:
    """Takes what it is told to take; `taken` is that, in its order."""

    orders: SiteOrders = field(default_factory=SiteOrders)
    taken: list[SiteOrder] = field(default_factory=list)

    def get(self, one: SiteOrder, now: int | None) -> SiteVerdict:
        at = None if now is None else NOW + now
        verdict = self.orders.judge(one, mandate(), at)
        if verdict is SiteVerdict.TAKE:
            self.orders.took(one)
            self.taken.append(one)
        return verdict

    def start_again(self) -> None:
        """What its records tell is all that it knows."""
        self.orders = SiteOrders()
        for one in self.taken:
            self.orders.took(one)


WHATS: list[Ordered] = [
    LOCKDOWN,
    END,
    SiteRelease(1, None),
    CredentialDisabled("c", NOW + 3600),
    CredentialDisabled("c", None),
]
ARRIVALS = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 900), st.booleans(), st.booleans()), max_size=60
)
ISSUED = st.lists(
    st.tuples(st.integers(0, 2000), st.sampled_from(WHATS), st.sampled_from([0, 60, 600])),
    min_size=1,
    max_size=12,
)


@given(ISSUED, ARRIVALS)
def test_however_they_come_no_older_order_takes_the_place_of_a_newer_one(  # laws 1 and 2
    issued: list[tuple[int, Ordered, int]],
    arrivals: list[tuple[int, int, bool, bool]],
) -> None:
    pool = [order(number, *one) for number, one in enumerate(issued)]
    hub = Hub()
    time = 0
    for which, seconds, is_trusted, starts in arrivals:
        one = pool[which % len(pool)]
        time = max(time + seconds // 10, one.issued_ms // 1000 - NOW)
        hub.get(one, time if is_trusted else None)
        if starts:
            hub.start_again()
    assert len({one.id for one in hub.taken}) == len(hub.taken)
    for subject in {one.subject for one in hub.taken}:
        about = [one.issued_ms for one in hub.taken if one.subject == subject]
        assert about == sorted(set(about))


@given(st.permutations(range(5)), st.lists(st.integers(0, 4), max_size=10))
def test_whatever_comes_first_the_newest_holds(first: list[int], again: list[int]) -> None:  # law 1
    pool = [order(number, 10 * number, (LOCKDOWN, END)[number % 2]) for number in range(5)]
    hub = Hub()
    for number in [*first, *again]:
        hub.get(pool[number], 60)
    assert hub.taken[-1] == pool[4]
    assert hub.get(pool[4], 60) is SiteVerdict.SAME
    assert hub.get(pool[3], 60) is SiteVerdict.OVERTAKEN


def test_an_order_is_taken_until_its_end_and_no_second_longer() -> None:
    assert Hub().get(order(1, 0, take_seconds=60), 60) is SiteVerdict.TAKE
    assert Hub().get(order(1, 0, take_seconds=60), 61) is SiteVerdict.LATE
    assert Hub().get(order(1, AHEAD_SECONDS), 0) is SiteVerdict.TAKE
    assert Hub().get(order(1, AHEAD_SECONDS + 1), 0) is SiteVerdict.EARLY  # law 5


def test_without_a_clock_it_shuts_and_opens_nothing() -> None:  # law 3
    hub = Hub()
    assert hub.get(order(1, 0), None) is SiteVerdict.TAKE
    opening: list[Ordered] = [END, SiteRelease(1, None), CredentialDisabled("c", None)]
    for number, what in enumerate(opening):
        assert hub.get(order(10 + number, 10, what), None) is SiteVerdict.NO_CLOCK
    assert hub.get(order(2, 20, END), 20) is SiteVerdict.TAKE
    assert hub.get(order(1, 0), None) is SiteVerdict.OVERTAKEN


def test_without_a_clock_the_newest_order_tells_the_time() -> None:  # law 4
    hub = Hub()
    hub.get(order(1, 1000), None)
    old = order(2, 0, CredentialDisabled("c", NOW + 3600))
    assert hub.get(old, None) is SiteVerdict.LATE
    hub = Hub()
    assert hub.get(replace(old, expires_at=NOW + 60), 2000) is SiteVerdict.LATE
    assert hub.get(old, None) is SiteVerdict.LATE


def test_an_order_from_the_future_stands_in_the_way_of_no_later_one() -> None:  # law 5
    hub = Hub()
    assert hub.get(order(1, 50_000), None) is SiteVerdict.TAKE
    assert hub.get(order(2, 10), None) is SiteVerdict.LATE
    assert hub.get(order(3, 20, END), 20) is SiteVerdict.TAKE
    assert hub.get(order(4, 30), None) is SiteVerdict.TAKE


def test_the_mandate_holds_when_it_was_issued_and_now() -> None:  # law 6
    orders = SiteOrders()
    one = order(1, 0)
    ended = replace(mandate(), expires=NOW + 10)
    assert orders.judge(one, ended, NOW + 10) is SiteVerdict.TAKE
    assert orders.judge(one, ended, NOW + 11) is SiteVerdict.KEY_ENDED
    begun_later = replace(mandate(), not_before=NOW + 1)
    for now in (None, NOW + 5):
        assert orders.judge(one, begun_later, now) is SiteVerdict.KEY_ENDED


def test_memory_is_bounded_and_credentials_leave_room_for_doors() -> None:  # law 7
    hub = Hub()
    for number in range(CREDENTIALS_MAX):
        what: Ordered = CredentialDisabled(f"c{number}", NOW + 3600)
        if number % 2:
            what = GuestAdmitted(number.to_bytes(8, "big"), None)
        assert hub.get(order(number, 0, what), 0) is SiteVerdict.TAKE
    one_more = order(9000, 0, CredentialDisabled("one more", NOW + 3600))
    assert hub.get(one_more, 0) is SiteVerdict.FULL
    assert hub.get(order(9004, 0, GuestAdmitted(bytes(8), None)), 0) is SiteVerdict.FULL
    for number in range(SUBJECTS_MAX - CREDENTIALS_MAX):
        release = order(1000 + number, 0, SiteRelease(number, None))
        assert hub.get(release, 0) is SiteVerdict.TAKE
    assert hub.get(order(9001, 0), 0) is SiteVerdict.FULL
    assert len(hub.orders) == SUBJECTS_MAX
    assert hub.get(order(9002, 1, SiteRelease(0, None)), 1) is SiteVerdict.TAKE
    later = TAKE_SECONDS_MAX + 1
    assert hub.get(order(9003, later), later) is SiteVerdict.TAKE
    assert len(hub.orders) == 2


def test_what_is_as_old_as_anything_forgotten_is_taken_no_more() -> None:  # law 7
    hub = Hub()
    hub.get(order(1, 100, END), 100)
    hub.get(order(2, 1000, SiteRelease(1, None)), 1000)
    assert len(hub.orders) == 1
    for issued in (90, 100):
        kept_back = replace(order(3, issued), expires_at=NOW + 950)
        assert hub.get(kept_back, 940) is SiteVerdict.OVERTAKEN
