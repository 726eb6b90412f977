"""The bridge's talk with its backend, over every order of losses, repetitions and reconnections."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.access.words import HubName
from hubcore.backend.pace import Pace
from hubcore.backend.talk.effects import Moment
from hubcore.backend.uplink import codec as uplink
from hubcore.backend.uplink.from_backend import Pong
from hubcore.backend.uplink.from_hub import Evidence, Notice, Ping
from hubcore.backend.uplink.words import Cause
from hubcore.bridge.backend.from_backend import (
    BackendWelcome,
    EndsNow,
    FromBackend,
    HubHalted,
    HubKnown,
    HubReceipt,
)
from hubcore.bridge.backend.from_bridge import (
    Ahead,
    AskHub,
    BornWitness,
    BridgeHello,
    Doubted,
    Forwarded,
    FromBridge,
    RequestOfHub,
)
from hubcore.bridge.backend.lane import _TABLE, Lane, LaneEvent, LanePace, LanePhase
from hubcore.bridge.backend.talk.apart import AHEAD_EACH, AHEAD_WHOLE
from hubcore.bridge.backend.talk.effects import (
    BackendPhase,
    Effects,
    Leave,
    LetGo,
    PhaseChanged,
    Read,
    Say,
    SayHello,
    Take,
    Tell,
)
from hubcore.bridge.backend.talk.talk import BackendTalk
from hubcore.bridge.backend.talk.turns import WINDOW
from hubcore.bridge.backend.words import BATCH_BYTES, BATCH_RECORDS
from hubcore.bridge.mandate import Mandate, Use
from hubcore.bridge.signedhead import HeadKind, SignedHead, sign_head
from hubcore.bridge.stretch import Stretch, reach
from hubcore.bridge.witness import Doubt
from hubcore.evidence.records import GENESIS, Head, StoredRecord, chain_hash
from hubsim.site.documents import make_key

SITE = "site-1"
BACKEND = "gateway-1"
KEY = make_key()
OTHER_KEY = make_key()
NOW = 1_800_000_000
MANDATE = Mandate(SITE, "backend", Use.RECEIPTS, 1, KEY.verify_key, NOW - 10, NOW + 10**9)
PACE = LanePace(
    width=3,
    read_most=2,
    patience_seconds=15.0,
    pause_seconds=0.5,
    cap_seconds=60.0,
    halted_seconds=20.0,
)
HUBS = ("hub-1", "hub-2", "hub-3")


def receipt(hub: str, head: Head, key: object = KEY) -> HubReceipt:
    said = SignedHead(HeadKind.RECEIPT, "backend", HubName(SITE, hub), head, NOW)
    return HubReceipt(hub, sign_head(said, key))  # type: ignore[arg-type]


def extend(log: list[StoredRecord], count: int, word: bytes) -> None:
    for _ in range(count):
        number = len(log) + 1
        body = word + number.to_bytes(4, "big")
        before = log[-1].hash if log else GENESIS
        log.append(StoredRecord(number, body, chain_hash(before, number, body)))


def head_of(log: list[StoredRecord]) -> Head:
    return Head(log[-1].number, log[-1].hash) if log else Head()


def new_talk(hubs_max: int = 8) -> BackendTalk:
    return BackendTalk(
        site=SITE,
        mandate=lambda: MANDATE,
        chance=bytes,
        counters=Counter(),
        hubs_max=hubs_max,
        pace=Pace(),
        lane_pace=PACE,
    )


@dataclass
class World:
    """A bridge's talk and its disk, a backend, and the wire between both."""

    talk: BackendTalk = field(default_factory=new_talk)
    logs: dict[str, list[StoredRecord]] = field(default_factory=lambda: {hub: [] for hub in HUBS})
    held: dict[str, range] = field(default_factory=lambda: {hub: range(1, 1) for hub in HUBS})
    """Which numbers the bridge holds."""
    stored: dict[str, list[StoredRecord]] = field(default_factory=lambda: {hub: [] for hub in HUBS})
    heads: dict[str, set[int]] = field(default_factory=lambda: {hub: set() for hub in HUBS})
    """Of which records the bridge has a head that the hub has signed."""
    by_uplink: dict[str, int] = field(default_factory=lambda: dict.fromkeys(HUBS, 0))
    let_go: dict[str, int] = field(default_factory=lambda: dict.fromkeys(HUBS, 0))
    up: deque[FromBridge] = field(default_factory=deque)
    down: deque[FromBackend] = field(default_factory=deque)
    reads: deque[Read] = field(default_factory=deque)
    is_connected: bool = False
    now: float = 1.0
    failing: bool = False
    is_full: bool = False
    """The bridge's disk does not take the next receipt."""
    unread_most: int = 0

    @property
    def at(self) -> Moment:
        return Moment(self.now, NOW + self.now)

    def do(self, effects: Effects) -> None:
        not_kept: list[str] = []
        for effect in effects:
            match effect:
                case SayHello():
                    self.up.append(BridgeHello(1, "b", SITE, bytes(16), "0", 0, bytes(32), 0, 0))
                case Say(message):
                    self.up.append(message)
                case Read():
                    self.reads.append(effect)
                case LetGo(hub) if self.is_full:
                    self.is_full = False
                    not_kept.append(hub)
                case LetGo(hub, head):
                    assert head.number <= len(self.stored[hub])  # law 3
                    assert self.stored[hub][head.number - 1].hash == head.hash
                    assert head.number > self.let_go[hub]  # each head once
                    self.let_go[hub] = head.number
                    last = self.held[hub].stop
                    self.held[hub] = range(
                        min(max(self.held[hub].start, head.number + 1), last), last
                    )
                case Leave():
                    self.cut()
                case PhaseChanged() | Take() | Tell():
                    pass
        for hub in not_kept:
            self.do(self.talk.not_kept(hub, self.at))  # law 5
        load = sum(lane.load for lane in self.talk.lanes.values())
        assert load <= WINDOW  # turns, law 2
        for lane in self.talk.lanes.values():
            assert len(lane.flight) <= PACE.width  # lane, law 3

    def hub_speaks(self, hub: str, count: int, *, by_bridge: bool) -> None:
        """A hub makes records; they reach the bridge, or the backend by the hub's own uplink."""
        log = self.logs[hub]
        if by_bridge:
            extend(log, count, hub.encode())
            span = self.held[hub]
            if span.stop != len(log) - count + 1:  # a gap before: the old span is the hub's still
                span = range(len(log) - count + 1, len(log) - count + 1)
            self.held[hub] = range(span.start, len(log) + 1)
            self.grew(hub)
        else:
            self.stored[hub][:] = log  # the uplink brings all before, too
            extend(log, count, hub.encode())
            self.stored[hub][:] = log
            self.by_uplink[hub] = len(log)

    def sign(self, hub: str, last: int) -> None:
        """The bridge has a head of a hub of this record, one behind at most a stretch."""
        span = self.held[hub]
        last = min(last, span.stop - 1)
        after = max([span.start - 1, *(one for one in self.heads[hub] if one <= last)])
        while after < last:
            lengths = [len(one.body) for one in self.logs[hub][after:last]]
            after += reach(lengths)
            self.heads[hub].add(after)
        self.grew(hub)

    def grew(self, hub: str) -> None:
        self.do(self.talk.grew(hub, head_of(self.logs[hub]), self.covered(hub), self.at))

    def covered(self, hub: str) -> int:
        """The newest record that needs no head (any more)."""
        return max([*self.heads[hub], self.held[hub].start - 1])

    def connect(self) -> None:
        if not self.is_connected:
            self.is_connected = True
            self.do(self.talk.connected(BACKEND, self.at))

    def cut(self) -> None:
        if self.is_connected:
            self.is_connected = False
            self.up.clear()
            self.down.clear()
            self.do(self.talk.disconnected("cut"))

    def read(self) -> None:
        """The bridge's disk answers the oldest question."""
        if not self.reads:
            return
        asked = self.reads.popleft()
        span = self.held[asked.hub]
        after = asked.after.number
        found: list[Stretch] = []
        log = self.logs[asked.hub]
        while len(found) < asked.most and after + 1 in span:
            heads = [one for one in self.heads[asked.hub] if after < one <= after + BATCH_RECORDS]
            if not heads:
                break
            lengths = [len(one.body) for one in log[after : max(heads)]]
            last = max(one for one in heads if one <= after + reach(lengths))
            found.append(Stretch(tuple(log[after:last]), b"head %d" % last))
            after = last
        self.do(self.talk.was_read(asked.hub, asked.after, found, self.at))

    def serve(self) -> None:
        """The backend takes one message."""
        if not self.up:
            return
        message = self.up.popleft()
        match message:
            case BridgeHello():
                self.down.append(BackendWelcome(1, BACKEND, SITE, 1000 * NOW))
            case AskHub(hub, turn):
                head = head_of(self.stored[hub])
                if head.number:
                    self.down.append(receipt(hub, head))
                self.down.append(HubKnown(hub, turn, head.number, head.hash))
            case Forwarded(hub, records, head):
                last = uplink.decode_from_hub(records[-1])
                assert isinstance(last, Evidence)
                assert head == b"head %d" % last.number  # turns, law 4
                self._store(hub, records)
            case Ping(nonce):
                self.down.append(Pong(nonce, 0))

    def _store(self, hub: str, records: tuple[bytes, ...]) -> None:
        if self.failing:
            self.failing = False
            return
        log = self.stored[hub]
        for data in records:
            said = uplink.decode_from_hub(data)
            assert isinstance(said, Evidence)
            if said.number == len(log) + 1:
                assert said.hash == chain_hash(head_of(log).hash, said.number, said.body)
                log.append(StoredRecord(said.number, said.body, said.hash))
            elif said.number > len(log):
                self.down.append(HubKnown(hub, 0, *_pair(head_of(log))))
                return
            else:
                assert log[said.number - 1].hash == said.hash
        self.down.append(receipt(hub, head_of(log)))

    def hear(self) -> None:
        if self.down:
            self.do(self.talk.received(self.down.popleft(), self.at))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.do(self.talk.look(self.at))

    def settle(self) -> None:
        """Let all go on without a fault, until nothing is left to do."""
        self.failing = False
        self.is_full = False
        for hub in HUBS:
            self.sign(hub, len(self.logs[hub]))
        for _ in range(3000):
            self.connect()
            if self.reads or self.up or self.down:
                self.read()
                self.serve()
                self.hear()
                continue
            if all(self.let_go[hub] == len(self.logs[hub]) or self._has_gap(hub) for hub in HUBS):
                return
            self.wait(5.0)
        raise AssertionError("it never settles")

    def _has_gap(self, hub: str) -> bool:
        """The hub's records before those that the bridge holds have not reached the backend."""
        span = self.held[hub]
        return not span or len(self.stored[hub]) + 1 < span.start


