"""From a large policy to the rows of the table. Pure."""

from __future__ import annotations

from benchmarks.policies import PolicyRounds
from benchmarks.stats import p50, p99
from benchmarks.table import Figure

LOOK_UP_GOAL_US = 100.0
POLICY_MEMORY_GOAL_MB = 80.0
CHANGE_GOAL_MS = 50.0
CHANGE_PIECES_GOAL = 100.0
PAUSE_GOAL_MS = 20.0
REVOCATION_GOAL_SECONDS = 1.0


def policy_figures(rounds: PolicyRounds) -> list[Figure]:
    """Return the rows of a policy with many cards and revocations."""
    of = f"{rounds.rows:,} cards and {rounds.rows:,} revocations"
    looks = [ns / 1e3 for ns in (*rounds.card_ns, *rounds.revoked_ns)]
    whole = rounds.whole
    changes = rounds.changes
    change_ms = [change.seconds * 1e3 for change in changes]
    cpu_ms = p50([change.cpu_seconds * 1e3 for change in changes])
    change_bytes = max(change.bytes for change in changes)
    pause = max(one.pause_seconds for one in (whole, *changes))
    whole_pause = max(one.whole_pause_seconds for one in (whole, *changes))
    return [
        Figure(
            key="policy_look_up_p99",
            name=f"look-up of one credential among {of}, p99",
            value=p99(looks),
            unit="µs",
            goal=LOOK_UP_GOAL_US,
            beside=f"card p50 {p50(rounds.card_ns) / 1e3:.0f} µs, revocation (of credential and "
            f"grant) p50 {p50(rounds.revoked_ns) / 1e3:.0f} µs; CPU of the thread",
        ),
        Figure(
            key="policy_memory",
            name="resident memory of the idle hub with them",
            value=rounds.large.resident,
            unit="MB",
            goal=POLICY_MEMORY_GOAL_MB,
            beside=f"with a small policy {rounds.small.resident:.1f} MB",
        ),
        Figure(
            key="policy_start",
            name="from exec to advertising with them / with a small policy",
            value=rounds.start_large / rounds.start_small,
            beside=f"{rounds.start_large:.2f} s / {rounds.start_small:.2f} s",
        ),
        Figure(
            key="policy_row",
            name="apply the whole, per row",
            value=whole.seconds / (2 * rounds.rows) * 1e6,
            unit="µs",
            beside=f"{whole.seconds:.1f} s; {whole.pieces:,} pieces, {whole.bytes / 1e6:.0f} MB",
        ),
        Figure(
            key="policy_change",
            name="apply 100 changes to it",
            value=p50(change_ms),
            unit="ms",
            goal=CHANGE_GOAL_MS,
            beside=f"{change_bytes / 1e6:.1f} MB; root to in force; {cpu_ms:.0f} ms of CPU",
        ),
        Figure(
            key="policy_change_pieces",
            name="pieces of pages that 100 changes move",
            value=max(change.pieces for change in changes),
            goal=CHANGE_PIECES_GOAL,
            beside=f"of {whole.pieces:,}; and {changes[0].index_pieces} of the index",
        ),
        Figure(
            key="policy_revocation",
            name="a revocation: the backend's order → the hub decides by it, the longest",
            value=max(rounds.revocations),
            unit="s",
            goal=REVOCATION_GOAL_SECONDS,
            beside=f"p50 {p50(rounds.revocations) * 1e3:.0f} ms; real processes, a small policy",
        ),
        Figure(
            key="policy_pause",
            name="longest pause of the event loop during either",
            value=pause * 1e3,
            unit="ms",
            goal=PAUSE_GOAL_MS,
            beside=f"while other programs had the cores, too: {whole_pause * 1e3:.1f} ms; "
            f"an idle loop in the same run {rounds.idle_pause_seconds * 1e3:.1f} ms",
        ),
    ]
