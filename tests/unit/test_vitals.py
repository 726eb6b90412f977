"""Flat or not: what a soak says of a measure."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "hardware-sim"))

from lab.vitals import slope, trend

CHANCE = random.Random(7)
MINUTES = range(60)


def test_a_leak_is_seen_through_noise() -> None:
    leaking = [(60.0 * minute, 50_000 + 100 * minute + CHANCE.uniform(-300, 300)) for minute in MINUTES]
    assert trend(leaking).an_hour == pytest.approx(6000, rel=0.1)


def test_one_odd_sample_is_no_leak() -> None:
    flat = [(60.0 * minute, 50_000.0) for minute in MINUTES]
    flat[-1] = (flat[-1][0], 90_000.0)
    assert trend(flat).an_hour == 0
    assert trend(flat).last == 90_000


def test_a_step_in_mid_run_does_not_hide() -> None:
    stepped = [(60.0 * minute, 50_000.0 + (5_000 if minute >= 30 else 0)) for minute in MINUTES]
    assert slope(stepped) > 0


def test_one_sample_has_no_slope() -> None:
    assert slope([(1.0, 2.0)]) == 0
    assert slope([(1.0, 2.0), (1.0, 5.0)]) == 0
