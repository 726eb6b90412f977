"""The places of the local socket over all orders of coming, asking, tailing and going."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hubcore.timing.credit import Credit
from hubcore.timing.pace import Rate
from hublocal.places import LIMITS, ROOT, USERS_MAX, Doing, Limits, Place, Places

SMALL = Limits(
    clients=6, root_places=2, user_places=4, tails=3, user_tails=2, user_per_second=1, user_burst=2
)
USERS = st.sampled_from([ROOT, 1, 2, 3])


class Socket(RuleBasedStateMachine):
    """Clients of four users, of whom one is root."""

    def __init__(self) -> None:
        super().__init__()
        self.places = Places(SMALL)
        self.now = 0.0
        self.gone: list[tuple[Place, Doing]] = []
        self.turn_at: dict[Place, float] = {}

    def of(self, uid: int) -> list[Place]:
        return [place for place in self.places.held() if place.uid == uid]

    def pick(self, data: st.DataObject, doing: set[Doing]) -> Place | None:
        some = [place for place in self.places.held() if place.doing in doing]
        return data.draw(st.sampled_from(some)) if some else None

    @rule(uid=USERS)
    def comes(self, uid: int) -> None:
        before = self.places.held()
        place = self.places.enter(uid)
        away = [one for one, _ in self.gone if one in before]
        assert len(away) <= 1
        if place is None:
            assert not away
            if uid == ROOT:
                assert len(self.of(ROOT)) >= SMALL.root_places
            own_waiting = [one for one in self.of(uid) if one.doing in (Doing.IDLE, Doing.TAILING)]
            assert len(self.of(uid)) < SMALL.user_places or not own_waiting
            return
        for one in away:
            assert one.uid == uid or one.uid != ROOT
        place.dismiss = lambda: self.gone.append((place, place.doing))
        place.now(Doing.IDLE, self.now)

    @rule(data=st.data())
    def asks(self, data: st.DataObject) -> None:
        idle = [one for one in self.places.held() if one.doing is Doing.IDLE and not one.waiting]
        if idle:
            place = data.draw(st.sampled_from(idle))
            self.turn_at[place] = self.now + self.places.wait_seconds(place, self.now)

    @rule(data=st.data())
    def has_its_turn(self, data: st.DataObject) -> None:
        come = [
            one
            for one in self.places.held()
            if one.waiting and self.turn_at[one] <= self.now + 1e-6
        ]
        if come:
            place = data.draw(st.sampled_from(come))
            self.places.served(place)
            place.now(Doing.ASKING, self.now)

    @rule(data=st.data())
    def is_answered(self, data: st.DataObject) -> None:
        if place := self.pick(data, {Doing.ASKING}):
            place.now(Doing.IDLE, self.now)

    @rule(data=st.data())
    def tails(self, data: st.DataObject) -> None:
        if place := self.pick(data, {Doing.ASKING}):
            before = [one for one in self.places.held() if one.doing is Doing.TAILING]
            self.places.tail(place, self.now)
            assert place.taken
            away = [one for one in before if not one.taken]
            for one in away:
                assert one.uid == place.uid or one.uid != ROOT
                assert one is min(
                    (x for x in before if x.uid == one.uid), key=lambda x: (x.since, x.number)
                )

    @rule(data=st.data())
    @precondition(lambda self: len(self.places))
    def goes(self, data: st.DataObject) -> None:
        self.places.leave(data.draw(st.sampled_from(self.places.held())))

    @rule()
    def time_passes(self) -> None:
        self.now += 0.3

    @invariant()
    def no_turn_is_owed_to_who_has_left(self) -> None:
        for uid, pace in self.places._user_paces.items():
            waiting = [one for one in self.of(uid) if one.waiting]
            assert pace._paid_at - self.now <= len(waiting) / SMALL.user_per_second + 1e-6

    @invariant()
    def the_ceilings_hold(self) -> None:
        held = self.places.held()
        tails = [place for place in held if place.doing is Doing.TAILING]
        assert len(held) <= SMALL.clients
        assert (
            len([place for place in held if place.uid != ROOT]) <= SMALL.clients - SMALL.root_places
        )
        assert len(tails) <= SMALL.tails
        for uid in {place.uid for place in held}:
            assert len(self.of(uid)) <= SMALL.user_places
            assert len([place for place in tails if place.uid == uid]) <= SMALL.user_tails

    @invariant()
    def only_who_waits_has_given_way_once(self) -> None:
        assert all(
            doing in (Doing.IDLE, Doing.TAILING) and not place.taken for place, doing in self.gone
        )
        assert len({id(place) for place, _ in self.gone}) == len(self.gone)


TestSocket = Socket.TestCase


def test_who_gives_way_first() -> None:
    places = Places(SMALL)
    idle, tail, newer_tail, asking = (places.enter(1) for _ in range(4))
    assert idle
    assert tail
    assert newer_tail
    assert asking
    idle.now(Doing.IDLE, 1)
    places.tail(tail, 2)
    places.tail(newer_tail, 3)
    asking.now(Doing.ASKING, 0)
    for expected in (tail, newer_tail, idle):
        newcomer = places.enter(1)
        assert newcomer is not None
        newcomer.now(Doing.ASKING, 9)
        assert not expected.taken
    assert asking.taken
    assert places.enter(1) is None


def test_the_largest_share_gives_way() -> None:
    places = Places(SMALL)
    for uid in (1, 2, 1, 1):
        place = places.enter(uid)
        assert place is not None
        place.now(Doing.IDLE, place.number)
    assert places.enter(3) is not None
    assert sorted(place.uid for place in places.held()) == [1, 1, 2, 3]


@given(
    rate=st.floats(0.5, 100),
    burst=st.integers(1, 50),
    steps=st.lists(st.floats(0, 5), min_size=1, max_size=200),
)
def test_no_more_turns_than_the_pace_in_any_order_of_asking(
    rate: float, burst: int, steps: list[float]
) -> None:
    pace = Credit(Rate(burst, rate))
    now = 0.0
    turns = list[float]()
    for step in steps:
        now += step
        turns.append(now + pace.take(now))
    assert turns == sorted(turns)
    for first, begin in enumerate(turns):
        for last in range(first, len(turns)):
            assert last - first + 1 <= burst + (turns[last] - begin) * rate + 1e-3


def test_what_one_user_has_used_up_a_new_connection_does_not_give_back() -> None:
    places = Places(LIMITS)
    waits = []
    for _ in range(LIMITS.user_burst + 1):
        place = places.enter(7)
        assert place is not None
        waits.append(places.wait_seconds(place, 0.0))
        places.served(place)
        places.leave(place)
    assert waits[:-1] == pytest.approx([0.0] * LIMITS.user_burst)
    assert waits[-1] == pytest.approx(1 / LIMITS.user_per_second)


def test_who_leaves_while_it_waits_gives_its_turn_back_and_nobody_else_waits_longer() -> None:
    places = Places(LIMITS)
    longest = 0.0
    for _ in range(100 * LIMITS.user_burst):
        place = places.enter(7)
        assert place is not None
        place.now(Doing.IDLE, place.number)
        longest = max(longest, places.wait_seconds(place, 0.0))
        if longest == 0.0:
            places.served(place)
    assert 0 < longest <= LIMITS.user_places / LIMITS.user_per_second + 1e-6


@given(uids=st.lists(st.integers(1, 4), max_size=400))
def test_newcomers_have_a_pace_for_each_user_and_one_for_all_but_root(uids: list[int]) -> None:
    rates = {"newcomers_per_second": 64, "all_newcomers_per_second": 256}  # exact in binary
    limits = Limits(newcomers_burst=20, all_newcomers_burst=50, **rates)  # type: ignore[arg-type]
    places = Places(limits)
    come = dict.fromkeys(range(5), 0)
    for uid in uids:
        before = sum(come.values())
        let_in = places.may_come(uid, 0.0)
        assert let_in == (come[uid] < 20 and before < 50)
        come[uid] += let_in
    assert all(places.may_come(ROOT, 0.0) for _ in range(20))
    assert not places.may_come(ROOT, 0.0)


def test_paces_are_forgotten_and_many_uids_make_no_more_than_the_common_pace() -> None:
    places = Places(LIMITS)
    come = 0
    for number in range(20_000):
        come += places.may_come(1 + number, number * 1e-4)
    assert come <= LIMITS.all_newcomers_burst + LIMITS.all_newcomers_per_second * 2
    assert len(places._newcomers) <= USERS_MAX


def test_paces_of_users_who_rest_are_forgotten() -> None:
    places = Places(LIMITS)
    for uid in range(1000):
        place = places.enter(uid)
        assert place is not None
        places.wait_seconds(place, uid * 0.1)
        places.served(place)
        places.leave(place)
    assert len(places._user_paces) <= 0.1 * 1000


@pytest.mark.parametrize(
    "wrong",
    [
        {"root_places": 8}, {"root_places": 9}, {"user_places": 13}, {"user_tails": 8},
        {"tails": 6}, {"tails": 16},
    ],
)  # fmt: skip
def test_limits_that_do_not_fit_together_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="places"):
        Limits(**wrong)  # type: ignore[arg-type]
