"""From releases that the backend ordered to the rows of the table. Pure."""

from __future__ import annotations

from benchmarks.remote import RemoteRounds
from benchmarks.stats import p50, p99, ratio_of_rounds
from benchmarks.table import Cause, Figure

REMOTE_GOAL = 3.0


def remote_figures(rounds: RemoteRounds) -> list[Figure]:
    """Return the rows of a release from afar."""
    whole_ms = p50(rounds.whole) * 1e3
    slow_ms = p99(rounds.whole) * 1e3
    trip_ms = p50(rounds.trip) * 1e3
    bounds = [trip + commit for trip, commit in zip(rounds.trip, rounds.commit, strict=True)]
    bound_ms = p50(bounds) * 1e3
    return [
        Figure(
            key="remote_strike_p50",
            name="release ordered by the backend → strike driven, p50 / bare CURVE round trip",
            value=ratio_of_rounds(rounds.whole, rounds.trip),
            goal=REMOTE_GOAL,
            beside=f"{whole_ms:.2f} ms / {trip_ms:.2f} ms; p99 {slow_ms:.1f} ms; each alone",
        ),
        Figure(
            key="remote_strike_bound",
            name="the same / bare CURVE round trip + one bare commit",
            value=ratio_of_rounds(rounds.whole, bounds),
            beside=f"{whole_ms:.2f} ms / {bound_ms:.2f} ms; it is recorded before it moves",
        ),
    ]


def remote_causes(rounds: RemoteRounds) -> list[Cause]:
    """Return where the time from the order to the strike goes."""
    seconds = {
        "whole": p50(rounds.whole),
        "backend's call → the hub's use case (measured)": p50(rounds.to_hub),
        "decided, recorded, decided again → the mover is asked (measured)": p50(rounds.to_mover),
        "of that a bare durable commit (the bound's)": p50(rounds.commit),
        "strike guard: socket, process, line (measured)": p50(rounds.guard),
    }
    microseconds = {part: of_part * 1e6 for part, of_part in seconds.items()}
    return [Cause("Release ordered by the backend → strike driven", microseconds)]
