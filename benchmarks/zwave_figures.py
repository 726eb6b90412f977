"""From measured rounds of Z-Wave to the rows of the table. Pure."""

from __future__ import annotations

from benchmarks.stats import p50, p99, ratio_of_rounds
from benchmarks.table import Figure
from benchmarks.zwave import DEAD, DEVICES, TRAVEL_SECONDS, ZwaveRounds

OVERHEAD_GOAL_MS = 10.0
DEAD_GOAL = 1.2


def zwave_figures(rounds: ZwaveRounds | None) -> list[Figure]:
    """Return the rows; none where the Z-Wave service is not installed."""
    if rounds is None:
        return []
    return [*_of_lock(rounds), *_of_devices(rounds)]


def _of_lock(rounds: ZwaveRounds) -> list[Figure]:
    travel = f"the mock's bolt travels for {TRAVEL_SECONDS:g} s; the bare client"
    overheads = [ours - bare for ours, bare in zip(rounds.confirmed, rounds.bare, strict=True)]
    return [
        Figure(
            key="zwave_confirmed_p50",
            name="Z-Wave lock: command accepted → CONFIRMED, p50",
            value=p50(rounds.confirmed) * 1e3,
            unit="ms",
            beside=f"{travel} {p50(rounds.bare) * 1e3:,.0f} ms",
        ),
        Figure(
            key="zwave_confirmed_p99",
            name="Z-Wave lock: command accepted → CONFIRMED, p99",
            value=p99(rounds.confirmed) * 1e3,
            unit="ms",
            beside=f"{travel} {p99(rounds.bare) * 1e3:,.0f} ms",
        ),
        Figure(
            key="zwave_overhead",
            name="Z-Wave lock: hubd's command less the bare client's call, p50 of pairs in turns",
            value=p50(overheads) * 1e3,
            unit="ms",
            goal=OVERHEAD_GOAL_MS,
            beside="both wait for the lock's own report",
        ),
    ]


def _of_devices(rounds: ZwaveRounds) -> list[Figure]:
    with_ms = p50(rounds.start_with) * 1e3
    without_ms = p50(rounds.start) * 1e3
    return [
        Figure(
            key="devices_dead",
            name=f"{DEVICES} devices, {DEAD} of them dead: p99 of the others / none dead",
            value=ratio_of_rounds(rounds.some_dead, rounds.none_dead),
            goal=DEAD_GOAL,
            beside=f"{p50(rounds.some_dead) * 1e3:.1f} ms / {p50(rounds.none_dead) * 1e3:.1f} ms; "
            "all commanded at once, on drivers without a wire",
        ),
        Figure(
            key="devices_memory",
            name="memory of 100 Z-Wave devices in hubd",
            value=rounds.bytes_per_100 / 1e3,
            unit="kB",
            beside="what the service says of their nodes not counted",
        ),
        Figure(
            key="zwave_start",
            name="start of hubd's code with the Z-Wave client / without",
            value=with_ms / without_ms,
            beside=f"{with_ms:,.0f} ms / {without_ms:,.0f} ms; imports alone",
        ),
    ]
