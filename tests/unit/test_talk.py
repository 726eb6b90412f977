"""The talk with the backend as a table: a phase, what comes, what is done, and the phase after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from hubcore.access.precedence import DoorOrder
from hubcore.backend.backendtime import BackendTime, Offset
from hubcore.backend.pace import Pace
from hubcore.backend.talk.effects import (
    Comparison,
    GiveUp,
    Greet,
    Moment,
    PhaseChanged,
    RefuseWaiting,
    Say,
    SendAgain,
    TakeAboutKeys,
    TakeAct,
    TakeCertificate,
    TakeHeld,
    TakeOrder,
    TakePieces,
    TakePolicy,
    TakeReceipts,
    TakeRelease,
    TakeSiteDocument,
    TakeTlsCertificate,
    TalkEffect,
    UplinkPhase,
)
from hubcore.backend.talk.talk import Talk
from hubcore.backend.uplink import from_backend, from_hub
from hubcore.backend.uplink.documents import CarriedEnds, CarriedMandate
from hubcore.backend.uplink.from_backend import BackendMessage
from hubcore.backend.uplink.from_hub import ActResult, Alive, Ping, Result
from hubcore.backend.uplink.words import Cause, OrderOutcome, ReleaseOutcome
from hubcore.device.command import Verb
from hubcore.evidence.records import Head

NOON = 1_800_000_000.0
NONCE = bytes(range(8))
WELCOME = from_backend.Welcome(0, 0, bytes(32))
HELD = from_backend.Held((1, 2))
ACKNOWLEDGE = from_backend.Acknowledge((1, 2))
RELEASE = from_backend.Release(bytes(16), 1, 2_000_000_000, None, "operator")
POLICY = from_backend.NewPolicy(b"policy")
PIECES = from_backend.Pieces((b"one", b"other"))
PONG = from_backend.Pong(NONCE, 0)
HALT = from_backend.Halt(Cause.FORK, 9, bytes(32), "why")
ACT = from_backend.Act(bytes(16), "operator", "light", Verb.ON, None, 2_000_000_000)
ORDER = from_backend.Order(bytes(16), "operator", 1, DoorOrder.LOCKDOWN, 1, 2_000_000_000, None)
TAKEN = from_backend.KeyTaken(bytes(32), 2, "")
CERTIFICATE = from_backend.Certificate(b"certificate")
TLS_CERTIFICATE = from_backend.TlsCertificate(b"tls")
PROBE = from_backend.Probe(NONCE)
MANDATE = CarriedMandate(b"mandate")
ENDED = CarriedEnds(b"ends")
ROTATE = from_backend.RotateKey(bytes(32))
MESSAGES = (
    WELCOME,
    ACKNOWLEDGE,
    HELD,
    RELEASE,
    POLICY,
    PIECES,
    PONG,
    HALT,
    ACT,
    ORDER,
    TAKEN,
    ROTATE,
    CERTIFICATE,
    TLS_CERTIFICATE,
    PROBE,
    MANDATE,
    ENDED,
)

TAKES = [TakeCertificate(b"certificate")]
TAKES_TLS = [TakeTlsCertificate(b"tls")]
HALTED = "halted by the backend (fork): why"
SPEAKS = [PhaseChanged(UplinkPhase.SPEAKING, "")]
HALTS = [PhaseChanged(UplinkPhase.HALTED, HALTED), RefuseWaiting()]
ANSWERS = [Say(Alive(NONCE))]
RECEIPTS = [TakeReceipts((1, 2))]
REFUSES_ACT = [Say(ActResult(bytes(16), (), HALTED))]
REFUSES = [Say(Result(bytes(16), ReleaseOutcome.REFUSED, HALTED))]
REFUSES_ORDER = [Say(from_hub.OrderResult(bytes(16), OrderOutcome.REFUSED, HALTED))]

TABLE: dict[UplinkPhase, dict[BackendMessage, list[TalkEffect]]] = {
    UplinkPhase.DOWN: {},
    UplinkPhase.GREETING: {
        WELCOME: SPEAKS,
        ACKNOWLEDGE: RECEIPTS,
        CERTIFICATE: TAKES,
        TLS_CERTIFICATE: TAKES_TLS,
        HALT: HALTS,
        PROBE: ANSWERS,
    },
    UplinkPhase.SPEAKING: {
        WELCOME: [],
        ACKNOWLEDGE: RECEIPTS,
        HELD: [TakeHeld((1, 2))],
        RELEASE: [TakeRelease(RELEASE)],
        ORDER: [TakeOrder(ORDER)],
        ACT: [TakeAct(ACT)],
        POLICY: [TakePolicy(b"policy")],
        PIECES: [TakePieces((b"one", b"other"))],
        CERTIFICATE: TAKES,
        TLS_CERTIFICATE: TAKES_TLS,
        PONG: [],
        HALT: HALTS,
        PROBE: ANSWERS,
        TAKEN: [TakeAboutKeys(TAKEN)],
        ROTATE: [TakeAboutKeys(ROTATE)],
        MANDATE: [TakeSiteDocument(MANDATE)],
        ENDED: [TakeSiteDocument(ENDED)],
    },
    UplinkPhase.SILENT: {
        WELCOME: SPEAKS,
        ACKNOWLEDGE: RECEIPTS,
        CERTIFICATE: TAKES,
        TLS_CERTIFICATE: TAKES_TLS,
        HALT: HALTS,
        PROBE: ANSWERS,
    },
    UplinkPhase.HALTED: {
        WELCOME: SPEAKS,
        ACKNOWLEDGE: RECEIPTS,
        RELEASE: REFUSES,
        ORDER: REFUSES_ORDER,
        ACT: REFUSES_ACT,
        MANDATE: [TakeSiteDocument(MANDATE)],
        ENDED: [TakeSiteDocument(ENDED)],
        POLICY: [TakePolicy(b"policy")],
        PIECES: [TakePieces((b"one", b"other"))],
        CERTIFICATE: TAKES,
        TLS_CERTIFICATE: TAKES_TLS,
        HALT: [RefuseWaiting()],
        PROBE: ANSWERS,
    },
}


class Play:
    """One talk, and the time in the test's hand."""

    def __init__(self, **pace: float) -> None:
        self.counters: Counter[str] = Counter()
        self.compared = Comparison.AGREES
        self.on_compare: Callable[[Head], object] = lambda _durable: None
        self.now = 0.0
        self.talk = Talk(
            Pace(**pace),  # type: ignore[arg-type]
            self.at,
            lambda _count: NONCE,
            self.counters,
            BackendTime(),
            self.compare,
        )

    def compare(self, durable: Head) -> Comparison:
        self.on_compare(durable)
        return self.compared

    @property
    def at(self) -> Moment:
        return Moment(monotonic=self.now, wall=NOON + self.now)

    def come(self, message: BackendMessage) -> list[TalkEffect] | None:
        return self.talk.received(message, self.at)

    def look(self, after_seconds: float = 0.0) -> list[TalkEffect]:
        self.now += after_seconds
        return self.talk.look(self.at)

    def connect(self) -> None:
        self.talk.connected(self.at)
        assert self.look() == [Greet()]
        self.talk.greeted(self.now)

    def reach(self, phase: UplinkPhase) -> None:
        if phase is UplinkPhase.DOWN:
            return
        self.connect()
        if phase in (UplinkPhase.SPEAKING, UplinkPhase.SILENT):
            self.come(WELCOME)
        if phase is UplinkPhase.SILENT:
            self.look(60.0)
        if phase is UplinkPhase.HALTED:
            self.come(HALT)
            self.now += 30.0
        assert self.talk.phase is phase


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
@pytest.mark.parametrize("phase", UplinkPhase)
def test_each_message_in_each_phase(phase: UplinkPhase, message: BackendMessage) -> None:
    """Talk, law 2: what the table does not have is counted, and has no effect."""
    play = Play()
    play.reach(phase)
    expected = TABLE[phase].get(message)
    assert play.come(message) == expected
    assert play.counters["out_of_turn"] == (expected is None)
    if expected is None:
        assert play.talk.phase is phase


