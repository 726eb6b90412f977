"""A hub that keeps its log is never doubted, and one that was turned back always is."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from hubcore.backend.uplink.words import Cause
from hubcore.bridge.witness import Doubt, SeenChain, Sight, begin
from hubcore.evidence.records import Head, StoredRecord, chain_hash

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["append", "send", "hello", "late hello", "durable", "forget"]),
        st.integers(0, 30),
    ),
    max_size=60,
)


@dataclass
class Hub:
    """A hub's log; no two hubs ever write the same bytes."""

    name: bytes = b"hub"
    records: list[StoredRecord] = field(default_factory=list)
    durable: int = 0
    written: int = 0

    def append(self) -> None:
        self.written += 1
        number = len(self.records) + 1
        body = self.name + self.written.to_bytes(4, "big")
        before = self.head(number - 1)
        self.records.append(StoredRecord(number, body, chain_hash(before.hash, number, body)))

    def head(self, number: int) -> Head:
        return Head(number, self.records[number - 1].hash) if number else Head()

    @property
    def newest(self) -> Head:
        return self.head(len(self.records))

    def copy(self, length: int, name: bytes) -> Hub:
        """The same hub with an older copy of its disk."""
        return Hub(name, self.records[:length], min(self.durable, length))


class Bridge:
    """Does with `SeenChain` what its law 7 asks for: what is judged new is kept with it."""

    def __init__(self) -> None:
        self.seen: SeenChain | None = None
        self.hashes: dict[int, bytes] = {}
        self.turn = 0

    def hello(self, turn: int, durable: Head, newest: Head) -> None:
        if self.seen is None:
            self.seen = begin(turn, durable)
            return
        self.seen = self.seen.meet(turn, durable, newest, self.hashes.get)

    def new_connection(self, hub: Hub) -> None:
        self.turn += 1
        self.hello(self.turn, hub.head(hub.durable), hub.newest)

    def take(self, record: StoredRecord) -> Sight:
        assert self.seen is not None
        sight, self.seen = self.seen.take(record, self.hashes.get)
        if sight is Sight.NEW:
            self.hashes[record.number] = record.hash
        return sight

    @property
    def doubt(self) -> Doubt | None:
        assert self.seen is not None
        return self.seen.doubt


def play(steps: list[tuple[str, int]], hub: Hub, bridge: Bridge) -> None:
    """What may happen between a hub that keeps its log and its bridge."""
    late = [(bridge.turn, hub.head(hub.durable), hub.newest)]
    for step, count in steps:
        match step:
            case "append":
                hub.append()
            case "send" if hub.records:
                at = count % len(hub.records)
                for record in hub.records[at : at + 5]:
                    bridge.take(record)
            case "hello":
                bridge.new_connection(hub)
                late.append((bridge.turn, hub.head(hub.durable), hub.newest))
            case "late hello":
                turn, durable, newest = late[count % len(late)]
                if turn < bridge.turn:
                    bridge.hello(turn, durable, newest)
            case "durable":
                hub.durable = max(hub.durable, count % (len(hub.records) + 1))
            case "forget":
                for number in [number for number in bridge.hashes if number < count]:
                    del bridge.hashes[number]


def met(hub: Hub) -> Bridge:
    bridge = Bridge()
    bridge.new_connection(hub)
    return bridge


@given(STEPS)
def test_a_hub_that_keeps_its_log_is_never_doubted(steps: list[tuple[str, int]]) -> None:  # law 1
    hub = Hub()
    bridge = met(hub)
    play(steps, hub, bridge)
    assert bridge.doubt is None
    bridge.new_connection(hub)
    assert bridge.seen is not None
    for record in hub.records[bridge.seen.head.number :]:
        assert bridge.take(record) is Sight.NEW
    assert bridge.seen.head == hub.newest


@given(STEPS, st.integers(0, 40), st.integers(0, 80), STEPS)
def test_a_hub_that_was_turned_back_is_doubted_at_its_first_word(
    steps: list[tuple[str, int]],
    length: int,
    more: int,
    later: list[tuple[str, int]],
) -> None:  # laws 2 and 3
    hub = Hub()
    bridge = met(hub)
    play(steps, hub, bridge)
    hub.append()
    bridge.new_connection(hub)
    assert bridge.seen is not None
    for record in hub.records[bridge.seen.head.number :]:
        bridge.take(record)
    seen = bridge.seen.head
    turned_back = hub.copy(length % seen.number, b"copy")
    for _ in range(more):
        turned_back.append()
    bridge.new_connection(turned_back)
    for record in turned_back.records[seen.number - 1 :]:
        bridge.take(record)
    doubt = bridge.doubt
    assert doubt is not None
    assert doubt.cause in (Cause.FORK, Cause.TAIL_CUT)
    if len(turned_back.records) < seen.number:
        assert doubt.told == turned_back.newest
    play(later, turned_back, bridge)
    play(later, hub, bridge)
    assert bridge.doubt == doubt
    assert bridge.seen.head == seen