def _pair(head: Head) -> tuple[int, bytes]:
    return head.number, head.hash


WORDS = (
    "bridge bridge sign sign uplink read read serve serve hear hear cut connect connect "
    "wait fail full again"
)

STEPS = st.lists(
    st.tuples(
        st.sampled_from(WORDS.split()),
        st.sampled_from(HUBS),
        st.integers(1, 200),
    ),
    max_size=80,
)


@settings(deadline=None)
@given(STEPS)
def test_each_record_comes_once_and_goes_by_a_receipt_alone(
    steps: list[tuple[str, str, int]],
) -> None:
    """talk, law 3; turns, laws 1, 2 and 4; lane, laws 1 to 5"""
    world = World()
    for step, hub, count in steps:
        match step:
            case "bridge" | "uplink":
                world.hub_speaks(hub, count, by_bridge=step == "bridge")
            case "sign":
                world.sign(hub, len(world.logs[hub]) - count % 7)
            case "read":
                world.read()
            case "serve":
                world.serve()
            case "hear":
                world.hear()
            case "cut":
                world.cut()
            case "connect":
                world.connect()
            case "wait":
                world.wait(count / 5)
            case "fail":
                world.failing = True
            case "full":
                world.is_full = True
            case "again" if world.down:  # the backend repeats itself
                world.down.append(world.down[0])
        for name in HUBS:
            assert world.stored[name] == world.logs[name][: len(world.stored[name])]
            by_uplink = world.by_uplink[name]
            assert len(world.stored[name]) <= max([by_uplink, *world.heads[name]])
    world.settle()
    for name in HUBS:
        if not world._has_gap(name):
            assert world.stored[name] == world.logs[name]
            assert world.let_go[name] == len(world.logs[name])


