"""What the daemon judges by what it sees of itself: each look sees its own topic broken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hubcore.backend.talk.effects import UplinkPhase
from hubcore.bridge.talk import WayPhase
from hubcore.checks import CHECKS, CheckId, Topic
from hubcore.codec.tls import TlsCertificate
from hubcore.ports.bridge import IMPOSTORS, LineFault
from hubd.backend.state import UplinkState
from hubd.bridge.state import SPOKEN_WITH, WayState
from hubd.upkeep.looks import BRIDGE_DOWN_SECONDS, LOOKS, Seen

UPLINK = UplinkState(
    phase=UplinkPhase.SPEAKING,
    connected=True,
    since=0.0,
    why="",
    waiting=3,
    last_welcome=None,
    clock_offset_seconds=0.0,
    unacknowledged_seconds=None,
    halt=None,
    known=None,
    boot="00112233445566778899",
)
WAY = WayState(
    phase=WayPhase.SPEAKING,
    since=0.0,
    why="",
    bridge="bridge-1",
    endpoint="10.20.0.2:7715",
    certificate_ends=10**8,
    waiting=0,
)
DOWN = replace(
    WAY,
    phase=WayPhase.DOWN,
    why="10.20.0.2:7715 does not answer",
    failures=("bridge-1: 10.20.0.2:7715 does not answer", "bridge-2: the cable is out."),
    faults={"bridge-1": LineFault.SILENT, "bridge-2": LineFault.NO_ROUTE},
)
WELL = Seen(
    now=1000.0,
    epoch_is_ready=True,
    certificate_begins=0,
    certificate_expires=10**8,
    certificate_file="/etc/certificate",
    backend_key_file="/etc/backend",
    tls=TlsCertificate(b"", 0, 10**8, b""),
    tls_file="/etc/tls",
    uplink=UPLINK,
    way=WAY,
)
WRONG = {
    CheckId.BACKEND_AWAY: replace(WELL, uplink=replace(UPLINK, connected=False)),
    CheckId.BRIDGE_AWAY: replace(WELL, way=DOWN),
    CheckId.BRIDGE_REFUSES: replace(
        WELL, way=replace(DOWN, faults={**DOWN.faults, "bridge-2": LineFault.NOT_LET_IN})
    ),
    CheckId.BRIDGE_OTHER: replace(
        WELL, way=replace(WAY, faults={"bridge-2": LineFault.OTHER_NAME})
    ),
    CheckId.BRIDGE_REVOKED: replace(WELL, way=replace(WAY, faults={"bridge-2": LineFault.ENDED})),
    CheckId.BRIDGE_ENDED: replace(WELL, way=replace(WAY, certificate_ends=999)),
    CheckId.BRIDGE_ENDING: replace(WELL, way=replace(WAY, certificate_ends=1001)),
    CheckId.BRIDGE_FULL: replace(WELL, way=replace(WAY, is_full=True, waiting=9)),
    CheckId.BRIDGE_DOUBTS: replace(WELL, way=replace(WAY, phase=WayPhase.DOUBTED, why="a fork")),
    CheckId.MANDATES_UNKEPT: replace(WELL, way=replace(WAY, trouble="the disk is full")),
    CheckId.CERTIFICATE_ENDED: replace(WELL, certificate_expires=999),
    CheckId.EPOCH_NONE: replace(WELL, epoch_is_ready=False),
    CheckId.EVIDENCE_STUCK: replace(WELL, uplink=replace(UPLINK, unacknowledged_seconds=999.0)),
    CheckId.FORK: replace(WELL, uplink=replace(UPLINK, halt="fork", known="7:ab")),
    CheckId.GAP: replace(WELL, uplink=replace(UPLINK, halt="gap", known="0:")),
    CheckId.OFFLINE_OVER: replace(WELL, offline_seconds=7300.0, offline_budgets={"front": 7200.0}),
    CheckId.POLICY_REFUSED: replace(WELL, uplink=replace(UPLINK, policy_refused="it is forged.")),
    CheckId.TAIL_CUT: replace(WELL, uplink=replace(UPLINK, halt="tail_cut", known="9:ab")),
    CheckId.TLS_ENDED: replace(WELL, tls=TlsCertificate(b"", 0, 999, b"")),
    CheckId.TWO_HUBS: replace(WELL, uplink=replace(UPLINK, halt="two_hubs")),
    CheckId.UPLINK_KEY: replace(WELL, uplink=replace(UPLINK, key_trouble="the disk is full")),
}


def test_each_look_sees_what_is_wrong_with_its_own_topic_and_nothing_else() -> None:
    assert {CHECKS[check].topic for check in WRONG} == set(LOOKS)
    for seen in (WELL, replace(WELL, uplink=None, way=None)):
        assert [look(seen) for look in LOOKS.values()] == [None] * len(LOOKS)
    for check, seen in WRONG.items():
        told = [found for look in LOOKS.values() if (found := look(seen)) is not None]
        assert [found.check for found in told] == [check]
        assert told[0].what
        assert told[0].remedy


@pytest.mark.parametrize(
    ("hours", "check"),
    [(0.9, None), (1.1, CheckId.OFFLINE_LONG), (2.1, CheckId.OFFLINE_OVER)],
)
def test_a_backend_that_is_away_is_told_before_a_door_lets_nobody_in(
    hours: float, check: CheckId | None
) -> None:
    seen = replace(WELL, offline_seconds=hours * 3600, offline_budgets={"front": 7200.0})
    told = LOOKS[Topic.OFFLINE](seen)
    assert (None if told is None else told.check) == check
    if told is not None:
        assert f"{hours} h" in told.what
        assert "front" in told.what


@pytest.mark.parametrize("phase", WayPhase)
@pytest.mark.parametrize("seconds", [BRIDGE_DOWN_SECONDS, BRIDGE_DOWN_SECONDS + 1])
def test_a_bridge_is_away_after_a_while_and_only_as_long_as_none_is_spoken_with(
    phase: WayPhase, seconds: float
) -> None:
    way = replace(DOWN, phase=phase, since=WELL.now - seconds)
    told = LOOKS[Topic.BRIDGE](replace(WELL, way=way))
    is_away = phase not in SPOKEN_WITH and seconds > BRIDGE_DOWN_SECONDS
    assert (told is not None) is is_away


def test_each_bridge_that_was_tried_and_why_it_is_away_is_told() -> None:
    told = LOOKS[Topic.BRIDGE](replace(WELL, way=DOWN))
    assert told is not None
    assert "does not answer; bridge-2: the cable is out." in told.what


@pytest.mark.parametrize("fault", sorted(IMPOSTORS))
def test_what_has_taken_the_place_of_a_bridge_is_told_at_once(fault: LineFault) -> None:
    way = replace(DOWN, since=WELL.now, faults={"bridge-2": fault})
    told = LOOKS[Topic.BRIDGE](replace(WELL, way=way))
    assert told is not None
    assert told.check is CheckId.BRIDGE_OTHER
    assert "bridge-2 is another machine: the cable is out." in told.what


def test_a_bridge_that_has_shown_no_certificate_yet_is_not_said_to_have_an_old_one() -> None:
    way = replace(WAY, certificate_ends=0)
    assert LOOKS[Topic.BRIDGE_CERTIFICATE](replace(WELL, way=way)) is None