@pytest.mark.parametrize(("phase", "again_seconds"), [("greeting", 10.0), ("halted", 60.0)])
def test_a_hello_that_nobody_answers_is_said_again(phase: str, again_seconds: float) -> None:
    play = Play(halt_again_seconds=0.0)
    play.connect()
    if phase == "halted":
        play.come(HALT)
    for _ in range(2):
        due = play.talk.due(play.now)
        assert due == play.now + again_seconds
        assert play.look(again_seconds - 0.1) == []
        assert play.look(0.1) == [Greet()]
        play.talk.greeted(play.now)
    assert play.counters["no_welcome"] == (2 if phase == "greeting" else 0)


@pytest.mark.parametrize("phase", ["greeting", "silent", "halted"])
def test_an_uplink_on_which_nobody_welcomes_is_given_up_but_not_after_a_halt(phase: str) -> None:
    play = Play()  # talk, law 7
    play.connect()
    if phase == "silent":
        play.come(WELCOME)
        play.look(60.0)
        assert play.look() == [Greet()]
        play.talk.greeted(play.now)
    if phase == "halted":
        play.come(HALT)
    said = []
    for _ in range(5):
        effects = play.look(60.0)
        said += effects
        if Greet() in effects:
            play.talk.greeted(play.now)
    given_up = [effect for effect in said if isinstance(effect, GiveUp)]
    if phase == "halted":
        assert given_up == []
        return
    (effect,) = given_up
    assert "no Welcome" in effect.why
    assert said[-1] is effect
    assert said.count(Greet()) == 2
    assert play.talk.due(play.now) is None


