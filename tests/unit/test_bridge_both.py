"""Hub and bridge together, in bytes, over connections that are cut anywhere.

The two machines are the pure rules and nothing else: a log, an outbox and the talk on one side, the
witness on the other, and between them frames in two pipes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.access.words import HubName
from hubcore.backend.backendtime import BackendTime
from hubcore.backend.outbox import Outbox
from hubcore.backend.pace import Pace
from hubcore.backend.talk.effects import Comparison, Moment
from hubcore.backend.uplink.from_backend import Halt, Held, Pong
from hubcore.backend.uplink.from_hub import Evidence, Ping
from hubcore.bridge import codec
from hubcore.bridge.frames import Frames, frame
from hubcore.bridge.from_bridge import BridgeWelcome
from hubcore.bridge.from_hub import HubHello
from hubcore.bridge.talk import (
    Answer,
    BridgeTalk,
    Leave,
    SayHello,
    SendAfter,
    Show,
    Take,
    WayEffects,
    WayPhase,
)
from hubcore.bridge.witness import SeenChain, Sight, begin
from hubcore.bridge.words import FROM_BRIDGE_BYTES, FROM_HUB_BYTES
from hubcore.evidence.records import GENESIS, Head, StoredRecord, chain_hash

NOON = 1_800_000_000.0
PACE = Pace(window=4)


@dataclass
class Pipe:
    """One direction of a connection: bytes under way, and the reader at its end."""

    ceiling: int
    waiting: bytearray = field(default_factory=bytearray)
    frames: Frames = field(init=False)

    def __post_init__(self) -> None:
        self.frames = Frames(self.ceiling)

    def say(self, data: bytes) -> None:
        self.waiting += frame(data)

    def deliver(self, count: int) -> list[bytes]:
        self.frames.feed(bytes(self.waiting[:count]))
        del self.waiting[:count]
        found = []
        while (message := self.frames.next()) is not None:
            found.append(message)
        return found


@dataclass
class Connection:
    """Both directions."""

    up: Pipe = field(default_factory=lambda: Pipe(FROM_HUB_BYTES))
    down: Pipe = field(default_factory=lambda: Pipe(FROM_BRIDGE_BYTES))


@dataclass
class Bridge:
    """What a bridge keeps over its own restarts, and its answers."""

    seen: SeenChain | None = None
    turn: int = 0
    records: list[StoredRecord] = field(default_factory=list)

    def hash_of(self, number: int) -> bytes | None:
        found = (record.hash for record in self.records if record.number == number)
        return next(found, None)

    def hear(self, data: bytes, turn: int) -> list[bytes]:
        match codec.decode_from_hub(data):
            case HubHello() as hello:
                return [codec.encode(self._greet(hello, turn))]
            case Evidence(number, body, digest) if self.seen is not None:
                record = StoredRecord(number, body, digest)
                sight, self.seen = self.seen.take(record, self.hash_of)
                if sight is Sight.NEW:
                    self.records.append(record)
                return [codec.encode(Held((number,)))] if sight in (Sight.NEW, Sight.AGAIN) else []
            case Ping(nonce):
                return [codec.encode(Pong(nonce, 0))]
        return []

    def _greet(self, hello: HubHello, turn: int) -> BridgeWelcome | Halt:
        durable = Head(hello.durable, hello.durable_hash)
        newest = Head(hello.last_record, hello.head_hash)
        if self.seen is None:
            self.seen = begin(turn, durable)
        self.seen = self.seen.meet(turn, durable, newest, self.hash_of)
        head = self.seen.head
        if self.seen.doubt is not None:
            return Halt(self.seen.doubt.cause, head.number, head.hash, "")
        return BridgeWelcome(1, "bridge-1", "site-1", 0, head.number, head.hash, None, 0)


class Hub:
    """A hub's log, which outlasts everything, and one run of its program."""

    def __init__(self, log: list[StoredRecord]) -> None:
        self.log = log
        self.base = 0
        self.connection: Connection | None = None
        self.outbox = self._new_outbox()
        self.talk = BridgeTalk(
            pace=PACE,
            hub=HubName("site-1", "hub-1"),
            chance=bytes,
            counters=Counter(),
            bridge_time=BackendTime(),
            compare=self.compare,
        )

    @staticmethod
    def _new_outbox() -> Outbox:
        return Outbox(PACE.window, 10.0, 300.0, 120.0)

    def append(self, name: bytes) -> None:
        number = len(self.log) + 1
        body = name + number.to_bytes(4, "big")
        before = self.log[-1].hash if self.log else GENESIS
        self.log.append(StoredRecord(number, body, chain_hash(before, number, body)))

    def compare(self, held: Head) -> Comparison:
        if held.number > len(self.log):
            return Comparison.SHORTER
        own = self.log[held.number - 1].hash if held.number else GENESIS
        return Comparison.AGREES if own == held.hash else Comparison.OTHER

    def perform(self, effects: WayEffects | None, now: float) -> None:
        for effect in effects or []:
            match effect:
                case SayHello():
                    self._say(self._hello())
                    self.talk.greeted(now)
                case Answer(message):
                    self._say(codec.encode(message))
                case SendAfter(held, _):
                    self.base = held.number
                    self.outbox = self._new_outbox()
                case Show(number):
                    record = self.log[number - 1]
                    shown = Evidence(record.number, record.body, record.hash)
                    self._say(codec.encode(shown))
                case Take(Held(numbers)):
                    for number in numbers:
                        self.outbox.acknowledged(number, now)
                case Leave(why):
                    self.connection = None
                    self.perform(self.talk.disconnected(why), now)
        self._send(now)

    def _say(self, data: bytes) -> None:
        if self.connection is not None:
            self.connection.up.say(data)

    def _hello(self) -> bytes:
        newest = self.log[-1].hash if self.log else GENESIS
        hello = HubHello(
            protocol=1,
            hub="hub-1",
            site="site-1",
            boot_id=bytes(16),
            software="0",
            policy_version=0,
            policy_digest=bytes(32),
            durable=0,
            durable_hash=GENESIS,
            last_record=len(self.log),
            head_hash=newest,
            time_ms=0,
        )
        return codec.encode(hello)

    def _send(self, now: float) -> None:
        if self.talk.phase is not WayPhase.SPEAKING:
            return
        self.outbox.begin_again_if_overdue(now)
        for record in self.log[max(self.base, self.outbox.after) :]:
            if self.outbox.room() == 0:
                return
            self._say(codec.encode(Evidence(record.number, record.body, record.hash)))
            self.outbox.sent(record.number, now)


