"""What records prove of the time: over all orders of starts, wrong clocks, unlocks and vouches."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.evidence.records import GENESIS, Record, RecordKind, StoredRecord, Value, chain_hash
from hubcore.evidence.timefloor import (
    CONFIRMED_AHEAD_SECONDS,
    ISSUED_MAX,
    MARK_RECORDS,
    TimeFloor,
    from_records,
)
from hubcore.ports.clock import ClockState
from hubd.adapters.host.clock import BEHIND_SECONDS, SystemClock
from tests.fakes.clock import NOON

Step = tuple[str, float]
"""What happens, and how many seconds pass before it."""

seconds = st.one_of(st.floats(0, 60), st.floats(60, 40 * 86_400))
errors = st.one_of(
    st.floats(-300, 300),
    st.floats(300, CONFIRMED_AHEAD_SECONDS),
    st.floats(-(10**9), 10**9),
    st.just(75 * 365 * 86_400.0),
)
whats = st.sampled_from(
    ("full", "short", "denied", "order", "door", "stopped", "mark", "many", "echo", "echoed order")
)
PROVING = ("full",)
life = st.tuples(errors, st.lists(st.tuples(whats, seconds), max_size=12))
lives = st.lists(life, max_size=8)


class World:
    """A hub's log through many lives; `true` is the right time in Unix seconds, `error` the
    clock's.
    """

    def __init__(self) -> None:
        self.stored: list[StoredRecord] = []
        self.true = NOON
        self.mono = 0.0
        self.error = 0.0
        self.vouching = True
        """Whether the backend agrees with a clock that stands behind what is proven."""
        self.floor = TimeFloor()
        self.clock = SystemClock(
            lambda: self.floor.floor_ms / 1000, lambda: self.wall, lambda: self.mono
        )

    @property
    def wall(self) -> float:
        return self.true + self.error

    @property
    def trusted(self) -> bool:
        return self.clock.state() is ClockState.TRUSTED

    def append(self, kind: RecordKind, detail: dict[str, Value]) -> None:
        record = Record.at(kind, self.wall, self.mono, detail)
        body = record.encode()
        before = self.stored[-1].hash if self.stored else GENESIS
        number = len(self.stored) + 1
        self.stored.append(StoredRecord(number, body, chain_hash(before, number, body)))
        self.floor.take(record.kind, record.at_ms, record.mono_ms, record.detail)

    def newest(self, before: int, limit: int) -> Sequence[StoredRecord]:
        return self.stored[max(0, before - 1 - limit) : before - 1]

    def remembered(self) -> TimeFloor:
        return from_records(self.newest, len(self.stored))

    def start(self, error: float) -> None:
        self.error = error
        self.mono = 3.0
        self.floor = self.remembered()
        self.append(RecordKind.STARTED, {"version": "1", **self.floor.begin()})

    def pass_time(self, seconds: float) -> None:
        self.true += seconds
        self.mono += seconds

    def happen(self, what: str) -> None:
        """Let something happen as it can by honest phones and any backend: an echo says whatever
        this hub says.
        """
        doubt: dict[str, Value] = {} if self.trusted else {"clock": "behind_records"}
        match what:
            case "full":
                refused = not self.trusted or not -300 <= self.error <= CONFIRMED_AHEAD_SECONDS
                if not refused:  # else the phone refuses the epoch, or the hub denies
                    self.append(RecordKind.ACCESS, {"allowed": True, "path": "full"})
            case "short":
                self.append(RecordKind.ACCESS, {"allowed": self.trusted, "path": "short", **doubt})
            case "denied":
                self.append(RecordKind.ACCESS, {"allowed": False, "path": "full", **doubt})
            case "order":
                if self.trusted and -60 <= self.error <= 60:
                    self.append(RecordKind.REMOTE, {"allowed": True})
            case "echo":
                by = "confirmed_by" if self.trusted else "vouched_by"
                if self.vouching or self.trusted:
                    self.append(RecordKind.CLOCK, {by: "backend"})
            case "echoed order":
                if self.trusted:
                    self.append(RecordKind.REMOTE, {"allowed": True})
            case "door":
                self.append(RecordKind.DOOR, {"door": "front", "what": "closed"})
            case "stopped":
                self.append(RecordKind.STOPPED, {})
            case "mark":
                self.append(RecordKind.CLOCK, self.floor.mark())
            case "many":
                for _ in range(MARK_RECORDS + 100):
                    self.append(RecordKind.DOOR, {"door": "front", "what": "opened"})
                self.append(RecordKind.CLOCK, self.floor.mark())

    def live(self, played: Sequence[tuple[float, list[Step]]]) -> None:
        for error, steps in played:
            self.start(error)
            for what, passing in steps:
                self.pass_time(passing)
                self.happen(what)


@settings(deadline=None, max_examples=60)
@given(lives)
def test_no_order_of_starts_with_wrong_clocks_locks_anybody_out_once_the_clock_is_right(
    played: list[tuple[float, list[Step]]],
) -> None:
    """For longer than a phone whose own clock is right can confirm a clock that runs ahead."""
    world = World()
    world.live(played)
    world.start(0.0)
    longest = CONFIRMED_AHEAD_SECONDS - BEHIND_SECONDS
    assert world.floor.floor_ms / 1000 - BEHIND_SECONDS - world.true <= longest
    world.pass_time(longest + 1)
    assert world.trusted


@settings(deadline=None, max_examples=60)
@given(lives)
def test_starts_alone_lock_nobody_out_at_all(played: list[tuple[float, list[Step]]]) -> None:
    world = World()
    world.live(
        [(error, [step for step in steps if step[0] not in PROVING]) for error, steps in played]
    )
    assert world.floor.floor_ms == 0
    world.start(0.0)
    assert world.trusted


@settings(deadline=None, max_examples=60)
@given(lives, st.sampled_from(("confirmed", "vouched", "ordered")))
def test_the_word_of_the_backend_never_raises_the_floor(
    played: list[tuple[float, list[Step]]], how: str
) -> None:
    world = World()
    world.live(played)
    before = world.floor.floor_ms
    proven = world.floor.proven(int(world.wall * 1000), int(world.mono * 1000))
    match how:
        case "confirmed":
            world.append(RecordKind.CLOCK, {"confirmed_by": "backend"})
        case "vouched":
            world.append(RecordKind.CLOCK, {"vouched_by": "backend"})
        case _:
            world.append(RecordKind.REMOTE, {"allowed": True})
    assert world.floor.floor_ms <= before or (proven and how != "vouched")
    assert world.floor.confirmed(int(world.wall * 1000), int(world.mono * 1000))
    assert world.remembered().floor_ms == world.floor.floor_ms


def test_a_backend_that_echoes_a_clock_years_ahead_locks_nobody_out_when_it_is_set_right() -> None:
    for echo in ("echo", "echoed order"):
        world = World()
        world.start(10 * 365 * 86_400.0)
        for what in (echo, "door", "mark", "short", "stopped"):
            world.pass_time(30)
            world.happen(what)
        world.error = 0.0
        world.vouching = False
        assert world.trusted
        world.start(0.0)
        assert world.trusted


@settings(deadline=None, max_examples=60)
@given(lives, lives, st.floats(BEHIND_SECONDS + 1, 10**8))
def test_no_order_of_starts_with_a_clock_set_back_revives_the_time_that_was_proven(
    before: list[tuple[float, list[Step]]],
    after: list[tuple[float, list[Step]]],
    back_seconds: float,
) -> None:
    world = World()
    world.live([(0.0, steps) for _, steps in before])
    world.start(0.0)
    world.happen("full")
    proven = world.true
    world.vouching = False
    for _, steps in after:
        world.start(proven - back_seconds - world.true)
        assert not world.trusted
        for what, _ in steps:
            world.happen(what)
            assert not world.trusted


@settings(deadline=None, max_examples=60)
@given(lives, st.lists(st.floats(-(10**6), 10**6), max_size=5))
def test_what_is_read_from_the_records_is_what_was_known(
    played: list[tuple[float, list[Step]]], vouched: list[float]
) -> None:
    world = World()
    world.live(played)
    for error in vouched:
        world.error = error
        world.append(RecordKind.CLOCK, {"vouched_by": "technician"})
        assert world.floor.floor_ms == int(world.wall * 1000)
        world.happen("door")
    found = world.remembered()
    assert found.floor_ms == world.floor.floor_ms
    now = (int(world.wall * 1000), int(world.mono * 1000))
    assert found.confirmed(*now) is world.floor.confirmed(*now)


def test_records_that_cannot_be_read_prove_nothing_and_stop_nothing() -> None:
    world = World()
    world.start(0.0)
    world.happen("full")
    proven = world.floor.floor_ms
    for body in (b"", b"\xff", b"\xa0"):
        world.stored.append(StoredRecord(len(world.stored) + 1, body, bytes(32)))
    assert world.remembered().floor_ms == proven


def test_a_fact_of_another_kind_is_no_floor() -> None:
    floor = TimeFloor()
    for wrong in ("soon", b"", None, True):
        floor.take(RecordKind.STARTED, 1000, 0, {"floor": wrong})
        assert floor.floor_ms == 0


signed = st.sampled_from((RecordKind.POLICY, RecordKind.REVOCATION))
issued = st.integers(-1, int(NOON) + 10**8)


@settings(deadline=None, max_examples=60)
@given(lives, st.lists(st.tuples(signed, issued), max_size=4))
def test_what_the_issuer_signed_raises_the_floor_and_confirms_no_clock(  # law 6
    played: list[tuple[float, list[Step]]], moments: list[tuple[RecordKind, int]]
) -> None:
    world = World()
    world.live(played)
    for kind, moment in moments:
        now = (int(world.wall * 1000), int(world.mono * 1000))
        confirmed = world.floor.confirmed(*now)
        before = world.floor.floor_ms
        proven_ms = now[0] if world.floor.proven(*now) else 0
        world.append(kind, {"version": 1, "issued": moment})
        assert world.floor.floor_ms == max(before, 1000 * moment, proven_ms)
        assert world.floor.confirmed(*now) is confirmed
        assert world.remembered().floor_ms == world.floor.floor_ms
        world.happen("many")
        assert world.remembered().floor_ms == world.floor.floor_ms


def test_a_clock_before_the_newest_signature_is_not_believed_until_a_person_vouches() -> None:
    world = World()
    world.start(-86_400.0)
    assert world.trusted
    world.append(RecordKind.POLICY, {"version": 1, "issued": int(NOON)})
    assert not world.trusted
    world.start(-86_400.0)
    assert not world.trusted
    world.append(RecordKind.CLOCK, {"vouched_by": "technician"})
    assert world.trusted


def test_a_signature_of_no_moment_proves_nothing_and_fits_every_record_after_it() -> None:
    floor = TimeFloor()
    for wrong in (-1, ISSUED_MAX + 1, (1 << 63) - 1, "soon", True, None):
        floor.take(RecordKind.POLICY, 1000, 0, {"issued": wrong})
        assert floor.floor_ms == 0
    floor.take(RecordKind.POLICY, 1000, 0, {"issued": ISSUED_MAX})
    Record.at(RecordKind.STARTED, NOON, 1.0, floor.begin()).encode()


def test_a_restart_reads_no_more_than_it_needs() -> None:
    world = World()
    world.start(0.0)
    world.happen("full")
    for _ in range(20):
        world.happen("many")
    read: list[int] = []

    def newest(before: int, limit: int) -> Sequence[StoredRecord]:
        page = world.newest(before, limit)
        read.append(len(page))
        return page

    assert from_records(newest, len(world.stored)).floor_ms == world.floor.floor_ms
    assert sum(read) <= MARK_RECORDS
