"""From the lab's rounds, and from what its long runs kept, to the rows of the table. Pure.

Law: what was not measured has no row; what was measured too seldom is named as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.lab import RESTARTED, LabRounds
from benchmarks.restarts import shares
from benchmarks.stats import p50, p99
from benchmarks.table import Figure
from hubcore.update.gap import GapStep
from lab.flat import SAMPLES_MIN

READY_GOAL_SECONDS = 25.0
RECOVERY_GOAL_SECONDS = 5.0
HAND_OVER_GOAL_SECONDS = 0.05
UPDATE_RESTART_GOAL_SECONDS = 2.0
STRANGERS_GOAL = 3.0
MB_A_KIB = 1.024e-3
LAST_BYTE = "lab: last byte of the request at the hub's radio → strike's line"


def lab_figures(rounds: LabRounds) -> list[Figure]:
    """Return the rows of the measured rounds."""
    rows = _ready(rounds)
    for kind, seconds in rounds.connected.items():
        key = f"lab_connect_{_key(kind)}"
        rows.append(_p50(key, f"lab: connected → verdict, {kind}", seconds, "an event each 15 ms"))
    echo = "lab: ATT echo (read of the service's declaration, BlueZ alone)"
    rows.append(_p50("lab_echo", echo, rounds.echo))
    rows.append(_p50("lab_info", "lab: read of INFO (BlueZ, D-Bus, hubd and back)", rounds.info))
    for path, seconds in rounds.strike.items():
        key = f"lab_strike_{path}"
        rows.append(_p50(key, f"{LAST_BYTE}, {path} path", seconds))
        rows.append(_ratio(f"{key}_echo", "the ATT echo", seconds, rounds.echo))
        rows.append(_ratio(f"{key}_info", "the read of INFO", seconds, rounds.info))
    rows += _updates(rounds)
    for damage, seconds in rounds.recovery.items():
        rows.append(_recovery(damage, seconds))
    return rows


def _updates(rounds: LabRounds) -> list[Figure]:
    """Return what phones see of an update, by take-over and by restart."""
    rows: list[Figure] = []
    if rounds.requests:
        longest = [max(requests) for requests in rounds.requests]
        usual = p50([span for requests in rounds.requests for span in requests])
        beside = f"median {p50(longest):.3f} s; {p50(longest) / usual:.1f} times the usual answer"
        beside += f" of {usual * 1e3:.1f} ms; {_shares(rounds.steps)}; {len(longest)} times"
        rows.append(
            Figure(
                key="lab_hand_over",
                name="lab: update by take-over, longest request of a connected phone",
                value=max(longest),
                unit="s",
                goal=HAND_OVER_GOAL_SECONDS,
                beside=beside,
            )
        )
    if rounds.recovery.get(RESTARTED):
        rows.append(_restart(rounds))
    return rows


def _restart(rounds: LabRounds) -> Figure:
    """Return what an update by restart costs a phone, and what that is made of."""
    seconds = rounds.recovery[RESTARTED]
    beside = f"median {p50(seconds):.2f} s"
    if rounds.imports:
        times = p50(seconds) / p50(rounds.imports)
        beside += f", {times:.1f} times a bare import of its libraries there"
        beside += f"; {shares(rounds.restarts)}"
    return Figure(
        key="lab_update_restart",
        name="lab: update by restart, until a phone is let in, longest",
        value=max(seconds),
        unit="s",
        goal=UPDATE_RESTART_GOAL_SECONDS,
        beside=f"{beside}; {len(seconds)} times",
    )


def _shares(steps: Sequence[Mapping[GapStep, float]]) -> str:
    """Say which share of the hub's own steps each took, over all changes of hands."""
    whole = sum(sum(one.values()) for one in steps)
    sums = {step: sum(one.get(step, 0.0) for one in steps) for step in list(GapStep)[1:]}
    return ", ".join(f"{step} {seconds / whole:.0%}" for step, seconds in sums.items())


def _ready(rounds: LabRounds) -> list[Figure]:
    if not rounds.ready:
        return []
    figure = Figure(
        key="lab_ready",
        name="lab: from the kernel's start to a hub that is READY and on air, longest",
        value=max(rounds.ready),
        unit="s",
        goal=READY_GOAL_SECONDS,
        beside=f"median {p50(rounds.ready):.2f} s; {len(rounds.ready)} boots",
    )
    return [figure]


def _ratio(key: str, name: str, seconds: Sequence[float], bound: Sequence[float]) -> Figure:
    return Figure(
        key=key,
        name=f"the same / {name}, p50",
        value=p50(seconds) / p50(bound),
        beside=f"{p50(seconds) * 1e3:.2f} ms / {p50(bound) * 1e3:.2f} ms",
    )


def _recovery(damage: str, seconds: Sequence[float]) -> Figure:
    return Figure(
        key=f"lab_back_{_key(damage)}",
        name=f"lab: {damage}, longest",
        value=max(seconds),
        unit="s",
        goal=RECOVERY_GOAL_SECONDS,
        beside=f"median {p50(seconds):.2f} s; until a phone is let in; {len(seconds)} times",
    )


