"""From lockdowns of a whole site to the rows of the table. Pure."""

from __future__ import annotations

from typing import Protocol

from benchmarks.stats import p50, p99, ratio_of_rounds
from benchmarks.table import Figure

GOAL_SECONDS = 1.0


class Rounds(Protocol):
    """See `benchmarks.lockdown.LockdownRounds`."""

    hubs: int
    of_hubs: list[float]
    last_hub: list[float]
    whole: list[float]
    given: list[float]
    trip: list[float]


def lockdown_figures(rounds: Rounds) -> list[Figure]:
    """Return the rows of a lockdown of all hubs of a site."""
    trip_ms = p50(rounds.trip) * 1e3
    each_ms = p50(rounds.of_hubs) * 1e3
    slow_ms = p99(rounds.of_hubs) * 1e3
    whole_ms = p50(rounds.whole) * 1e3
    given_ms = p50(rounds.given) * 1e3
    return [
        Figure(
            key="lockdown_p99",
            name=f"lockdown of {rounds.hubs} hubs: order at the bridge → at a hub, p99 / 1 s",
            value=p99(rounds.of_hubs) / GOAL_SECONDS,
            goal=1.0,
            beside=f"{slow_ms:.0f} ms; p50 {each_ms:.0f} ms; durable after {given_ms:.1f} ms",
        ),
        Figure(
            key="lockdown_answered",
            name="the same, until the bridge has the answer of the last hub, p99 / 1 s",
            value=p99(rounds.whole) / GOAL_SECONDS,
            goal=1.0,
            beside=f"p50 {whole_ms:.0f} ms",
        ),
        Figure(
            key="lockdown_trips",
            name="the last hub has it / as many bare TLS round trips, one after the other",
            value=ratio_of_rounds(rounds.last_hub, [rounds.hubs * trip for trip in rounds.trip]),
            beside=f"one round trip {trip_ms:.2f} ms",
        ),
    ]
