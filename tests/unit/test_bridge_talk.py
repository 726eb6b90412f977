"""The talk with a bridge as a table: a phase, what comes, what is done, and the phase after."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.words import HubName
from hubcore.backend.backendtime import BackendTime
from hubcore.backend.pace import Pace
from hubcore.backend.talk.effects import Comparison, Moment
from hubcore.backend.uplink.documents import CarriedEnds, CarriedMandate
from hubcore.backend.uplink.from_backend import (
    Certificate,
    Halt,
    Held,
    NewPolicy,
    Pieces,
    Pong,
    Probe,
    TlsCertificate,
)
from hubcore.backend.uplink.from_hub import Alive, Ping
from hubcore.backend.uplink.words import Cause
from hubcore.bridge import codec
from hubcore.bridge.from_bridge import (
    BridgeWelcome,
    CarriedOrder,
    CarriedReceipt,
    FromBridge,
    Full,
    RenewFirst,
    Witnessed,
)
from hubcore.bridge.talk import (
    RENEW,
    Answer,
    AskForCertificates,
    BridgeTalk,
    Leave,
    SayHello,
    SendAfter,
    Show,
    Take,
    WayChanged,
    WayEffects,
    WayPhase,
)
from hubcore.evidence.records import Head

NOON = 1_800_000_000.0
NONCE = bytes(range(8))
PACE = Pace()
HELD_HEAD = Head(7, bytes(range(32)))
WELCOME = BridgeWelcome(1, "bridge-1", "site-1", 1000, HELD_HEAD.number, HELD_HEAD.hash, None, 0)
OTHER_LOG = BridgeWelcome(1, "bridge-1", "site-1", 1000, 9, bytes(32), None, 0)
HALT = Halt(Cause.TAIL_CUT, 9, bytes(32), "why")
CERTIFICATES: list[FromBridge] = [Certificate(b"certificate"), TlsCertificate(b"tls")]
PROVING: list[FromBridge] = [
    NewPolicy(b"policy"),
    Pieces((b"piece",)),
    *CERTIFICATES,
    CarriedReceipt(b"receipt"),
    CarriedOrder(b"order"),
    CarriedMandate(b"mandate"),
    CarriedEnds(b"ends"),
]
MESSAGES: list[FromBridge] = [
    *PROVING,
    WELCOME,
    HALT,
    Held((1, 2)),
    Witnessed(b"testimony"),
    Full(60),
    Pong(NONCE, 0),
    Probe(NONCE),
    RenewFirst(1_800_000_000, 1000),
]
SPEAKS: WayEffects = [WayChanged(WayPhase.SPEAKING, ""), SendAfter(HELD_HEAD, 0)]
DOUBTS: WayEffects = [WayChanged(WayPhase.DOUBTED, "doubted by the bridge (tail_cut): why")]
ALIVE: WayEffects = [Answer(Alive(NONCE))]
RENEW_FIRST = RenewFirst(1_800_000_000, 1000)
RENEWS: WayEffects = [WayChanged(WayPhase.RENEWING, RENEW), AskForCertificates()]
TAKES: dict[FromBridge, WayEffects] = {
    message: [Take(message)]  # type: ignore[arg-type]
    for message in PROVING
}
FIRST: dict[FromBridge, WayEffects] = {
    WELCOME: SPEAKS,
    HALT: DOUBTS,
    Probe(NONCE): ALIVE,
    RENEW_FIRST: RENEWS,
    **{one: TAKES[one] for one in CERTIFICATES},
}
TABLE: dict[WayPhase, dict[FromBridge, WayEffects]] = {
    WayPhase.DOWN: {},
    WayPhase.GREETING: FIRST,
    WayPhase.SPEAKING: {
        **TAKES,
        HALT: DOUBTS,
        Held((1, 2)): [Take(Held((1, 2)))],
        Witnessed(b"testimony"): [Take(Witnessed(b"testimony"))],
        Full(60): [Take(Full(60))],
        Pong(NONCE, 0): [],
        Probe(NONCE): ALIVE,
    },
    WayPhase.DOUBTED: {**TAKES, **FIRST},
    WayPhase.RENEWING: {**FIRST, RENEW_FIRST: [AskForCertificates()]},
}


def at(seconds: float) -> Moment:
    return Moment(seconds, NOON + seconds)


def compare(held: Head) -> Comparison:
    if held in (HELD_HEAD, Head()):
        return Comparison.AGREES
    return Comparison.OTHER if held.number <= HELD_HEAD.number else Comparison.SHORTER


def talk_in(
    phase: WayPhase,
    counters: Counter[str] | None = None,
    bridge_time: BackendTime | None = None,
) -> BridgeTalk:
    """A talk in this phase, at second 0."""
    talk = BridgeTalk(
        pace=PACE,
        hub=HubName("site-1", "hub-1"),
        chance=bytes,
        counters=Counter() if counters is None else counters,
        bridge_time=bridge_time or BackendTime(),
        compare=compare,
    )
    if phase is WayPhase.DOWN:
        return talk
    talk.connected("bridge-1", at(0))
    assert talk.look(at(0)) == [SayHello()]
    talk.greeted(0)
    first: dict[WayPhase, FromBridge] = {
        WayPhase.SPEAKING: WELCOME,
        WayPhase.DOUBTED: Halt(Cause.FORK, 9, bytes(32), "another cause"),
        WayPhase.RENEWING: RENEW_FIRST,
    }
    if phase in first:
        talk.received(first[phase], at(0))
    assert talk.phase is phase
    return talk


def test_every_message_of_a_bridge_is_in_the_table() -> None:
    assert {type(message) for message in MESSAGES} == set(codec.FROM_BRIDGE.values())


@pytest.mark.parametrize("phase", list(WayPhase))
@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_what_a_message_does_in_a_phase(phase: WayPhase, message: FromBridge) -> None:  # law 2
    counters = Counter[str]()
    talk = talk_in(phase, counters)
    assert talk.received(message, at(1)) == TABLE[phase].get(message)
    is_known = message in TABLE[phase]
    assert counters["out_of_turn"] == (0 if is_known else 1)
    if not is_known:
        assert talk.phase is phase


def test_a_bridge_with_another_record_is_shown_ours() -> None:  # law 3
    talk = talk_in(WayPhase.GREETING)
    other = BridgeWelcome(1, "bridge-1", "site-1", 1000, 7, bytes(32), None, 0)
    effects = talk.received(other, at(1))
    assert effects == [WayChanged(WayPhase.DOUBTED, talk.why), Show(7)]


def test_a_bridge_whose_newest_record_is_not_ours_gets_no_record() -> None:  # law 4
    talk = talk_in(WayPhase.GREETING)
    effects = talk.received(OTHER_LOG, at(1))
    assert effects == [WayChanged(WayPhase.DOUBTED, talk.why)]
    assert "record 9 is not in its log" in talk.why
    assert talk.look(at(60)) == []
    assert talk.look(at(61)) == [SayHello()]
    talk.greeted(61)
    assert talk.received(WELCOME, at(62)) == SPEAKS


@pytest.mark.parametrize(
    "welcome",
    [
        BridgeWelcome(2, "bridge-1", "site-1", 1000, 0, bytes(32), None, 0),
        BridgeWelcome(1, "bridge-2", "site-1", 1000, 0, bytes(32), None, 0),
        BridgeWelcome(1, "bridge-1", "site-2", 1000, 0, bytes(32), None, 0),
    ],
    ids=["version", "bridge", "site"],
)
def test_a_bridge_that_is_another_is_left(welcome: BridgeWelcome) -> None:  # law 5
    talk = talk_in(WayPhase.GREETING)
    effects = talk.received(welcome, at(1))
    assert effects == [WayChanged(WayPhase.DOWN, talk.why), Leave(talk.why)]
    assert talk.received(WELCOME, at(2)) is None
    assert talk.due(2) is None


def test_a_bridge_that_never_answers_is_left() -> None:  # law 6
    talk = talk_in(WayPhase.GREETING)
    for hello in (10, 20):
        assert talk.look(at(hello - 1)) == []
        assert talk.look(at(hello)) == [SayHello()]
        talk.greeted(hello)
    assert talk.look(at(30))[-1] == Leave("no answer to 3 Hellos")
    assert talk.phase is WayPhase.DOWN
    assert talk.look(at(99)) == []


def test_a_bridge_that_fell_silent_is_asked_once_and_then_left() -> None:  # law 6
    talk = talk_in(WayPhase.SPEAKING)
    assert talk.due(0) == 30
    assert talk.look(at(30)) == [Answer(Ping(bytes(8)))]
    assert talk.look(at(59)) == []
    assert talk.look(at(60))[-1] == Leave("nothing heard from the bridge for 60 s")
    talk = talk_in(WayPhase.SPEAKING)
    talk.look(at(30))
    assert talk.received(Pong(bytes(8), 30_000), at(31)) == []
    assert talk.look(at(60)) == []


def test_a_bridge_s_time_is_measured_by_its_answers_alone() -> None:  # law 7
    measured = BackendTime()
    talk = talk_in(WayPhase.GREETING, bridge_time=measured)
    talk.received(WELCOME, at(1))
    offset = measured.offset(NOON + 1, 1)
    assert offset is not None
    assert offset.seconds == pytest.approx(1 - (NOON + 0.5))
    assert offset.within_seconds == pytest.approx(0.5, abs=0.001)
    talk.received(Pong(NONCE, 5_000_000), at(2))
    again = measured.offset(NOON + 1, 1)
    assert again == offset


def test_a_doubt_ends_with_the_connection() -> None:  # law 4
    talk = talk_in(WayPhase.DOUBTED)
    assert talk.disconnected("gone") == [WayChanged(WayPhase.DOWN, "gone")]
    talk.connected("bridge-1", at(5))
    assert talk.phase is WayPhase.GREETING
    assert talk.look(at(5)) == [SayHello()]


def test_a_hub_that_may_only_renew_asks_with_each_hello() -> None:  # law 8
    measured = BackendTime()
    talk = talk_in(WayPhase.GREETING, bridge_time=measured)
    assert talk.received(RENEW_FIRST, at(1)) == RENEWS
    assert measured.offset(NOON + 1, 1) is not None
    now = 1.0
    for _ in range(20):  # as long as it is answered it is not left
        assert talk.look(at(now + 59)) == []
        now += 60
        assert talk.look(at(now)) == [SayHello()]
        talk.greeted(now)
        assert talk.received(RENEW_FIRST, at(now)) == [AskForCertificates()]
    assert talk.received(Certificate(b"newer"), at(now)) == [Take(Certificate(b"newer"))]
    assert talk.received(WELCOME, at(now)) == SPEAKS  # its clock was wrong, and was set


def test_a_bridge_that_no_longer_answers_who_may_only_renew_is_left() -> None:  # law 6
    talk = talk_in(WayPhase.RENEWING)
    now = 0
    for _ in range(3):
        now += 60
        assert talk.look(at(now)) == [SayHello()]
        talk.greeted(now)
    assert talk.look(at(now + 60))[-1] == Leave("no answer to 3 Hellos")


EVENTS = st.lists(
    st.one_of(
        st.sampled_from([*MESSAGES, OTHER_LOG]),
        st.sampled_from(["look", "connect", "disconnect"]),
    ),
    max_size=40,
)


@given(EVENTS, st.floats(0, 40))
def test_records_go_only_after_a_welcome_that_names_a_record_of_ours(
    events: list[FromBridge | str], step_seconds: float
) -> None:  # laws 3 and 4
    talk = talk_in(WayPhase.DOWN)
    is_up = False
    now = 0.0
    for event in events:
        now += step_seconds
        effects: WayEffects | None
        match event:
            case "look":
                effects = talk.look(at(now))
            case "connect":
                is_up = True
                effects = talk.connected("bridge-1", at(now))
            case "disconnect":
                is_up = False
                effects = talk.disconnected("gone")
            case str():
                raise AssertionError(event)
            case _:
                effects = talk.received(event, at(now))
        if SayHello() in (effects or []):
            talk.greeted(now)
        sends = [effect for effect in effects or [] if isinstance(effect, SendAfter)]
        assert sends == ([SendAfter(HELD_HEAD, 0)] if event == WELCOME and effects else [])
        if talk.phase is WayPhase.SPEAKING:
            assert is_up
            assert event not in (OTHER_LOG, HALT) or effects is None  # out of turn, and counted
        if not is_up:
            assert talk.phase is WayPhase.DOWN