def speaking(*hubs: str, records: int = 1) -> World:
    world = World()
    world.connect()
    world.serve()
    world.hear()
    for hub in hubs:
        world.hub_speaks(hub, records, by_bridge=True)
        world.sign(hub, records)
    return world


def test_an_outage_of_one_hub_delays_no_other() -> None:
    """law 4: 100 batches of one hub wait; the live record of another has the next turn"""
    world = speaking("hub-1", records=100 * BATCH_RECORDS)
    for _ in range(6):
        world.serve()
        world.hear()
        world.read()
    world.hub_speaks("hub-2", 1, by_bridge=True)
    world.sign("hub-2", 1)
    turns: list[str] = []
    while not world.stored["hub-2"]:
        world.read()
        if world.up:
            first = world.up[0]
            if isinstance(first, AskHub | Forwarded):
                turns.append(first.hub)
            world.serve()
        world.hear()
    assert turns.count("hub-1") <= 3 + 2 * turns.count("hub-2")


def test_a_receipt_of_another_key_lets_nothing_go() -> None:
    """law 3"""
    world = speaking("hub-1")
    head = head_of(world.logs["hub-1"])
    for wrong in (
        receipt("hub-1", head, OTHER_KEY),
        HubReceipt("hub-1", receipt("hub-2", head).document),
        HubReceipt("hub-1", b"no document"),
    ):
        assert LetGo not in {type(one) for one in world.talk.received(wrong, world.at)}
    assert world.talk._counters["receipts_unproven"] == 3