class World:
    """Both, the connection between them, and the time."""

    def __init__(self) -> None:
        self.hub = Hub([])
        self.bridge = Bridge()
        self.now = 0.0

    def moment(self) -> Moment:
        return Moment(self.now, NOON + self.now)

    def cut(self) -> None:
        if self.hub.connection is not None:
            self.hub.connection = None
            self.hub.perform(self.hub.talk.disconnected("cut"), self.now)

    def connect(self) -> None:
        if self.hub.connection is None:
            self.bridge.turn += 1
            self.hub.connection = Connection()
            self.hub.perform(self.hub.talk.connected("bridge-1", self.moment()), self.now)

    def deliver(self, count: int) -> None:
        connection = self.hub.connection
        if connection is None:
            return
        for data in connection.up.deliver(count):
            for answer in self.bridge.hear(data, self.bridge.turn):
                connection.down.say(answer)
        for data in connection.down.deliver(count):
            message = codec.decode_from_bridge(data)
            self.hub.perform(self.hub.talk.received(message, self.moment()), self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.hub.perform(self.hub.talk.look(self.moment()), self.now)

    def settle(self) -> None:
        """Nothing goes wrong any more, for an hour or until all is said."""
        for _ in range(360):
            self.connect()
            self.wait(10)
            self.deliver(1 << 20)
            is_held = self.bridge.records == self.hub.log
            if (is_held and self.hub.talk.phase is WayPhase.SPEAKING) or self.is_doubted():
                return

    def is_doubted(self) -> bool:
        """Whether both sides know that their records are not one story."""
        on_site = self.bridge.seen is not None and self.bridge.seen.doubt is not None
        return on_site and self.hub.talk.phase is WayPhase.DOUBTED


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["append", "deliver", "cut", "connect", "wait", "restart"]),
        st.integers(1, 400),
    ),
    max_size=60,
)


def play(world: World, steps: list[tuple[str, int]], name: bytes) -> None:
    for step, count in steps:
        match step:
            case "append":
                world.hub.append(name)
                world.hub.perform([], world.now)
            case "deliver":
                world.deliver(count)
            case "cut":
                world.cut()
            case "connect":
                world.connect()
            case "wait":
                world.wait(count / 10)
            case "restart":
                world.hub = Hub(world.hub.log)


@settings(deadline=None)
@given(STEPS)
def test_each_record_is_held_once_and_in_order(steps: list[tuple[str, int]]) -> None:
    world = World()
    play(world, steps, b"hub")
    assert world.bridge.records == world.hub.log[: len(world.bridge.records)]
    world.settle()
    assert world.bridge.records == world.hub.log
    assert world.hub.talk.phase is WayPhase.SPEAKING
    assert world.bridge.seen is not None
    assert world.bridge.seen.doubt is None


@settings(deadline=None)
@given(STEPS, st.integers(0, 60), st.integers(0, 60), STEPS)
def test_a_hub_with_an_older_disk_gets_no_record_held(
    steps: list[tuple[str, int]],
    length: int,
    more: int,
    later: list[tuple[str, int]],
) -> None:
    world = World()
    play(world, steps, b"hub")
    world.hub.append(b"hub")
    world.settle()
    held = list(world.bridge.records)
    world.hub = Hub(held[: length % len(held)])
    for _ in range(more):
        world.hub.append(b"copy")
    play(world, later, b"copy")
    world.settle()
    assert world.bridge.records == held
    assert world.bridge.seen is not None
    assert world.bridge.seen.doubt is not None
    assert world.hub.talk.phase is WayPhase.DOUBTED
