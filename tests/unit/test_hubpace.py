"""One hub causes the engine so much work and no more, and its records have no such bound."""

from __future__ import annotations

import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.backend.uplink import from_hub
from hubcore.backend.uplink.words import ReleaseOutcome
from hubgateway.rules.hubpace import _KINDS, ANSWERS, PACES, WITHOUT_PACE, HubPace

RESULT = from_hub.Result(bytes(16), ReleaseOutcome.RELEASED, "")
RECORD = from_hub.Evidence(1, b"record", bytes(32))


def test_each_message_of_a_hub_has_a_pace_or_is_named_without_one() -> None:
    every = set(typing.get_args(from_hub.HubMessage))
    assert set(_KINDS) | WITHOUT_PACE == every
    assert not set(_KINDS) & WITHOUT_PACE
    assert set(_KINDS.values()) == set(PACES)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=400))
def test_answers_of_one_hub_have_a_pace_and_no_other_hub_pays_for_it(pauses: list[float]) -> None:
    pace = HubPace()
    now = 0.0
    taken = 0
    for pause in pauses:
        now += pause
        taken += pace.allows("rogue", RESULT, now)
        assert pace.allows("rogue", RECORD, now), "records have none"
        assert taken <= ANSWERS.burst + ANSWERS.per_second * now + 1e-6
    assert pace.allows("honest", RESULT, now)


@pytest.mark.parametrize("hubs", [3, 50])
def test_hubs_without_number_take_no_memory_without_bound(hubs: int) -> None:
    pace = HubPace(hubs_max=3)
    for number in range(hubs):
        pace.allows(f"hub-{number}", RESULT, 0.0)
    assert max(len(one) for one in pace._paces.values()) <= 3
