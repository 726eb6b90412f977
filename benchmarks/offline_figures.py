"""From a hub that was offline for long to the rows of the table. Pure."""

from __future__ import annotations

from benchmarks.offline import LISTED, OfflineRounds
from benchmarks.stats import p50, p99
from benchmarks.table import Figure

FLAT_START_GOAL = 1.2
"""A start reads the newest records alone."""
FLAT_MEMORY_GOAL_MB = 8.0
GROWN_GOAL_MB = 8.0
UNLOCK_GOAL = 2.0
"""Beside a drain as fast as the hub can: two processes more want the cores."""


def offline_figures(rounds: OfflineRounds) -> list[Figure]:
    """Return the rows of the start, the memory, the drain, and the unlocks meanwhile."""
    return [*_start_figures(rounds), *_drain_figures(rounds)]


def _start_figures(rounds: OfflineRounds) -> list[Figure]:
    of = f"a log of {rounds.length:,} records"
    return [
        Figure(
            key="offline_start",
            name=f"from exec to advertising with {of} / with a short log",
            value=rounds.long_start / rounds.short_start,
            goal=FLAT_START_GOAL,
            beside=f"{rounds.long_start:.2f} s / {rounds.short_start:.2f} s; "
            f"{rounds.first_start:.1f} s where all of them came without a start between",
        ),
        Figure(
            key="offline_memory",
            name="resident memory of the idle hub with it, more than with a short log",
            value=rounds.long_mb - rounds.short_mb,
            unit="MB",
            goal=FLAT_MEMORY_GOAL_MB,
            beside=f"{rounds.long_mb:.1f} MB / {rounds.short_mb:.1f} MB",
        ),
        Figure(
            key="offline_list",
            name=f"listing its newest {LISTED}",
            value=rounds.list_newest * 1e3,
            unit="ms",
        ),
        Figure(
            key="offline_verify",
            name="verifying it, per million records",
            value=rounds.verify * 1_000_000 / rounds.length,
            unit="s",
            beside=f"{rounds.verify:.0f} s in all",
        ),
    ]


def _drain_figures(rounds: OfflineRounds) -> list[Figure]:
    quiet = p50(rounds.quiet)
    draining = p50(rounds.draining)
    grown = max(rounds.draining_mb) - rounds.long_mb
    return [
        Figure(
            key="offline_drain",
            name=f"{rounds.waiting:,} records go up",
            value=rounds.drained / rounds.drain_seconds,
            unit="/s",
            beside=f"{rounds.drained:,} in {rounds.drain_seconds:.0f} s; real processes, "
            f"with unlocks; {rounds.resends} times sent again",
        ),
        Figure(
            key="offline_lost",
            name="of these lost or changed at the backend, or there and not the hub's",
            value=rounds.lost + rounds.strange,
            goal=0.0,
            beside="each once, in the chain's order: the backend takes no other",
        ),
        Figure(
            key="offline_unlock",
            name="last byte of an unlock → strike driven while they go up / before, p50",
            value=draining / quiet,
            goal=UNLOCK_GOAL,
            beside=f"{draining * 1e3:.1f} ms / {quiet * 1e3:.1f} ms; p99 "
            f"{p99(rounds.draining) * 1e3:.0f} ms / {p99(rounds.quiet) * 1e3:.0f} ms; "
            f"{len(rounds.draining)} / {len(rounds.quiet)} unlocks, short path",
        ),
        Figure(
            key="offline_grown",
            name="resident memory of the hub while they go up, more than before",
            value=grown,
            unit="MB",
            goal=GROWN_GOAL_MB,
            beside=f"at most {max(rounds.draining_mb):.1f} MB",
        ),
    ]