def test_a_hello_that_the_link_does_not_take_is_tried_again_soon() -> None:
    play = Play(retry_seconds=1.0)
    play.talk.connected(play.at)
    for _ in range(3):
        assert play.look() == [Greet()]
        assert play.talk.due(play.now) == play.now + 1.0
        assert play.look(0.5) == []
        play.now += 0.5
    assert play.counters["no_welcome"] == 0


def test_a_quiet_backend_gets_one_ping_and_then_a_hello() -> None:
    play = Play()
    play.reach(UplinkPhase.SPEAKING)
    assert play.talk.due(play.now) == 30.0
    assert play.look(30.0) == [Say(Ping(NONCE))]
    assert play.talk.due(play.now) == 60.0
    assert play.look(29.0) == []
    (silent,) = play.look(1.0)
    assert isinstance(silent, PhaseChanged)
    assert silent.phase is UplinkPhase.SILENT
    assert play.talk.due(play.now) == play.now
    assert play.look() == [Greet()]


@pytest.mark.parametrize("compared", Comparison)
def test_a_welcome_out_of_turn_leads_to_a_hello_where_the_backend_has_other_records(
    compared: Comparison,
) -> None:  # talk, law 10
    play = Play()
    play.reach(UplinkPhase.SPEAKING)
    play.compared = compared
    effects = play.come(WELCOME)
    if compared is Comparison.AGREES:
        assert effects == []
        assert play.talk.phase is UplinkPhase.SPEAKING
        return
    assert effects is not None
    change, greet = effects
    assert isinstance(change, PhaseChanged)
    assert change.phase is UplinkPhase.GREETING
    assert greet == Greet(), "before anything else is taken"
    play.talk.greeted(play.now)
    assert play.look() == []
    answered = play.come(WELCOME)
    assert answered is not None
    if compared is Comparison.LOST:
        assert answered[-1] == SendAgain(Head(0, bytes(32)))
    else:
        assert play.talk.phase is UplinkPhase.HALTED


def test_welcomes_out_of_turn_are_looked_at_at_a_pace() -> None:  # talk, law 10
    play = Play(greet_again_seconds=60.0, retry_seconds=1.0, ping_seconds=1e6, silent_seconds=1e6)
    play.reach(UplinkPhase.SPEAKING)
    looks = []
    play.on_compare = looks.append
    for _ in range(10):
        play.come(WELCOME)
    assert len(looks) == 1
    play.now += 1.0
    play.compared = Comparison.LOST
    assert Greet() in (play.come(WELCOME) or ())
    play.talk.greeted(play.now)
    play.come(WELCOME)
    assert play.talk.phase is UplinkPhase.SPEAKING
    for _ in range(10):
        play.now += 5.9
        assert play.come(WELCOME) == []
    assert len(looks) == 3
    assert play.counters["welcomes_too_often"] == 19
    play.now += 1.1
    assert play.come(WELCOME) != []


