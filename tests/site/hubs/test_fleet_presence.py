"""Who is connected, over all orders of what gateways tell (`hubsite.fleet.presence`)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.backend.present import AWAY_SECONDS
from hubsite.fleet.presence import Presence

pytestmark = pytest.mark.once

HUBS = ("a", "b")
STEPS = st.lists(
    st.tuples(st.floats(0.1, 60), st.none() | st.frozensets(st.sampled_from((*HUBS, "stranger")))),
    max_size=12,
)


@settings(deadline=None)
@given(STEPS, st.dictionaries(st.sampled_from(HUBS), st.none() | st.booleans()))
def test_a_hub_is_away_only_when_gateways_speak_and_none_names_it(
    steps: list[tuple[float, frozenset[str] | None]], before: dict[str, bool | None]
) -> None:
    """presence, laws 1 to 3"""
    now = 1000.0
    made = Presence(now)
    known = {hub: before.get(hub) for hub in HUBS}
    spoke = now
    heard: dict[str, float] = {}
    for seconds, named in steps:
        now += seconds
        if named is not None:
            made.hear(named, now)
            spoke = now
            heard.update(dict.fromkeys(named, now))
        turned = made.turned(known, now, wall=now + 5000)
        for hub in HUBS:
            quiet = now - heard.get(hub, 1000.0)
            if now - spoke >= AWAY_SECONDS:
                wanted = None
            elif quiet >= AWAY_SECONDS:
                wanted = False
            else:
                wanted = True if hub in heard else known[hub]
            assert (hub in turned) is (wanted is not known[hub])
            if hub in turned:
                is_here, away_since = turned[hub]
                assert is_here is wanted
                if is_here is False:
                    assert away_since is not None
                    assert away_since.timestamp() == pytest.approx(now + 5000 - quiet)
                known[hub] = is_here


def test_while_no_gateway_has_spoken_nobody_knows_and_that_is_told() -> None:
    """presence, law 2"""
    made = Presence(0.0)
    assert not made.is_silent(AWAY_SECONDS - 1)
    assert made.turned({"a": True}, AWAY_SECONDS - 1, 0.0) == {}
    assert made.is_silent(AWAY_SECONDS)
    assert made.turned({"a": True}, AWAY_SECONDS, 0.0)["a"][0] is None
