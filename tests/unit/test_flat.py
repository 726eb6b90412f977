"""Flat or not: what a soak says of a measure, and of whom it can say nothing."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "hardware-sim"))

from lab.flat import SAMPLES_MIN, grown, longest_life, slope, trend, trends, unjudged
from lab.vitals import NAMES, ProcessVitals, Vitals

CHANCE = random.Random(7)
MINUTES = range(60)
PID = {"hubd": 1, "guard": 2, "bluetoothd": 3}


def _look(
    at: float,
    pids: dict[str, int] = PID,
    rss_kib: int = 50_000,
    descriptors: int = 20,
    tasks: int = 9,
) -> Vitals:
    of = {name: ProcessVitals(pids[name], rss_kib, rss_kib, descriptors, 6, 0.0) for name in NAMES}
    return Vitals(at, 0.0, of, links=0, tasks=tasks, on_air=True, records=0, refused=0)


def _hour(rss_kib: Sequence[float]) -> list[Vitals]:
    """A look each minute; all three processes have the same memory."""
    return [_look(60.0 * minute, rss_kib=round(kib)) for minute, kib in enumerate(rss_kib)]


def test_a_leak_is_seen_through_noise() -> None:
    leaking = [
        (60.0 * minute, 50_000 + 100 * minute + CHANCE.uniform(-300, 300)) for minute in MINUTES
    ]
    assert trend(leaking).an_hour == pytest.approx(6000, rel=0.1)


def test_one_odd_sample_is_no_leak() -> None:
    flat = [(60.0 * minute, 50_000.0) for minute in MINUTES]
    flat[-1] = (flat[-1][0], 90_000.0)
    assert trend(flat).an_hour == trend(flat).late_an_hour == 0
    assert trend(flat).last == 90_000


def test_a_step_in_mid_run_does_not_hide() -> None:
    stepped = [(60.0 * minute, 50_000.0 + (5_000 if minute >= 30 else 0)) for minute in MINUTES]
    assert slope(stepped) > 0


def test_one_sample_has_no_slope() -> None:
    assert slope([(1.0, 2.0)]) == 0
    assert slope([(1.0, 2.0), (1.0, 5.0)]) == 0


def test_an_hour_without_growth_is_flat() -> None:
    assert grown(trends(_hour([50_000 + CHANCE.uniform(-20, 20) for _ in MINUTES]))) == []


def test_a_leak_that_begins_late_is_seen_though_the_hour_is_within_its_bound() -> None:
    late = [50_000 + 3.8 * minute + max(0, minute - 40) * 30 for minute in MINUTES]
    told = trends(_hour(late))
    assert told["hubd"]["rss_kib"].an_hour < 1024
    assert [
        fault for fault in grown(told) if fault.startswith("hubd: memory grows in the last third")
    ]


def test_a_small_step_is_no_late_leak() -> None:
    assert grown(trends(_hour([50_000 + (100 if minute >= 50 else 0) for minute in MINUTES]))) == []


@pytest.mark.parametrize("more", [{"descriptors": 21}, {"tasks": 10}])
def test_one_descriptor_or_task_more_in_the_end_is_told(more: dict[str, int]) -> None:
    looks = [*(_look(60.0 * minute) for minute in MINUTES), _look(3600, **more)]
    assert [fault for fault in grown(trends(looks)) if next(iter(more)) in fault]


def test_a_process_is_judged_by_its_longest_life() -> None:
    """The last life may be of one look, and says nothing then."""
    pids = [3] * 4 + [30] * 25 + [31]
    looks = [
        _look(45.0 * n, PID | {"bluetoothd": pid}, rss_kib=6_000 + (100 * n if pid == 30 else 0))
        for n, pid in enumerate(pids)
    ]
    life = longest_life(looks, "bluetoothd")
    assert (len(life), life[-1].at) == (20, 45.0 * 28)
    assert trends(looks)["bluetoothd"]["rss_kib"].an_hour == pytest.approx(8000)
    assert unjudged(trends(looks)) == []


def test_who_never_lived_long_enough_is_named() -> None:
    looks = [_look(45.0 * n, PID | {"bluetoothd": n // SAMPLES_MIN}) for n in range(40)]
    assert unjudged(trends(looks)) == ["bluetoothd"]
