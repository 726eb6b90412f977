"""From the lab's rounds, and from what its long runs kept, to the rows of the table. Pure.

Law: what was not measured has no row; what was measured too seldom is named as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.lab import LabRounds
from benchmarks.stats import p50, p99
from benchmarks.table import Figure
from lab.flat import SAMPLES_MIN

READY_GOAL_SECONDS = 25.0
RECOVERY_GOAL_SECONDS = 5.0
STRANGERS_GOAL = 3.0
LAST_BYTE = "lab: last byte of the request at the hub's radio → strike's line"


def lab_figures(rounds: LabRounds) -> list[Figure]:
    """Return the rows of the measured rounds."""
    rows: list[Figure] = []
    if rounds.ready:
        title = "lab: from the kernel's start to a hub that is READY and on air, longest"
        beside = f"median {p50(rounds.ready):.2f} s; {len(rounds.ready)} boots"
        rows.append(
            Figure(
                key="lab_ready",
                name=title,
                value=max(rounds.ready),
                unit="s",
                goal=READY_GOAL_SECONDS,
                beside=beside,
            )
        )
    for kind, seconds in rounds.connected.items():
        rows += _both(
            f"lab_connect_{_key(kind)}",
            f"lab: connected → verdict, {kind}",
            seconds,
            "an event each 15 ms",
        )
    rows += _both(
        "lab_echo",
        "lab: ATT echo (read of the service's declaration, BlueZ alone)",
        rounds.echo,
        "",
    )
    rows += _both("lab_info", "lab: read of INFO (BlueZ, D-Bus, hubd and back)", rounds.info, "")
    for path, seconds in rounds.strike.items():
        rows += _both(f"lab_strike_{path}", f"{LAST_BYTE}, {path} path", seconds, "")
        for name, of in (("echo", rounds.echo), ("info", rounds.info)):
            beside = f"{p50(seconds) * 1e3:.2f} ms / {p50(of) * 1e3:.2f} ms"
            title = {"echo": "the ATT echo", "info": "the read of INFO"}[name]
            ratio = p50(seconds) / p50(of)
            rows.append(
                Figure(
                    key=f"lab_strike_{path}_{name}",
                    name=f"the same / {title}, p50",
                    value=ratio,
                    beside=beside,
                )
            )
    for name, seconds in rounds.recovery.items():
        beside = f"median {p50(seconds):.2f} s; until a phone is let in; {len(seconds)} times"
        title = f"lab: {name}, longest"
        rows.append(
            Figure(
                key=f"lab_back_{_key(name)}",
                name=title,
                value=max(seconds),
                unit="s",
                goal=RECOVERY_GOAL_SECONDS,
                beside=beside,
            )
        )
    return rows


def soak_figures(kept: Mapping[str, Any]) -> list[Figure]:
    """Return the rows of `lab-soak.json`."""
    rows: list[Figure] = []
    if "strangers" in kept:
        said = kept["strangers"]
        quiet, beset = (said[one]["ms, p50 and p99"]["whole"][1] for one in ("quiet", "beset"))
        beside = f"{beset:,} ms / {quiet:,} ms; {said['unlocks']} unlocks each"
        beside += f"; {said['beset']['came again']} first connections were lost and tried again"
        if lost := said["beset"].get("lost when connected", 0):
            beside += f", {lost} links when bluetoothd died"
        name = "lab: touch → verdict beside eight strangers / quiet, p99"
        rows.append(
            Figure(
                key="lab_strangers",
                name=name,
                value=said["p99 beset / p99 quiet"],
                unit="",
                goal=STRANGERS_GOAL,
                beside=beside,
            )
        )
    if "idle" in kept:
        said = kept["idle"]
        share = said["share of a core"]["hubd"]
        beside = f"bluetoothd {said['share of a core']['bluetoothd']:.3%}"
        title = f"lab: CPU of hubd, idle for {said['seconds'] / 60:.0f} min"
        rows.append(
            Figure(
                key="lab_idle_cpu",
                name=title,
                value=share * 100,
                unit="%",
                goal=None,
                beside=beside,
            )
        )
        rss, pss = said["memory"]["hubd"]
        guard = said["memory"]["guard"][0]
        beside = f"proportional {pss * 1.024e-3:.1f} MB; the strike guard {guard * 1.024e-3:.1f} MB"
        rows.append(
            Figure(
                key="lab_idle_memory",
                name="lab: resident memory of idle hubd",
                value=rss * 1.024e-3,
                unit="MB",
                goal=None,
                beside=beside,
            )
        )
    if "cycles" in kept:
        said = kept["cycles"]
        was, now = said["descriptors"]["hubd"]
        beside = f"bluetoothd {said['grown KiB']['bluetoothd']} KiB; descriptors {was} → {now}"
        title = f"lab: growth of hubd over {said['cycles']} visits"
        rows.append(
            Figure(
                key="lab_cycles",
                name=title,
                value=said["grown KiB"]["hubd"],
                unit="KiB",
                goal=None,
                beside=beside,
            )
        )
    if "soak" in kept:
        rows += _soak(kept["soak"])
    if lives := [life for name, life in kept.items() if name.startswith("power cuts")]:
        cuts, unlocks, strikes, records, wrong = (
            sum(life[what] for life in lives)
            for what in ("cuts", "unlocks", "strikes seen", "records", "wrong")
        )
        beside = (
            f"{cuts} cuts in {len(lives)} lives; {unlocks:,} unlocks, {strikes:,} "
            f"strikes seen, {records:,} records"
        )
        name = "lab: lost, broken or unrecorded after power cuts"
        rows.append(
            Figure(
                key="lab_cuts",
                name=name,
                value=wrong,
                unit="",
                goal=0,
                beside=beside,
            )
        )
    return rows


def _soak(said: Mapping[str, Any]) -> list[Figure]:
    minutes = said["seconds"] / 60
    counts = said["counts"]
    unlocks = counts.get("unlocked, full", 0) + counts.get("unlocked, short", 0)
    rows = []
    unjudged = []
    for name, of in said["trends"].items():
        memory = of["rss_kib"]
        if memory["samples"] < SAMPLES_MIN:
            unjudged.append(f"growth of {name} is not known (looks in a life: {memory['samples']})")
            continue
        beside = (
            f"{memory['first']:,.0f} → {memory['last']:,.0f} KiB; descriptors "
            f"{of['descriptors']['first']:.0f} → "
        )
        beside += f"{of['descriptors']['last']:.0f}"
        if memory.get("late_samples", 0) >= SAMPLES_MIN:
            beside += f"; in the last third {memory['late_an_hour']:,.0f} KiB an hour"
        title = f"lab: growth of {name} an hour, over a soak of {minutes:.0f} min"
        rows.append(
            Figure(
                key=f"lab_soak_{name}",
                name=title,
                value=memory["an_hour"],
                unit="KiB",
                goal=None,
                beside=beside,
            )
        )
    share = said["share of a core, hubd"] * 100
    beside = f"{unlocks:,} unlocks, {said['records']:,} records, {len(said['wrong'])} wrong; "
    beside = "; ".join(
        [f"{beside}bluetoothd died by itself {counts.get('bluetoothd died', 0)} times", *unjudged]
    )
    rows.append(
        Figure(
            key="lab_soak_cpu",
            name=f"lab: CPU of hubd, over a soak of {minutes:.0f} min",
            value=share,
            unit="%",
            goal=None,
            beside=beside,
        )
    )
    return rows


def _both(
    key: str,
    name: str,
    seconds: Sequence[float],
    beside: str,
) -> list[Figure]:
    shown = f"p99 {p99(seconds) * 1e3:.3g} ms" + (f"; {beside}" if beside else "")
    return [
        Figure(
            key=f"{key}_p50",
            name=f"{name}, p50",
            value=p50(seconds) * 1e3,
            unit="ms",
            goal=None,
            beside=shown,
        )
    ]


def _key(name: str) -> str:
    return "_".join("".join(letter if letter.isalnum() else " " for letter in name.lower()).split())
