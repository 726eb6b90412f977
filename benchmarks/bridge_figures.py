"""From the rounds of hub and bridge to the rows of the table. Pure."""

from __future__ import annotations

from benchmarks.bridge import HUBS, RECORDS_EACH, BridgeRounds
from benchmarks.stats import p50, ratio_of_rounds
from benchmarks.table import Figure

HELD_GOAL = 2.0
"""Half of the bare frames: a record costs at most two of them."""
IDLE_GOAL_MB = 40.0
CROWD_GOAL_MB = 150.0


def bridge_figures(rounds: BridgeRounds) -> list[Figure]:
    """Return the rows of the way from a hub to its bridge, and of the bridge's memory."""
    held = p50(rounds.held)
    frames = p50(rounds.frames)
    trips = p50(rounds.round_trips)
    return [
        Figure(
            key="record_to_bridge",
            name="record durable on the hub → held on the bridge / bare TLS frame, many under way",
            value=ratio_of_rounds(rounds.held, rounds.frames),
            goal=HELD_GOAL,
            beside=f"{1 / held:,.0f} records/s, {1 / frames:,.0f} frames/s",
        ),
        Figure(
            key="record_to_bridge_commit",
            name="the same / bare TLS frame + its part of a bare commit of 2,048 rows",
            value=ratio_of_rounds(
                rounds.held,
                [one + other for one, other in zip(rounds.frames, rounds.commits, strict=True)],
            ),
            beside=f"{1 / p50(rounds.commits):,.0f} rows/s; held is said once it is on the disk",
        ),
        Figure(
            key="record_to_bridge_trip",
            name="the same / bare TLS round trip, one under way",
            value=ratio_of_rounds(rounds.held, rounds.round_trips),
            goal=HELD_GOAL,
            beside=f"{1 / held:,.0f} records/s, {1 / trips:,.0f} round trips/s",
        ),
        Figure(
            key="bridge_idle",
            name="resident memory of an idle bridge",
            value=rounds.idle.resident,
            unit="MB",
            goal=IDLE_GOAL_MB,
            beside=f"{rounds.shared_mb:.1f} MB of it are files, which a hub beside it shares; "
            f"proportional: {rounds.idle.proportional:.1f} MB",
        ),
        Figure(
            key="bridge_imports",
            name="resident memory of a bare import of the bridge's libraries",
            value=rounds.imports.resident,
            unit="MB",
            beside="asyncio, two OpenSSLs, SQLite, CBOR, the file's reader; nothing of the bridge",
        ),
        Figure(
            key="bridge_crowd",
            name=f"resident memory of a bridge with {HUBS} hubs and {rounds.rows:,} credentials",
            value=rounds.crowd_mb,
            unit="MB",
            goal=CROWD_GOAL_MB,
            beside=f"as many revocations; {RECORDS_EACH} records of each; all have the offer",
        ),
    ]
