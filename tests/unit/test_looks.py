"""What the daemon judges by what it sees of itself: each look sees its own topic broken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hubcore.backend.talk.effects import UplinkPhase
from hubcore.codec.tls import TlsCertificate
from hubd.backend.state import UplinkState
from hubd.upkeep.checks import CHECKS, CheckId, Topic
from hubd.upkeep.looks import LOOKS, Seen

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
)
WRONG = {
    CheckId.BACKEND_AWAY: replace(WELL, uplink=replace(UPLINK, connected=False)),
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
    for seen in (WELL, replace(WELL, uplink=None)):
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
