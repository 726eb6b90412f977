"""From records that waited on a bridge to the rows of the table. Pure."""

from __future__ import annotations

from typing import Protocol

from benchmarks.stats import p50, p99
from benchmarks.table import Figure

DRAIN_GOAL = 2.0
"""Half of what the engine alone takes: a record costs at most two of its."""
LIVE_GOAL_SECONDS = 1.0


class Rounds(Protocol):
    """See `benchmarks.outage.OutageRounds`."""

    records: int
    hubs: int
    drained: float
    engine: float
    delays: list[float]
    lost: int


def outage_figures(rounds: Rounds) -> list[Figure]:
    """Return the rows of a bridge whose backend is back."""
    what = f"{rounds.records:,} records of {rounds.hubs} hubs"
    return [
        Figure(
            key="bridge_drain",
            name=f"{what} go up from a bridge: one record / the same in the engine alone",
            value=rounds.drained / rounds.engine,
            goal=DRAIN_GOAL,
            beside=f"{1 / rounds.drained:,.0f} records/s, {1 / rounds.engine:,.0f} records/s",
        ),
        Figure(
            key="bridge_drain_live",
            name="a record of another hub meanwhile: sent → its receipt at the hub, p99",
            value=p99(rounds.delays),
            unit="s",
            goal=LIVE_GOAL_SECONDS,
            beside=f"p50 {p50(rounds.delays):.2f} s; {len(rounds.delays)} records; "
            "a hub signs heads 0.5 s apart",
        ),
        Figure(
            key="bridge_drain_lost",
            name="of these lost, twice or out of order in the engine",
            value=rounds.lost,
            goal=0.0,
        ),
    ]