def test_without_a_mandate_no_receipt_counts() -> None:
    """law 3"""
    talk = BackendTalk(
        site=SITE, mandate=lambda: None, chance=bytes, counters=Counter(), hubs_max=8
    )
    at = Moment(1.0, NOW)
    log: list[StoredRecord] = []
    extend(log, 1, b"x")
    talk.grew("hub-1", head_of(log), 1, at)
    talk.connected(BACKEND, at)
    talk.received(BackendWelcome(1, BACKEND, SITE, 0), at)
    assert talk.received(receipt("hub-1", head_of(log)), at) == []


@pytest.mark.parametrize("word", ["known", "receipt", "read"])
def test_two_logs_of_one_hub_are_told_and_the_others_go_on(word: str) -> None:
    """law 5"""
    world = speaking("hub-1", "hub-2", records=2)
    other: list[StoredRecord] = []
    extend(other, 2 if word != "read" else 1, b"other")
    head = head_of(other)
    asked = next(one for one in world.up if isinstance(one, AskHub) and one.hub == "hub-1")
    if word == "receipt":
        said: FromBackend = receipt("hub-1", head)
    else:
        said = HubKnown("hub-1", asked.turn, head.number, head.hash)
    world.up.remove(asked)
    world.do(world.talk.received(said, world.at))
    while world.reads:
        world.read()
    doubts = [one for one in world.up if isinstance(one, Doubted)]
    assert [(one.hub, one.cause, one.told) for one in doubts] == [
        ("hub-1", Cause.FORK, head.number)
    ]
    assert world.let_go["hub-1"] == 0
    assert not any(isinstance(one, Forwarded) and one.hub == "hub-1" for one in world.up)
    while world.let_go["hub-2"] < 2:
        world.serve()
        world.hear()
        world.read()
    asks = len([one for one in world.up if isinstance(one, AskHub) and one.hub == "hub-1"])
    assert asks == 0
    world.wait(PACE.halted_seconds)
    assert any(isinstance(one, AskHub) and one.hub == "hub-1" for one in world.up)