def test_a_halt_outlasts_the_link_and_ends_with_a_welcome() -> None:  # talk, law 4
    play = Play()
    play.reach(UplinkPhase.HALTED)
    play.talk.disconnected("cable", play.at)
    assert play.talk.due(play.now) is None
    assert play.look(1000.0) == []
    play.connect()
    assert play.talk.halt == HALT
    assert play.come(RELEASE) is None
    play.come(WELCOME)
    assert play.talk.halt is None


def test_of_halts_that_come_soon_after_each_other_the_first_counts() -> None:  # talk, law 5
    play = Play()
    play.reach(UplinkPhase.SPEAKING)
    play.come(HALT)
    play.come(WELCOME)
    assert play.come(HALT) == []
    assert play.talk.phase is UplinkPhase.SPEAKING
    gap = from_backend.Halt(Cause.GAP, 9, bytes(32), "why")
    assert RefuseWaiting() in play.come(gap)


# What the backend's time is: `backendtime`, and `talk`, law 6.


def at_backend(play: Play, ahead: float = 7.0) -> int:
    """Return the time of a backend whose clock is so many seconds ahead."""
    return int((NOON + play.now + ahead) * 1000)


def test_a_welcome_tells_the_time_within_half_its_round_trip() -> None:
    play = Play()
    play.connect()
    play.now += 0.5
    told = at_backend(play)
    play.now += 0.5
    play.come(from_backend.Welcome(told, 0, bytes(32)))
    assert play.talk.clock_offset(play.at) == Offset(pytest.approx(7), pytest.approx(0.5))
    assert play.look() == []


def test_a_welcome_may_answer_the_first_hello() -> None:
    play = Play()
    play.connect()
    told = at_backend(play)
    play.now += 10.0
    assert play.look() == [Greet()]
    play.talk.greeted(play.now)
    play.come(from_backend.Welcome(told, 0, bytes(32)))
    offset = play.talk.clock_offset(play.at)
    assert offset is not None
    assert offset.within_seconds == 5.0
    assert abs(offset.seconds - 7) <= offset.within_seconds
    assert play.look() == [Say(Ping(NONCE))], "it asks again at once"
    play.come(from_backend.Pong(NONCE, at_backend(play)))
    assert play.talk.clock_offset(play.at) == Offset(pytest.approx(7), 0.0)
    assert play.look() == []


def test_a_welcome_that_no_hello_asked_for_measures_nothing() -> None:
    """After a Halt it comes when somebody at the backend has decided, maybe much later."""
    play = Play()
    play.reach(UplinkPhase.HALTED)
    play.now += 25.0
    play.come(from_backend.Welcome(at_backend(play), 0, bytes(32)))
    assert play.talk.clock_offset(play.at) is None
    assert play.look() == [Say(Ping(NONCE))]


def test_a_pong_that_no_ping_asked_for_measures_nothing() -> None:
    play = Play()
    play.reach(UplinkPhase.SPEAKING)
    before = play.talk.clock_offset(play.at)
    play.come(from_backend.Pong(bytes(8), at_backend(play)))
    assert play.talk.clock_offset(play.at) == before


def test_the_time_is_asked_again_of_a_backend_that_never_stops_talking() -> None:
    play = Play(measure_seconds=100.0)
    play.reach(UplinkPhase.SPEAKING)
    pings = 0
    for _ in range(400):
        play.come(ACKNOWLEDGE)
        if play.look(1.0):
            pings += 1
            play.come(from_backend.Pong(NONCE, at_backend(play)))
        due = play.talk.due(play.now)
        assert due is not None
        assert due > play.now
    assert pings == 4


def test_a_backend_that_answers_no_ping_is_asked_at_the_hubs_pace() -> None:
    play = Play(measure_seconds=100.0)
    play.reach(UplinkPhase.SPEAKING)
    pings = 0
    for _ in range(400):
        play.come(ACKNOWLEDGE)
        pings += len(play.look(1.0))
    assert pings == 4
