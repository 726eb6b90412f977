"""The page of `hubissuer updates`: which hubs run what, which came back, which are held."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hubcore.backend.uplink import codec, from_hub
from hubcore.backend.uplink.updates import UpdateFault, UpdateHold, UpdatePhase
from hubgateway.engine.buckets import Kept
from hubgateway.issuer.versions import SOON_SECONDS, HubVersion, documents, lines, read_versions
from tests.unit.test_uplink_messages import NO_UPDATES, ON_TRIAL

NOW = float(ON_TRIAL.lists_end - 7 * 86_400)
WELL = replace(
    ON_TRIAL,
    phase=UpdatePhase.RESTING,
    hold=UpdateHold.NOBODY,
    fault=UpdateFault.NONE,
    quarantine=(),
)


def read(said_at: float = NOW, **states: from_hub.HubMessage) -> list[HubVersion]:
    return read_versions({hub: Kept(codec.encode(one), said_at) for hub, one in states.items()})


def shown(**states: from_hub.HubMessage) -> list[str]:
    return list(lines(read(**states), NOW))


def test_each_hub_has_a_line_and_each_version_its_sum() -> None:
    assert shown(a=WELL, b=replace(WELL, phase=UpdatePhase.TRIAL), c=NO_UPDATES) == [
        "a  1.2.0 in B, idle",
        "b  1.2.0 in B, on trial 1.3.0",
        "c  0.1.0, takes no updates",
        "version 0.1.0: 1 of 3 hubs",
        "version 1.2.0: 2 of 3 hubs",
    ]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (replace(WELL, hold=UpdateHold.PERSON), "held by a person there"),
        (replace(WELL, hold=UpdateHold.PLAN), "held by the plan"),
        (replace(WELL, quarantine=(b"\xaa" * 32,)), f"came back from {'aa' * 8}…"),
        (replace(WELL, is_withdrawn=1), "its version is withdrawn"),
        (replace(WELL, lists_end=int(NOW + SOON_SECONDS) - 1), "its lists end 2026-11-1"),
        (replace(WELL, lists_end=2**63 - 1, fault=UpdateFault.TRUST), "nobody signed"),
        (from_hub.Ping(bytes(8)), "what it said cannot be read"),
    ],
    ids=["person", "plan", "came back", "withdrawn", "ends", "trust", "another message"],
)
def test_what_needs_somebody_comes_first(state: from_hub.HubMessage, said: str) -> None:
    page = shown(a=WELL, z=state)
    assert page[0].startswith("z")
    assert said in page[0]
    assert page[1] == "a  1.2.0 in B, idle"


@pytest.mark.parametrize("fault", [one for one in UpdateFault if one is not UpdateFault.NONE])
def test_each_fault_is_told(fault: UpdateFault) -> None:
    assert ": " in shown(a=replace(WELL, fault=fault))[0]


@pytest.mark.parametrize("phase", UpdatePhase)
def test_each_phase_has_its_words(phase: UpdatePhase) -> None:
    assert shown(a=replace(WELL, phase=phase))[0].startswith("a  1.2.0 in B, ")


def test_bytes_that_are_no_message_hide_no_other_hub() -> None:
    hubs = read_versions({"a": Kept(b"\xff", NOW), "b": Kept(codec.encode(WELL), NOW)})
    assert [one["hub"] for one in documents(hubs, NOW)] == ["a", "b"]
    assert "cannot be read" in next(lines(hubs, NOW))


def test_an_end_that_no_calendar_has_is_a_line_too() -> None:
    (line, _) = lines(read(a=replace(WELL, lists_end=1)), 2.0**62)
    assert "1970-01-01" in line


def test_a_fleet_that_has_said_nothing_says_so() -> None:
    assert shown() == ["no hub has said yet which version it runs"]


def test_programs_get_each_field() -> None:
    (document,) = documents(read(a=ON_TRIAL, said_at=NOW - 90.5), NOW)
    assert document == {
        "hub": "a",
        "version": "1.2.0",
        "slot": "B",
        "phase": "trial",
        "digest": ON_TRIAL.digest.hex(),
        "other": "1.3.0",
        "hold": "person",
        "withdrawn": False,
        "fault": "link",
        "lists_end": ON_TRIAL.lists_end,
        "quarantine": ["00" * 32],
        "unchanged_seconds": 90,
        "troubles": [
            "no carrier is there",
            "held by a person there",
            f"came back from {'00' * 8}…",
        ],
    }


def test_an_engine_whose_clock_is_ahead_makes_no_time_before_now() -> None:
    (document,) = documents(read(a=WELL, said_at=NOW + 90), NOW)
    assert document["unchanged_seconds"] == 0
