"""`make fuzz` really tries more."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAIN = "tests/unit/test_backendtime.py::test_no_offset_both_agrees_and_is_apart"
"""A property test with the usual 100 examples."""


@pytest.mark.once
@pytest.mark.parametrize("harder", ["0.5", "1", "3"])
def test_a_property_test_tries_so_many_times_as_many_examples(harder: str) -> None:
    more = ("-p", "no:cacheprovider", "--hypothesis-show-statistics")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *more, PLAIN],
        cwd=ROOT,
        env={**os.environ, "HUBD_FUZZ": harder},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    tried = re.search(r"max_examples=(\d+)", ran.stdout)
    assert tried is not None, ran.stdout
    assert int(tried[1]) == 100 * float(harder)
