"""From measured rounds to the rows of the table. Pure: the tests give canned rounds.

Law: a percentile of a latency is held against the median of its bound, so a slow bound never makes
a goal easier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.air import AirRounds
from benchmarks.cpu import CpuMedians, CpuRounds
from benchmarks.decisions import DecisionTimes
from benchmarks.disk import WRITERS, DiskRounds
from benchmarks.pulse import PULSE_SECONDS, PulseRounds
from benchmarks.readers import POLL_SECONDS, ReaderRounds
from benchmarks.start import StartRounds
from benchmarks.stats import p50, p99, ratio_of_rounds
from benchmarks.table import Cause, Figure

FULL_CPU_GOAL = 1.15
SHORT_CPU_GOAL = 0.15
P50_GOAL = 1.5
P99_GOAL = 3.0
DECISION_GOAL_US = 300.0
DECISION_AGE_GOAL = 1.1
FULL_BYTES_GOAL = 1250.0
SHORT_BYTES_GOAL = 320.0
PKOC_CPU_GOAL = 0.5
PKOC_BYTES_GOAL = 600.0
TAKEN = "hubd takes the last write: frame, decoding; on the short path its cryptography too"
REST = (
    "the rest: the virtual radio answers the write, hops between threads, decoding, "
    "decision; idle cores wake"
)
START_GOAL_SECONDS = 1.5
HUBCTL_GOAL = 3.0
"""With the round trip."""
MEMORY_GOAL_MB = 60.0
CARD_POLLS_GOAL = 3.0
PULSE_GOAL_MS = 2.0


def cpu_figures(rounds: CpuRounds, plain: CpuMedians | None) -> list[Figure]:
    """Return the rows of CPU; `plain` is what `cpu.measure_without_ifma` found."""
    full = median(rounds.full) / 1e3
    bare = median(rounds.bare) / 1e3
    short = median(rounds.short) / 1e3
    return [
        Figure(
            key="cpu_full",
            name="CPU of one full open / bare RSA-3072 decryption + two signature checks",
            value=ratio_of_rounds(rounds.full, rounds.bare),
            goal=FULL_CPU_GOAL,
            beside=f"{full:,.0f} µs / {bare:,.0f} µs; the grant never seen before",
        ),
        Figure(
            key="cpu_short",
            name="CPU of one short-path open / full open",
            value=ratio_of_rounds(rounds.short, rounds.full),
            goal=SHORT_CPU_GOAL,
            beside=f"{short:,.0f} µs / {full:,.0f} µs",
        ),
        *without_ifma(plain),
        *pkoc_figures(rounds),
    ]


def pkoc_figures(rounds: CpuRounds) -> list[Figure]:
    """Return the rows of phones that others make, beside the full path of the same rounds."""
    if not rounds.pkoc:
        return []
    pkoc = median(rounds.pkoc) / 1e3
    full = median(rounds.full) / 1e3
    return [
        Figure(
            key="cpu_pkoc",
            name="CPU of one PKOC visit / full open",
            value=ratio_of_rounds(rounds.pkoc, rounds.full),
            goal=PKOC_CPU_GOAL,
            beside=f"{pkoc:,.0f} µs / {full:,.0f} µs",
        ),
        Figure(
            key="bytes_pkoc",
            name="bytes over the air, PKOC",
            value=max(rounds.pkoc_bytes),
            unit="B",
            goal=PKOC_BYTES_GOAL,
            beside="with the reader's certificate; from the hello to the answer",
        ),
    ]


def decision_figures(times: DecisionTimes) -> list[Figure]:
    """Return the rows of the decision, and of how it depends on the age of its rules."""
    newest = times.by_year[max(times.by_year)]
    oldest = times.by_year[min(times.by_year)]
    both = [ns / 1e3 for ns in (*newest, *oldest)]
    return [
        Figure(
            key="decision_p99",
            name="decision: 50 recurring schedules, special days, two persons, passback, p99",
            value=p99(both),
            unit="µs",
            goal=DECISION_GOAL_US,
            beside=f"p50 {p50(both):,.0f} µs; CPU of the thread, a policy in its file",
        ),
        Figure(
            key="decision_age",
            name=f"the same, rules of {min(times.by_year)} / of {max(times.by_year)}",
            value=ratio_of_rounds(oldest, newest),
            goal=DECISION_AGE_GOAL,
            beside=f"{p50(oldest) / 1e3:,.0f} µs / {p50(newest) / 1e3:,.0f} µs",
        ),
    ]


def without_ifma(medians: CpuMedians | None) -> list[Figure]:
    """Return the rows of a processor without AVX-512 RSA."""
    if medians is None:
        return []
    bare = medians.bare / 1e3
    full = medians.full / 1e3
    short = medians.short / 1e3
    name = "with OpenSSL's AVX-512 RSA switched off"
    return [
        Figure(
            key="cpu_full_without_ifma",
            name=f"CPU of one full open / bare, {name}",
            value=full / bare,
            beside=f"{full:,.0f} µs / {bare:,.0f} µs",
        ),
        Figure(
            key="cpu_short_without_ifma",
            name=f"CPU of one short-path open / full, {name}",
            value=short / full,
            beside=f"{short:,.0f} µs / {full:,.0f} µs",
        ),
    ]


def cpu_causes(rounds: CpuRounds) -> list[Cause]:
    """Return where CPU goes."""
    return [
        Cause("CPU of the bare cryptography of a full open", _parts(rounds.bare_parts, 1e-3)),
        Cause("CPU of one full open in the hub", _parts(rounds.full_steps, 1e-3)),
        Cause("CPU of one short-path open in the hub", _parts(rounds.short_steps, 1e-3)),
        Cause(
            "CPU of the same code, hot and cold",
            {name: ns * 1e-3 for name, ns in rounds.decoding.items()},
        ),
    ]


def air_figures(rounds: AirRounds) -> list[Figure]:
    """Return the rows of the way from the last byte to the strike, of bytes and of round trips."""
    rows: list[Figure] = []
    for path, latency, crypto in (
        ("full", rounds.full, rounds.crypto_full),
        ("short", rounds.short, rounds.crypto_short),
    ):
        bounds = [a + b for a, b in zip(crypto, rounds.commit, strict=True)]
        bound = p50(bounds)
        rows.append(_strike_figure(path, "p50", p50(latency), bound, P50_GOAL))
        rows.append(_strike_figure(path, "p99", p99(latency), bound, P99_GOAL))
    echo = f"the same radio; p99 {p99(rounds.echo) * 1e3:.2f} ms"
    rows.append(
        Figure(
            key="att_echo_p50",
            name="ATT echo of the same radio, p50",
            value=p50(rounds.echo) * 1e3,
            unit="ms",
            beside=echo,
        )
    )
    return rows + _trips(rounds)


def _strike_figure(
    path: str,
    percentile: str,
    seconds: float,
    bound_seconds: float,
    goal: float,
) -> Figure:
    return Figure(
        key=f"strike_{path}_{percentile}",
        name=f"last byte of the request in → strike driven, {path} path, {percentile} / "
        "bare crypto + one bare commit",
        value=seconds / bound_seconds,
        goal=goal,
        beside=f"{seconds * 1e3:.2f} ms / {bound_seconds * 1e3:.2f} ms",
    )


def _trips(rounds: AirRounds) -> list[Figure]:
    full = rounds.trips["full"]
    short = rounds.trips["short"]
    cold = rounds.trips["cold"]
    counted = (
        "MTU 247; challenge, all frame headers and acknowledgements; up to and with the verdict"
    )
    return [
        Figure(
            key="trips_warm",
            name="application round trips, warm",
            value=max(full.round_trips, short.round_trips),
            goal=1,
        ),
        Figure(
            key="trips_cold",
            name="application round trips, cold",
            value=cold.round_trips,
            goal=2,
        ),
        Figure(
            key="bytes_full",
            name="bytes over the air, full path",
            value=full.bytes_over_air,
            unit="B",
            goal=FULL_BYTES_GOAL,
            beside=counted,
        ),
        Figure(
            key="bytes_short",
            name="bytes over the air, short path",
            value=short.bytes_over_air,
            unit="B",
            goal=SHORT_BYTES_GOAL,
            beside=counted,
        ),
        Figure(
            key="bytes_cold",
            name="bytes over the air, cold (with both certificates)",
            value=cold.bytes_over_air,
            unit="B",
        ),
        Figure(
            key="bytes_state",
            name="bytes over the air of one door state",
            value=rounds.state_bytes,
            unit="B",
        ),
    ]


def air_causes(rounds: AirRounds) -> list[Cause]:
    """Return where the time from the last byte to the strike goes."""
    causes: list[Cause] = []
    for path, latency, crypto in (
        ("full", rounds.full, rounds.crypto_full),
        ("short", rounds.short, rounds.crypto_short),
    ):
        seconds = {
            "whole": p50(latency),
            f"{TAKEN} (measured)": p50(rounds.parts[f"{path}: taken"]),
            "bare cryptography (the bound's)": p50(crypto),
            "bare durable commit (the bound's)": p50(rounds.commit),
            "strike guard: socket, process, line (measured)": p50(rounds.parts[f"{path}: guard"]),
        }
        whole, *parts = seconds.values()
        seconds[REST] = whole - sum(parts)
        microseconds = {part: of_part * 1e6 for part, of_part in seconds.items()}
        causes.append(Cause(f"Last byte in → strike driven, {path} path", microseconds))
    return causes


def start_figures(rounds: StartRounds) -> list[Figure]:
    """Return the rows of start and memory."""
    ready = p50(rounds.ready)
    imports = p50(rounds.imports)
    radio = f"{rounds.virtual_radio:.1f} MB of it are the virtual radio's host stack"
    both = (
        f"hub + strike guards; proportional: {rounds.hub.proportional:.1f} + "
        f"{rounds.guard.proportional:.1f} MB"
    )
    return [
        Figure(
            key="start",
            name="from exec to advertising",
            value=ready,
            unit="s",
            goal=START_GOAL_SECONDS,
            beside="with the reading of all modules",
        ),
        Figure(
            key="start_ratio",
            name="from exec to advertising / bare import of the libraries",
            value=ready / imports,
            beside=f"{ready:.2f} s / {imports:.2f} s",
        ),
        Figure(
            key="hubctl",
            name="`hubctl doors` / `python -c pass`",
            value=ratio_of_rounds(rounds.hubctl, rounds.nothing),
            goal=HUBCTL_GOAL,
            beside=f"{p50(rounds.hubctl) * 1e3:.0f} ms / {p50(rounds.nothing) * 1e3:.0f} ms",
        ),
        Figure(
            key="start_zwave",
            name="from exec to advertising with a Z-Wave device configured / without",
            value=ratio_of_rounds(rounds.with_zwave, rounds.ready),
            beside=f"{p50(rounds.with_zwave):.2f} s / {ready:.2f} s; its service not there",
        ),
        Figure(
            key="memory_hub",
            name="resident memory of the idle hub",
            value=rounds.hub.resident,
            unit="MB",
            goal=MEMORY_GOAL_MB,
            beside=radio,
        ),
        Figure(
            key="memory_hub_real",
            name="the same with the D-Bus client of a real hub's radio in its place",
            value=rounds.hub.resident - rounds.virtual_radio + rounds.real_radio,
            unit="MB",
            beside=f"by the memory that importing each takes; D-Bus {rounds.real_radio:.1f} MB",
        ),
        Figure(
            key="memory_sum",
            name="resident memory of the idle hub with its strike guards",
            value=rounds.hub.resident + rounds.guard.resident,
            unit="MB",
            beside=both,
        ),
        Figure(
            key="memory_bare",
            name="resident memory of a bare import of the libraries",
            value=rounds.bare.resident,
            unit="MB",
        ),
    ]


def disk_figures(rounds: DiskRounds) -> list[Figure]:
    """Return the rows of durable records."""
    sync = 1 / p50(rounds.sync)
    commit = 1 / p50(rounds.commit)
    alone = 1 / p50(rounds.alone)
    together = 1 / p50(rounds.together)
    against = f"{alone / sync:.2f} of the bare syncs, {alone / commit:.2f} of the bare commits"
    return [
        Figure(
            key="records_alone",
            name="durable records, one writer",
            value=alone,
            unit="/s",
            beside=against,
        ),
        Figure(
            key="records_32",
            name=f"durable records, {WRITERS} writers",
            value=together,
            unit="/s",
            beside=f"{together / sync:.2f} of the bare syncs",
        ),
        Figure(
            key="syncs",
            name="bare fdatasync of 4 KiB",
            value=sync,
            unit="/s",
        ),
        Figure(
            key="commits",
            name="bare SQLite commit (WAL, synchronous=FULL)",
            value=commit,
            unit="/s",
        ),
    ]


def _parts(steps: Mapping[str, Sequence[int]], factor: float) -> dict[str, float]:
    return {name: median(values) * factor for name, values in steps.items()}


def pulse_figures(rounds: PulseRounds) -> list[Figure]:
    """Return the row of the pulse that is longer or shorter than asked."""
    errors = [abs(error) * 1e3 for error in rounds.error]
    return [
        Figure(
            key="pulse_error_p99",
            name="a strike's pulse, longer or shorter than asked while every core is busy, p99",
            value=p99(errors),
            unit="ms",
            goal=PULSE_GOAL_MS,
            beside=f"p50 {p50(errors):.2f} ms; of {PULSE_SECONDS * 1e3:.0f} ms",
        ),
    ]


def reader_figures(rounds: ReaderRounds) -> list[Figure]:
    """Return the row of the way from a card at an OSDP reader to the strike."""
    took = p50(rounds.card)
    slow = p99(rounds.card)
    poll_ms = POLL_SECONDS * 1e3
    return [
        Figure(
            key="card_strike_p50",
            name="card at an OSDP reader → strike driven, p50 / one poll of libosdp",
            value=took / POLL_SECONDS,
            goal=CARD_POLLS_GOAL,
            beside=f"{took * 1e3:.0f} ms / {poll_ms:.0f} ms; p99 {slow * 1e3:.0f} ms; simulated",
        ),
    ]