def test_a_shorter_log_is_a_cut_tail_and_another_one_a_fork() -> None:  # law 2
    hub = Hub()
    bridge = met(hub)
    for _ in range(5):
        hub.append()
        bridge.take(hub.records[-1])
    other = Hub(b"other")
    for _ in range(3):
        other.append()
    shorter = met_again(bridge, hub.copy(3, b"copy"))
    assert shorter == Doubt(Cause.TAIL_CUT, hub.head(3))
    assert met_again(bridge, Hub()) == Doubt(Cause.TAIL_CUT, Head())
    assert met_again(bridge, other) == Doubt(Cause.FORK, other.newest)


def met_again(bridge: Bridge, hub: Hub) -> Doubt | None:
    """What this Hello would lead to; the bridge stays as it was."""
    assert bridge.seen is not None
    durable = hub.head(hub.durable)
    return bridge.seen.meet(bridge.turn + 1, durable, hub.newest, bridge.hashes.get).doubt


def test_a_hello_on_an_older_connection_says_nothing() -> None:  # law 4
    hub = Hub()
    bridge = met(hub)
    bridge.new_connection(hub)
    hub.append()
    bridge.take(hub.records[0])
    bridge.hello(1, Head(), Head())
    assert bridge.doubt is None


def test_another_record_counts_on_each_connection() -> None:  # law 4
    hub = Hub()
    bridge = met(hub)
    other = Hub(b"other")
    for one in (hub, other):
        one.append()
    bridge.take(hub.records[0])
    bridge.new_connection(hub)
    assert bridge.take(other.records[0]) is Sight.DOUBTED
    assert bridge.doubt == Doubt(Cause.FORK, other.newest)


def test_a_hole_is_passed_over_a_head_that_the_backend_has_signed() -> None:  # law 5
    hub = Hub()
    bridge = met(hub)
    for _ in range(9):
        hub.append()
    bridge.take(hub.records[0])
    hub.durable = 6
    bridge.new_connection(hub)
    assert bridge.take(hub.records[6]) is Sight.EARLY
    assert bridge.seen is not None
    bridge.seen = bridge.seen.jump(hub.head(6))
    assert bridge.take(hub.records[6]) is Sight.NEW
    assert bridge.seen.jump(hub.head(2)).head == hub.head(7)
    assert bridge.doubt is None


def test_a_receipt_ends_no_doubt_and_a_decision_does() -> None:  # law 3
    hub = Hub()
    bridge = met(hub)
    for _ in range(4):
        hub.append()
        bridge.take(hub.records[-1])
    turned_back = hub.copy(2, b"copy")
    turned_back.append()
    bridge.new_connection(turned_back)
    assert bridge.seen is not None
    doubted = bridge.seen
    assert doubted.doubt is not None
    assert doubted.jump(Head(9, bytes(range(32)))) is doubted
    bridge.seen = doubted.accept(hub.head(2))
    assert bridge.take(turned_back.records[2]) is Sight.NEW


def test_what_is_kept_no_more_is_not_compared() -> None:
    hub = Hub()
    bridge = met(hub)
    for _ in range(4):
        hub.append()
        bridge.take(hub.records[-1])
    assert bridge.take(hub.records[1]) is Sight.AGAIN
    bridge.hashes.clear()
    assert bridge.take(hub.records[1]) is Sight.OLD
    assert bridge.take(hub.records[3]) is Sight.AGAIN


def test_a_record_with_the_hash_of_another_is_a_fork() -> None:  # law 2
    hub = Hub()
    bridge = met(hub)
    for _ in range(2):
        hub.append()
        bridge.take(hub.records[-1])
    forged = StoredRecord(2, b"other bytes", hub.records[1].hash)
    assert bridge.take(forged) is Sight.DOUBTED


def test_a_doubt_is_the_first_one_whatever_a_hub_says_later() -> None:  # law 3
    hub = Hub()
    bridge = met(hub)
    for _ in range(5):
        hub.append()
        bridge.take(hub.records[-1])
    bridge.new_connection(hub.copy(2, b"copy"))
    first = bridge.seen
    assert first is not None
    for later in (hub.copy(3, b"copy"), Hub(), hub):
        bridge.new_connection(later)
        assert bridge.seen == first


def test_a_durable_record_that_was_seen_with_another_hash_is_a_fork() -> None:  # law 2
    hub = Hub()
    bridge = met(hub)
    hub.append()
    bridge.take(hub.records[0])
    other = Hub(b"other")
    for _ in range(3):
        other.append()
    other.durable = 1
    bridge.new_connection(other)
    assert bridge.doubt == Doubt(Cause.FORK, other.head(1))


def test_a_successor_that_does_not_follow_is_a_fork() -> None:  # law 2
    hub = Hub()
    bridge = met(hub)
    other = Hub(b"other")
    for one in (hub, other):
        one.append()
        one.append()
    bridge.take(hub.records[0])
    assert bridge.take(other.records[1]) is Sight.DOUBTED
    assert bridge.doubt == Doubt(Cause.FORK, other.newest)
    assert bridge.seen is not None
    assert bridge.seen.head == hub.head(1)
