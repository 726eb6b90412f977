"""What holds for all tests.

1. Ctrl-C works in what they start, even where they themselves run in the background.
2. Where CI is true, a case that is skipped because something is missing has failed: "passed" means
   that all of it ran.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator

import pytest
from hypothesis import Phase, settings

signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile(
    "mutants",
    database=None,
    deadline=None,
    derandomize=True,
    max_examples=25,
    phases=(Phase.explicit, Phase.generate),
)

MAY_SKIP = ("only root ", "root reads ", "this machine ", "this BlueZ ")
"""How reasons begin that no installation mends: who runs the tests, and on what."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where law 2 wants it."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        _judge(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file that is skipped."""
    report = yield
    if report.skipped:
        _judge(report)
    return report


def _judge(report: pytest.TestReport | pytest.CollectReport) -> None:
    assert isinstance(report.longrepr, tuple)
    reason = str(report.longrepr[2]).removeprefix("Skipped: ")
    if os.environ.get("CI") == "true" and not reason.startswith(MAY_SKIP):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where nothing may be missing: {reason}"
