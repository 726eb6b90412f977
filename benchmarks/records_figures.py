"""From a long log and drained records to the rows of the table. Pure."""

from __future__ import annotations

from benchmarks.records import OPENED, SHORT, RecordsRounds
from benchmarks.stats import p50, ratio_of_rounds
from benchmarks.table import Figure

DRAIN_GOAL = 2.0
"""Half of the bare round trips: a record costs at most two of them."""
OPEN_GOAL = 3.0
"""A long log opens as a short one does, but for the counting of its newest records."""
GROWN_GOAL_MB = 8.0


def records_figures(rounds: RecordsRounds) -> list[Figure]:
    """Return the rows of many records."""
    drained = p50(rounds.drained)
    trip = p50(rounds.round_trip)
    long_ms = p50(rounds.long_open) * 1e3
    short_ms = p50(rounds.short_open) * 1e3
    draining_ms = p50(rounds.append_draining) * 1e3
    alone_ms = p50(rounds.append_alone) * 1e3
    return [
        Figure(
            key="record_to_backend",
            name="record durable on the hub to durable at the backend / bare CURVE round trip",
            value=ratio_of_rounds(rounds.drained, rounds.round_trip),
            goal=DRAIN_GOAL,
            beside=f"{1 / drained:,.0f} records/s, {1 / trip:,.0f} round trips/s",
        ),
        Figure(
            key="append_draining",
            name="a record durable while thousands go up / while none does, p50",
            value=p50(rounds.append_draining) / p50(rounds.append_alone),
            beside=f"{draining_ms:.1f} ms / {alone_ms:.1f} ms",
        ),
        Figure(
            key="long_log_open",
            name=f"opening a log of {rounds.length:,} records / one of {SHORT:,}",
            value=ratio_of_rounds(rounds.long_open, rounds.short_open),
            goal=OPEN_GOAL,
            beside=f"{long_ms:,.0f} ms / {short_ms:,.0f} ms",
        ),
        Figure(
            key="long_log_memory",
            name=f"memory that {OPENED} openings of it leave",
            value=rounds.grown_bytes / 1e6,
            unit="MB",
            goal=GROWN_GOAL_MB,
        ),
        Figure(
            key="long_log_list",
            name="listing its newest 20",
            value=rounds.list_newest * 1e3,
            unit="ms",
        ),
        Figure(
            key="log_verify",
            name="verifying a million records",
            value=rounds.verify_per_million,
            unit="s",
        ),
    ]