def soak_figures(kept: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of `lab-soak.json`."""
    rows: list[Figure] = []
    if "strangers" in kept:
        rows.append(_strangers(kept["strangers"]))
    if "idle" in kept:
        rows += _idle(kept["idle"])
    if "cycles" in kept:
        rows.append(_cycles(kept["cycles"]))
    if "soak" in kept:
        rows += _soak(kept["soak"])
    lives = [life for name, life in kept.items() if name.startswith("power cuts")]
    if lives:
        rows.append(_power_cuts(lives))
    return rows


def _strangers(run: Mapping[str, Any]) -> Figure:
    quiet = run["quiet"]["ms, p50 and p99"]["whole"][1]
    beset = run["beset"]["ms, p50 and p99"]["whole"][1]
    beside = f"{beset:,} ms / {quiet:,} ms; {run['unlocks']} unlocks each"
    beside += f"; {run['beset']['came again']} first connections were lost and tried again"
    lost = run["beset"].get("lost when connected", 0)
    if lost:
        beside += f", {lost} links when bluetoothd died"
    return Figure(
        key="lab_strangers",
        name="lab: touch → verdict beside eight strangers / quiet, p99",
        value=run["p99 beset / p99 quiet"],
        goal=STRANGERS_GOAL,
        beside=beside,
    )


def _idle(run: Mapping[str, Any]) -> list[Figure]:
    share = run["share of a core"]
    resident, proportional = run["memory"]["hubd"]
    guard = run["memory"]["guard"][0]
    return [
        Figure(
            key="lab_idle_cpu",
            name=f"lab: CPU of hubd, idle for {run['seconds'] / 60:.0f} min",
            value=share["hubd"] * 100,
            unit="%",
            beside=f"bluetoothd {share['bluetoothd']:.3%}",
        ),
        Figure(
            key="lab_idle_memory",
            name="lab: resident memory of idle hubd",
            value=resident * MB_A_KIB,
            unit="MB",
            beside=f"proportional {proportional * MB_A_KIB:.1f} MB; "
            f"the strike guard {guard * MB_A_KIB:.1f} MB",
        ),
    ]


def _cycles(run: Mapping[str, Any]) -> Figure:
    grown = run["grown KiB"]
    before, after = run["descriptors"]["hubd"]
    return Figure(
        key="lab_cycles",
        name=f"lab: growth of hubd over {run['cycles']} visits",
        value=grown["hubd"],
        unit="KiB",
        beside=f"bluetoothd {grown['bluetoothd']} KiB; descriptors {before} → {after}",
    )


def _power_cuts(lives: Sequence[Mapping[str, Any]]) -> Figure:
    def total(what: str) -> int:
        return sum(life[what] for life in lives)

    return Figure(
        key="lab_cuts",
        name="lab: lost, broken or unrecorded after power cuts",
        value=total("wrong"),
        goal=0,
        beside=f"{total('cuts')} cuts in {len(lives)} lives; {total('unlocks'):,} unlocks, "
        f"{total('strikes seen'):,} strikes seen, {total('records'):,} records",
    )


def _soak(run: Mapping[str, Any]) -> list[Figure]:
    minutes = run["seconds"] / 60
    counts = run["counts"]
    unlocks = counts.get("unlocked, full", 0) + counts.get("unlocked, short", 0)
    died = counts.get("bluetoothd died", 0)
    rows = []
    remarks = [
        f"{unlocks:,} unlocks, {run['records']:,} records, {len(run['wrong'])} wrong",
        f"bluetoothd died by itself {died} times",
    ]
    for name, trends in run["trends"].items():
        samples = trends["rss_kib"]["samples"]
        if samples < SAMPLES_MIN:
            remarks.append(f"growth of {name} is not known (looks in a life: {samples})")
        else:
            rows.append(_growth(name, trends, minutes))
    cpu = Figure(
        key="lab_soak_cpu",
        name=f"lab: CPU of hubd, over a soak of {minutes:.0f} min",
        value=run["share of a core, hubd"] * 100,
        unit="%",
        beside="; ".join(remarks),
    )
    return [*rows, cpu]


def _growth(name: str, trends: Mapping[str, Any], minutes: float) -> Figure:
    memory = trends["rss_kib"]
    descriptors = trends["descriptors"]
    beside = f"{memory['first']:,.0f} → {memory['last']:,.0f} KiB"
    beside += f"; descriptors {descriptors['first']:.0f} → {descriptors['last']:.0f}"
    if memory.get("late_samples", 0) >= SAMPLES_MIN:
        beside += f"; in the last third {memory['late_an_hour']:,.0f} KiB an hour"
    return Figure(
        key=f"lab_soak_{name}",
        name=f"lab: growth of {name} an hour, over a soak of {minutes:.0f} min",
        value=memory["an_hour"],
        unit="KiB",
        beside=beside,
    )


def _p50(key: str, name: str, seconds: Sequence[float], beside: str = "") -> Figure:
    shown = f"p99 {p99(seconds) * 1e3:.3g} ms"
    if beside:
        shown += f"; {beside}"
    return Figure(
        key=f"{key}_p50",
        name=f"{name}, p50",
        value=p50(seconds) * 1e3,
        unit="ms",
        beside=shown,
    )


def _key(name: str) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in name.lower())
    return "_".join(words.split())