def test_a_hub_that_the_backend_halts_is_asked_again_later() -> None:
    world = speaking("hub-1")
    for _ in range(3):
        world.do(world.talk.received(HubHalted("hub-1", None, "unknown"), world.at))
    world.up.clear()
    world.wait(PACE.halted_seconds - 1)
    assert not any(isinstance(one, AskHub) for one in world.up)
    world.wait(1)
    assert any(isinstance(one, AskHub) for one in world.up)


def test_a_backend_that_answers_no_record_gets_ever_fewer() -> None:
    """lane, law 4"""
    world = speaking("hub-1", records=1000)
    sent = Counter[int]()
    for second in range(1200):
        world.now += 1
        for message in list(world.up):
            world.up.remove(message)
            match message:
                case AskHub(hub, turn):
                    world.down.append(HubKnown(hub, turn, 0, GENESIS))
                case Forwarded():
                    sent[second // 300] += 1
                case Ping(nonce):
                    world.down.append(Pong(nonce, 0))
        while world.down:
            world.hear()
        world.read()
        world.do(world.talk.look(world.at))
    assert sent[0] <= 9
    assert sent[3] <= 6
    assert max(lane.width for lane in world.talk.lanes.values()) == 1


def test_what_was_missed_is_asked_for_after_a_pause() -> None:
    """lane, law 4: a backend that says so at once sets no pace"""
    world = speaking("hub-1", records=500)
    asks = 0
    for _ in range(400):
        world.now += 0.05
        for message in list(world.up):
            world.up.remove(message)
            if isinstance(message, AskHub):
                asks += 1
                world.down.append(HubKnown(message.hub, message.turn, 0, GENESIS))
            if isinstance(message, Forwarded):
                world.down.append(HubKnown(message.hub, 0, 0, GENESIS))
        while world.down:
            world.hear()
        world.read()
        world.do(world.talk.look(world.at))
    assert asks <= 8  # 20 s: after 0.5, 1, 2, 4, 8 s


def test_what_the_uplink_has_brought_meanwhile_is_asked_for() -> None:
    """lane, law 6: the hub has let go what it never signed here, and signs what follows"""
    world = speaking("hub-1", records=0)
    world.hub_speaks("hub-1", 100, by_bridge=True)
    world.heads["hub-1"] = {100}
    world.grew("hub-1")
    for _ in range(9):
        world.read()
        world.serve()
        world.hear()
        world.wait(1.0)
    assert world.stored["hub-1"] == []
    world.stored["hub-1"][:] = world.logs["hub-1"][:60]
    while world.let_go["hub-1"] < 100:
        world.read()
        world.serve()
        world.hear()
        world.wait(1.0)
        assert world.now < 300.0
    assert world.stored["hub-1"] == world.logs["hub-1"]


def test_a_batch_has_both_ceilings() -> None:
    world = speaking()
    log = world.logs["hub-1"]
    for number in range(1, 101):
        before = log[-1].hash if log else GENESIS
        body = bytes(4096 if number > 50 else 10)
        log.append(StoredRecord(number, body, chain_hash(before, number, body)))
    world.held["hub-1"] = range(1, 101)
    world.sign("hub-1", 100)
    batches: list[Forwarded] = []
    while world.let_go["hub-1"] < 100:
        world.read()
        batches += [one for one in list(world.up)[:1] if isinstance(one, Forwarded)]
        world.serve()
        world.hear()
    assert max(len(one.records) for one in batches) <= BATCH_RECORDS
    assert max(sum(map(len, one.records)) for one in batches) <= BATCH_BYTES
    assert len(batches) > 3


def test_the_lanes_and_what_is_kept_have_a_ceiling() -> None:
    """law 6"""
    talk = new_talk(hubs_max=2)
    at = Moment(1.0, NOW)
    for number in range(5):
        talk.grew(f"hub-{number}", Head(1, bytes(32)), 1, at)
        talk.testify(f"hub-{number}", b"t")
        talk.doubt(f"hub-{number}", Doubt(Cause.FORK, Head()), Head())
    talk.testify("hub-0", b"newer")
    talk.connected(BACKEND, at)
    said = talk.received(BackendWelcome(1, BACKEND, SITE, 0), at)
    assert len(talk.lanes) == 2
    messages = [one.message for one in said if isinstance(one, Say)]
    assert [one for one in messages if isinstance(one, BornWitness)] == [
        BornWitness("hub-0", b"newer"),
        BornWitness("hub-1", b"t"),
    ]
    assert len([one for one in messages if isinstance(one, Doubted)]) == 2


def test_an_alarm_goes_ahead_unless_its_record_is_there() -> None:
    world = speaking("hub-1")
    notice = Notice(2, b"\xa0", bytes(32))
    sent = [Say(Ahead("hub-1", uplink.encode(notice)))]
    assert world.talk.ahead("hub-1", notice, 0.0) == sent
    world.settle()
    assert world.talk.ahead("hub-1", replace(notice, number=1), 0.0) == []
    world.cut()
    assert world.talk.ahead("hub-1", notice, 0.0) == []


def test_a_hub_sets_no_pace_for_alarms_and_takes_none_from_others() -> None:
    """law 7"""
    world = speaking("hub-1")
    notice = Notice(900, b"\xa0", bytes(32))
    said = [world.talk.ahead("hub-1", replace(notice, number=900 + one), 0.0) for one in range(999)]
    assert len([one for one in said if one]) == AHEAD_EACH.burst
    assert len(world.talk.ahead("hub-2", notice, 0.0)) == 1
    later = [world.talk.ahead(f"hub-{one}", notice, 0.0) for one in range(3, 999)]
    assert len([one for one in later if one]) <= AHEAD_WHOLE.burst


def test_the_same_doubt_is_said_once_on_each_connection() -> None:
    """law 6: a doubted hub that says Hello again and again costs no line"""
    world = speaking("hub-1")
    doubt = Doubt(Cause.FORK, Head(1, bytes(32)))
    assert len(world.talk.doubt("hub-1", doubt, Head())) == 1
    assert world.talk.doubt("hub-1", doubt, Head()) == []
    world.cut()
    world.connect()
    world.serve()
    world.hear()
    assert [one for one in world.up if isinstance(one, Doubted)] == [
        Doubted("hub-1", Cause.FORK, 1, bytes(32), 0, bytes(32))
    ]


def test_once_a_doubt_is_ended_the_hub_begins_again_from_the_head_that_was_named() -> None:
    world = speaking("hub-1")
    world.hub_speaks("hub-1", 5, by_bridge=True)
    world.settle()
    told = Head(3, bytes(32))
    world.talk.doubt("hub-1", Doubt(Cause.FORK, told), head_of(world.logs["hub-1"]))
    turn = world.talk.lanes["hub-1"].turn
    world.talk.accepted("hub-1")
    (asked,) = world.talk.grew("hub-1", told, 0, world.at)
    assert asked == Say(AskHub("hub-1", turn + 1, 3, bytes(32)))
    world.cut()
    world.connect()
    world.serve()
    world.hear()
    assert any(isinstance(one, AskHub) and one.hub == "hub-1" for one in world.up)
    assert not any(isinstance(one, Doubted) for one in world.up)
    world.talk.accepted("hub-9")
    assert "hub-9" not in world.talk.lanes


def test_the_newest_request_of_a_hub_is_said_on_each_connection() -> None:
    """law 6"""
    world = speaking("hub-1")
    assert world.talk.request("hub-1", b"first") == [Say(RequestOfHub("hub-1", b"first"))]
    world.cut()
    assert world.talk.request("hub-1", b"second") == []
    world.connect()
    world.serve()
    world.hear()
    said = [one for one in world.up if isinstance(one, RequestOfHub)]
    assert said == [RequestOfHub("hub-1", b"second")]
    for number in range(20):
        world.talk.request(f"hub-{number}", b"one")
    world.cut()
    world.connect()
    world.serve()
    world.hear()
    assert len([one for one in world.up if isinstance(one, RequestOfHub)]) == 8


def test_a_receipt_that_the_disk_did_not_take_is_asked_for_again() -> None:
    """law 8"""
    world = speaking("hub-1")
    world.is_full = True
    world.hub_speaks("hub-1", 3, by_bridge=True)
    world.sign("hub-1", 99)
    while not world.let_go["hub-1"]:
        world.read()
        world.serve()
        world.hear()
        world.wait(1.0)
        assert world.now < 30.0
    assert not world.is_full
    assert world.let_go["hub-1"] == len(world.logs["hub-1"])


@pytest.mark.parametrize(
    "welcome",
    [
        BackendWelcome(2, BACKEND, SITE, 0),
        BackendWelcome(1, "gateway-2", SITE, 0),
        BackendWelcome(1, BACKEND, "site-2", 0),
    ],
)
def test_another_backend_is_left(welcome: BackendWelcome) -> None:
    """law 7"""
    talk = new_talk()
    at = Moment(1.0, NOW)
    talk.connected(BACKEND, at)
    assert isinstance(talk.received(welcome, at)[-1], Leave)


def test_a_backend_that_says_nothing_is_left() -> None:
    """law 7"""
    talk = new_talk()
    talk.connected(BACKEND, Moment(1.0, NOW))
    assert talk.look(Moment(5.0, NOW)) == []
    assert isinstance(talk.look(Moment(11.0, NOW))[-1], Leave)
    world = speaking()
    world.now += 31
    assert Ping in {type(one.message) for one in world.talk.look(world.at) if isinstance(one, Say)}
    world.now += 30
    assert isinstance(world.talk.look(world.at)[-1], Leave)
    assert world.talk.phase is BackendPhase.DOWN


def test_what_comes_out_of_turn_is_counted() -> None:
    """law 2"""
    talk = new_talk()
    at = Moment(1.0, NOW)
    assert talk.received(EndsNow(b"ends"), at) == []
    talk.connected(BACKEND, at)
    assert talk.received(EndsNow(b"ends"), at) == []
    talk.received(BackendWelcome(1, BACKEND, SITE, 0), at)
    assert talk.received(EndsNow(b"ends"), at) == [Take(EndsNow(b"ends"))]
    assert talk.received(BackendWelcome(1, BACKEND, SITE, 0), at) == []
    assert talk._counters["out_of_turn"] == 3


def test_the_table_of_a_lane_leaves_no_phase_without_an_end() -> None:
    """lane, law 2"""
    for phase in LanePhase:
        assert (phase, LaneEvent.HALT) in _TABLE
        assert (phase, LaneEvent.CUT) in _TABLE
    assert set(_TABLE.values()) == set(LanePhase)


def test_a_receipt_takes_nothing_back() -> None:
    """lane, law 5"""
    lane = Lane(PACE)
    assert lane.receipt(Head(5, bytes(32)), 1.0)
    assert not lane.receipt(Head(3, bytes(32)), 2.0)
    assert lane.durable == 5
