"""The hub's table of docs/protocol.md, "Hub, for each link": a play for each row, named by it.

A row that has no play, or a play of a row that the page does not have, fails the last test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from hubcore.access.claim import ClaimOutcome, Strength
from hubcore.access.words import Action, Denial
from hubcore.codec.cose import Aead
from hubcore.door.state import DoorState
from hubcore.errors import ProofError, SequenceError
from hubcore.phone.epochs import EpochRing
from hubcore.phone.framing import Flag, control_frame
from hubcore.phone.handshake import (
    CHALLENGE_SECONDS,
    SESSION_SECONDS,
    WORKING_SECONDS,
    HandshakePhase,
    HubSide,
)
from hubcore.phone.link import (
    ASSEMBLY_SECONDS,
    ASSEMBLY_SMALL_MTU_SECONDS,
    FIRST_READ_SECONDS,
    IDLE_SECONDS,
    LINK_SECONDS,
)
from hubcore.phone.messages import (
    GET_EPOCH,
    EpochAnswer,
    Error,
    ErrorCode,
    StateMessage,
    VerdictMessage,
)
from hubcore.timing.budget import Budget
from hubsim import site
from tests.pair import DeskHub
from tests.playbook import (
    AsksForState,
    At,
    Decided,
    Disconnects,
    DoorMoves,
    EmptyInfo,
    Frame,
    InfoRead,
    Later,
    LinkCloses,
    NewChallenge,
    Playbook,
    Presents,
    Refuses,
    Says,
    SaysBye,
    Sends,
    SendsBye,
    SendsOpen,
    SendsResume,
    StateIsDue,
    Sweep,
    Unsealed,
    Unseals,
)
from tests.unit import test_links
from tests.unit.test_protocol_doc import table

IDLE = HandshakePhase.IDLE
READY = HandshakePhase.READY
WORKING = HandshakePhase.WORKING
ABANDONED = HandshakePhase.ABANDONED
SESSION = HandshakePhase.SESSION
NOISE = b"\x81\x07"
"""No message of version 1."""
YES = ClaimOutcome(None, DoorState.RELEASED)
NO = ClaimOutcome(Denial.NO_GRANT, DoorState.UNKNOWN)

DOOR_MOVES = (
    "action 1 allowed: the door of this access point opens, closes or has stood open "
    "for too long, within 30 s"
)
UNFINISHED = "5 s without a read of INFO; message unfinished for 5 s (15 s); 30 s idle; 60 s old"

_Test = TypeVar("_Test", bound=Callable[..., Any])
SHOWN: set[tuple[str, str]] = set()


def row(state: str, event: str) -> Callable[[_Test], _Test]:
    """Say which row of the table a test plays."""

    def note(test: _Test) -> _Test:
        SHOWN.add((state, event))
        return test

    return note


@pytest.fixture
def play() -> Iterator[Playbook]:
    made = Playbook()
    yield made
    made.finish()


def error(code: ErrorCode) -> Says:
    return Says(Error(code))


# How a link comes to stand where a row begins.


def go_nowhere(_play: Playbook) -> None:
    """The phone has only connected."""


def go_ready(play: Playbook) -> None:
    play >> InfoRead() << NewChallenge() << At(READY)


def go_idle(play: Playbook) -> None:
    go_ready(play)
    play >> SendsBye() << At(IDLE)


def go_working(play: Playbook) -> None:
    """The open is on the RSA thread."""
    go_ready(play)
    play >> SendsOpen() << Unseals() << At(WORKING)


def go_deciding(play: Playbook) -> None:
    """The resume is being decided."""
    go_ready(play)
    play >> SendsResume() << Presents(Strength.SHORT) << At(WORKING)


def go_abandoned(play: Playbook) -> None:
    go_working(play)
    play >> SendsBye() << At(ABANDONED)


def go_session(play: Playbook, outcome: ClaimOutcome = YES) -> None:
    go_deciding(play)
    play >> Decided(outcome) << Says(VerdictMessage) << AsksForState() << At(SESSION)


def change_side(play: Playbook, **changes: Any) -> None:
    """Have the hub be another one; the link is a new link of it."""
    play.hub.side = replace(play.hub.side, **changes)
    assert isinstance(play.hub.side, HubSide)
    play.link = play.hub.connect()


# IDLE


@row("IDLE", "INFO read")
def test_idle_info_read(play: Playbook) -> None:
    play >> InfoRead() << NewChallenge() << At(READY)


@row("IDLE", "get-epoch")
@pytest.mark.parametrize("has_key", [True, False])
def test_idle_get_epoch(play: Playbook, has_key: bool) -> None:
    if not has_key:
        change_side(play, epochs=EpochRing())
    go_idle(play)
    (
        play
        >> Sends(GET_EPOCH)
        << (Says(EpochAnswer) if has_key else error(ErrorCode.BUSY))
        << At(IDLE)
    )


@row("IDLE", "open")
def test_idle_open(play: Playbook) -> None:
    go_idle(play)
    play >> SendsOpen() << Refuses(counted=False) << error(ErrorCode.TIMEOUT) << At(IDLE)


@row("IDLE", "resume")
def test_idle_resume(play: Playbook) -> None:
    go_idle(play)
    play >> SendsResume() << Refuses(counted=False) << error(ErrorCode.TIMEOUT) << At(IDLE)
    assert len(play.hub.tickets) == 1


@row("IDLE", "no message of version 1")
def test_idle_noise(play: Playbook) -> None:
    go_idle(play)
    play >> Sends(NOISE) << Refuses(counted=True) << error(ErrorCode.BAD_FRAME) << At(IDLE)


# READY


@row("READY", "INFO read")
def test_ready_info_read(play: Playbook) -> None:
    go_ready(play)
    old = play.sid
    play >> InfoRead() << NewChallenge() << At(READY)
    # the old one is void: a frame of its session ends the link
    play >> Frame(control_frame(Flag.FIRST | Flag.LAST, old, 0) + b"\x00\x02" + GET_EPOCH)
    play << Refuses(counted=False, cause=SequenceError) << SaysBye() << Disconnects()


@row("READY", "a message when the challenge is over 30 s old")
def test_ready_old_challenge(play: Playbook) -> None:
    go_ready(play)
    play >> Later(CHALLENGE_SECONDS) >> Sends(GET_EPOCH) << Says(EpochAnswer) << At(READY)
    (
        play
        >> Later(0.1)
        >> SendsOpen()
        << Refuses(counted=False)
        << error(ErrorCode.TIMEOUT)
        << At(IDLE)
    )


@row("READY", "get-epoch")
@pytest.mark.parametrize("has_key", [True, False])
def test_ready_get_epoch(play: Playbook, has_key: bool) -> None:
    if not has_key:
        change_side(play, epochs=EpochRing())
    go_ready(play)
    (
        play
        >> Sends(GET_EPOCH)
        << (Says(EpochAnswer) if has_key else error(ErrorCode.BUSY))
        << At(READY)
    )
    if has_key:  # the challenge lives on
        play >> SendsOpen() << Unseals() << At(WORKING)


@row("READY", "open: its epoch kid is not live")
def test_ready_open_unknown_epoch(play: Playbook) -> None:
    go_ready(play)
    play >> SendsOpen({"epoch": bytes(8)})
    play << Refuses(counted=False) << error(ErrorCode.UNKNOWN_EPOCH) << At(READY)
    play >> SendsOpen() << Unseals() << At(WORKING)  # the challenge lives on


@row("READY", "open: AEAD not offered, or OAEP value of another size than the key")
@pytest.mark.parametrize("what", ["AEAD not offered", "OAEP value of another size"])
def test_ready_open_not_as_offered(play: Playbook, what: str) -> None:
    epoch = play.hub.epochs.current
    assert epoch is not None
    if what == "AEAD not offered":
        offers_less = EpochRing()
        offers_less.add(replace(epoch, aeads=(Aead.A128GCM,)))
        change_side(play, epochs=offers_less)
    go_ready(play)
    play >> SendsOpen({} if what == "AEAD not offered" else {"encrypted_key": bytes(256)})
    play << Refuses(counted=True) << error(ErrorCode.FAILED) << At(IDLE)


@row("READY", "open: no turn in the line for RSA")
def test_ready_open_no_turn(play: Playbook) -> None:
    change_side(play, budget=Budget(rate=1.0, burst=0.0, at_once=4, wait_seconds=0.5))
    go_ready(play)
    play >> SendsOpen() << Refuses(counted=False) << error(ErrorCode.BUSY) << At(IDLE)


@row("READY", "open: else")
def test_ready_open(play: Playbook) -> None:
    go_ready(play)
    play >> SendsOpen() << Unseals() << At(WORKING)


@row("READY", "resume: ticket unknown or expired, other AEAD, or seal does not open")
@pytest.mark.parametrize(
    ("resume", "tickets"),
    [
        (SendsResume(known=False), 0),
        (SendsResume({"aead": Aead.A128GCM}), 1),
        (SendsResume(forged=True), 1),
    ],
    ids=["ticket unknown", "other AEAD", "seal does not open"],
)
def test_ready_resume_in_vain(play: Playbook, resume: SendsResume, tickets: int) -> None:
    go_ready(play)
    play >> resume << Refuses(counted=True, cause=ProofError) << error(ErrorCode.FAILED) << At(IDLE)
    assert len(play.hub.tickets) == tickets, "a known ticket is kept"


@row("READY", "resume: opens")
def test_ready_resume(play: Playbook) -> None:
    go_ready(play)
    play >> SendsResume() << Presents(Strength.SHORT) << At(WORKING)
    assert len(play.hub.tickets) == 0, "the ticket is deleted"


@row("READY", "no message of version 1")
def test_ready_noise(play: Playbook) -> None:
    go_ready(play)
    play >> Sends(NOISE) << Refuses(counted=True) << error(ErrorCode.BAD_FRAME) << At(IDLE)
    # the challenge is used
    (play >> SendsOpen() << Refuses(counted=False) << error(ErrorCode.TIMEOUT))


# WORKING


@row("WORKING", "INFO read")
def test_working_info_read(play: Playbook) -> None:
    go_working(play)
    play >> InfoRead() << EmptyInfo() << At(WORKING)


@row("WORKING", "a message: the first")
def test_working_first_message(play: Playbook) -> None:
    go_working(play)
    play >> Sends(GET_EPOCH) << Refuses(counted=False) << At(WORKING)
    play >> Unsealed() << Presents(Strength.FULL)


@row("WORKING", "a message: the second of the link")
def test_working_second_message(play: Playbook) -> None:
    go_working(play)
    play >> Sends(GET_EPOCH) << Refuses(counted=False)
    play >> Sends(GET_EPOCH) << Refuses(counted=False) << SaysBye() << Disconnects()
    play >> Unsealed()  # nothing more is said, and the place in the budget comes back
    assert play.hub.budget._taken == 0


@row("WORKING", "the open does not hold")
def test_working_open_does_not_hold(play: Playbook) -> None:
    go_ready(play)
    play >> SendsOpen(forged=True) << Unseals()
    (
        play
        >> Unsealed()
        << Refuses(counted=True, cause=ProofError)
        << error(ErrorCode.FAILED)
        << At(IDLE)
    )


@row("WORKING", "the open holds within 3 s")
def test_working_open_holds(play: Playbook) -> None:
    go_working(play)
    play >> Later(WORKING_SECONDS) >> Unsealed() << Presents(Strength.FULL) << At(WORKING)


@row("WORKING", "the open holds after more than 3 s")
def test_working_open_holds_late(play: Playbook) -> None:
    go_working(play)
    play >> Later(WORKING_SECONDS + 0.1) >> Unsealed()
    play << Refuses(counted=False) << error(ErrorCode.TIMEOUT) << At(IDLE)


@row("WORKING", "denied within 3 s")
def test_working_denied(play: Playbook) -> None:
    go_deciding(play)
    (
        play
        >> Later(WORKING_SECONDS)
        >> Decided(NO)
        << Says(VerdictMessage)
        << AsksForState()
        << At(SESSION)
    )


@row("WORKING", "denied after more than 3 s")
def test_working_denied_late(play: Playbook) -> None:
    go_deciding(play)
    play >> Later(WORKING_SECONDS + 0.1) >> Decided(NO)
    play << Refuses(counted=False) << error(ErrorCode.TIMEOUT) << At(IDLE)


@row("WORKING", "allowed")
@pytest.mark.parametrize("after_seconds", [0.0, WORKING_SECONDS + 10])
def test_working_allowed(play: Playbook, after_seconds: float) -> None:
    go_deciding(play)
    (
        play
        >> Later(after_seconds)
        >> Decided(YES)
        << Says(VerdictMessage)
        << AsksForState()
        << At(SESSION)
    )


# ABANDONED


@row("ABANDONED", "INFO read")
def test_abandoned_info_read(play: Playbook) -> None:
    go_abandoned(play)
    play >> InfoRead() << EmptyInfo() << At(ABANDONED)


@row("ABANDONED", "a message")
def test_abandoned_message(play: Playbook) -> None:
    go_abandoned(play)
    play >> Sends(GET_EPOCH) << Refuses(counted=False) << At(ABANDONED)
    play >> Sends(GET_EPOCH) << Refuses(counted=False) << SaysBye() << Disconnects()


@row("ABANDONED", "the work ends")
@pytest.mark.parametrize("work", ["the open", "the decision"])
def test_abandoned_work_ends(play: Playbook, work: str) -> None:
    if work == "the open":
        go_abandoned(play)
        play >> Unsealed() << At(IDLE)
    else:
        go_deciding(play)
        play >> SendsBye() << At(ABANDONED)
        play >> Decided(YES) << At(IDLE)
    play >> InfoRead() << NewChallenge() << At(READY)


# SESSION


@row("SESSION", DOOR_MOVES)
def test_session_door_moves(play: Playbook) -> None:
    go_session(play)
    play >> DoorMoves(DoorState.OPEN) << Says(StateMessage) << At(SESSION)
    play >> DoorMoves(DoorState.OPEN, access_point=2) << At(SESSION)
    (
        play
        >> Later(SESSION_SECONDS)
        >> DoorMoves(DoorState.SECURED)
        << Says(StateMessage)
        << At(SESSION)
    )
    play >> Later(0.1) >> DoorMoves(DoorState.OPEN) << At(SESSION)


@row("SESSION", DOOR_MOVES)
def test_session_after_a_question(play: Playbook) -> None:
    """Action 1 alone is followed by states."""
    go_ready(play)
    play >> SendsResume(action=Action.QUERY) << Presents(Strength.SHORT)
    play >> Decided(YES) << Says(VerdictMessage) << At(SESSION)
    for door in DoorState:
        play >> DoorMoves(door) << At(SESSION)


@row(
    "SESSION",
    "action 1, on either path, allowed or denied: one release time and 0.1 s after the verdict",
)
@pytest.mark.parametrize("outcome", [YES, NO], ids=["allowed", "denied"])
def test_session_state_is_due(play: Playbook, outcome: ClaimOutcome) -> None:
    go_session(play, outcome)
    play >> StateIsDue(DoorState.SECURED) << Says(StateMessage) << At(SESSION)


@row("SESSION", "INFO read")
def test_session_info_read(play: Playbook) -> None:
    go_session(play)
    play >> InfoRead() << NewChallenge() << At(READY)
    play >> DoorMoves(DoorState.OPEN)  # its keys are forgotten
    play >> StateIsDue(DoorState.SECURED) << At(READY)


@row("SESSION", "get-epoch")
def test_session_get_epoch(play: Playbook) -> None:
    go_session(play)
    play >> Sends(GET_EPOCH) << Says(EpochAnswer) << At(SESSION)


@row("SESSION", "open")
def test_session_open(play: Playbook) -> None:
    go_session(play)
    play >> SendsOpen() << Refuses(counted=False) << error(ErrorCode.TIMEOUT) << At(SESSION)


@row("SESSION", "resume")
def test_session_resume(play: Playbook) -> None:
    go_session(play)
    play >> SendsResume() << Refuses(counted=False) << error(ErrorCode.TIMEOUT) << At(SESSION)


@row("SESSION", "no message of version 1")
def test_session_noise(play: Playbook) -> None:
    go_session(play)
    play >> Sends(NOISE) << Refuses(counted=True) << error(ErrorCode.BAD_FRAME) << At(IDLE)
    play >> StateIsDue(DoorState.SECURED) << At(IDLE)


# any


@row("any", "the third get-epoch, or the third failure counted")
@pytest.mark.parametrize("what", ["get-epoch", "failure"])
def test_any_third(play: Playbook, what: str) -> None:
    go_ready(play)
    if what == "get-epoch":
        play >> Sends(GET_EPOCH) << Says(EpochAnswer)
        play >> Sends(GET_EPOCH) << Says(EpochAnswer)
        play >> Sends(GET_EPOCH) << Refuses(counted=False) << SaysBye() << Disconnects()
    else:
        play >> Sends(NOISE) << Refuses(counted=True) << error(ErrorCode.BAD_FRAME)
        play >> Sends(NOISE) << Refuses(counted=True) << error(ErrorCode.BAD_FRAME)
        play >> Sends(NOISE) << Refuses(counted=True) << error(ErrorCode.BAD_FRAME)
        play << SaysBye() << Disconnects()


@row("any", "a frame that breaks a rule, or of another session id")
@pytest.mark.parametrize("go", [go_idle, go_ready, go_working, go_abandoned, go_session])
@pytest.mark.parametrize(
    "frame", [b"", bytes(6), bytes(600)], ids=["empty", "another session", "too long"]
)
def test_any_broken_frame(play: Playbook, go: Callable[[Playbook], None], frame: bytes) -> None:
    go(play)
    play >> Frame(frame) << Refuses(counted=False) << SaysBye() << Disconnects()
    play >> Sends(GET_EPOCH)  # nothing is heard any more


@row("any", "BYE")
@pytest.mark.parametrize(
    ("go", "phase"),
    [
        (go_idle, IDLE),
        (go_ready, IDLE),
        (go_session, IDLE),
        (go_working, ABANDONED),
        (go_deciding, ABANDONED),
        (go_abandoned, ABANDONED),
    ],
)
def test_any_bye(play: Playbook, go: Callable[[Playbook], None], phase: HandshakePhase) -> None:
    go(play)
    play >> SendsBye() << At(phase)


@row("any", UNFINISHED)
@pytest.mark.parametrize(
    ("go", "seconds", "why"),
    [
        (go_nowhere, FIRST_READ_SECONDS, "nothing was asked"),
        (go_ready, IDLE_SECONDS, "idle"),
        (go_session, IDLE_SECONDS, "idle"),
    ],
)
def test_any_deadline(
    play: Playbook, go: Callable[[Playbook], None], seconds: float, why: str
) -> None:
    go(play)
    play >> Later(seconds) >> Sweep()
    play >> Later(0.1) >> Sweep() << Disconnects(why)


@row("any", UNFINISHED)
@pytest.mark.parametrize(
    ("mtu", "seconds"), [(247, ASSEMBLY_SECONDS), (23, ASSEMBLY_SMALL_MTU_SECONDS)]
)
def test_any_message_that_is_never_finished(play: Playbook, mtu: int, seconds: float) -> None:
    go_ready(play)
    play >> Frame(control_frame(Flag.FIRST, play.sid, 0) + (4096).to_bytes(2, "big") + b"x", mtu)
    for second in range(1, int(seconds)):  # a byte a second keeps it busy and does not help it
        play >> Later(1.0) >> Frame(control_frame(Flag(0), play.sid, second) + b"x", mtu)
    play >> Later(1.0) >> Sweep()
    play >> Later(0.1) >> Sweep() << Disconnects("a message was never finished")


@row("any", UNFINISHED)
def test_any_link_of_a_minute(play: Playbook) -> None:
    for _ in range(12):
        play >> InfoRead() << NewChallenge() >> Later(LINK_SECONDS / 12) >> Sweep()
    play >> InfoRead() << NewChallenge()
    play >> Later(0.1) >> Sweep() << Disconnects("the link is a minute old")


@row("any", "the link closes")
@pytest.mark.parametrize("go", [go_ready, go_working, go_deciding, go_session])
def test_any_link_closes(play: Playbook, go: Callable[[Playbook], None]) -> None:
    go(play)
    play >> LinkCloses() << At(IDLE)
    play >> InfoRead() << EmptyInfo()
    play >> DoorMoves(DoorState.OPEN)
    if play.unsealing:
        play >> Unsealed()
    assert play.hub.budget._taken == 0


NOT_TAKEN = "more than 64 answers that the radio does not take"
PLAYED_ELSEWHERE = {
    (
        "any",
        NOT_TAKEN,
    ): test_links.test_effects_have_a_ceiling_and_an_unseal_among_them_gives_its_place_back,
}
"""What no link does by itself but the use case that serves it, with the test that shows it."""


def test_each_row_of_the_hubs_table_has_its_play() -> None:
    rows = {(state, event) for state, event, _, _ in table("Hub, for each link")}
    assert SHOWN | set(PLAYED_ELSEWHERE) == rows
    assert not SHOWN & set(PLAYED_ELSEWHERE)


# The playbook itself.


def test_a_playbook_fails_when_an_effect_is_missing() -> None:
    play = Playbook(DeskHub(site.make_key()))
    with pytest.raises(AssertionError, match="nothing more comes of it"):
        play >> InfoRead() << NewChallenge() << Disconnects()


def test_a_playbook_fails_when_another_effect_comes() -> None:
    with pytest.raises(AssertionError, match=r"NewChallenge\(\) came, not EmptyInfo\(\)"):
        Playbook() >> InfoRead() << EmptyInfo()


def test_a_playbook_fails_when_an_effect_was_not_named_before_the_next_event() -> None:
    with pytest.raises(AssertionError, match="does not say so"):
        Playbook() >> InfoRead() >> InfoRead()


@pytest.mark.parametrize("begun", [True, False])
def test_a_playbook_fails_when_it_is_unfinished(begun: bool) -> None:
    play = Playbook()
    if begun:
        play >> InfoRead()
    with pytest.raises(AssertionError, match="at the end" if begun else "nothing ever happened"):
        play.finish()


def test_a_playbook_fails_when_the_link_stands_elsewhere() -> None:
    with pytest.raises(AssertionError, match="READY, not IDLE"):
        Playbook() >> InfoRead() << NewChallenge() << At(IDLE)


def test_a_playbook_tells_a_field_of_an_effect_from_another() -> None:
    play = Playbook()
    with pytest.raises(AssertionError, match="came, not"):
        play >> InfoRead() << NewChallenge() >> Sends(NOISE) << Refuses(counted=False)
