"""What holds for all tests.

1. What a terminal sends (interrupt, quit, hang-up) works in what they start, even where they
   themselves run in the background or by nohup.
2. Where CI is true, a case that is skipped because something is missing has failed: "passed" means
   that all of it ran.
3. Each property test tries HUBD_FUZZ times as many examples: more in `make fuzz`, fewer in CI and
   on the second Python of `make test-pythons`.
4. No test makes the process of the tests nicer. There is no way back, and all that came after would
   be slow.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
from hypothesis import Phase, is_hypothesis_test, settings

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
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


HARDER = float(os.environ.get("HUBD_FUZZ", "1"))
_SETTINGS = "_hypothesis_internal_use_settings"
"""Where hypothesis keeps a test's settings; a test may be decorated with them only once."""
_BY_THEMSELVES = Path(__file__).parent / "fuzz"
"""These tests try harder by themselves (`tests.fuzz.common`)."""


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Keep law 3."""
    if HARDER == 1:
        return
    for item in items:
        test = getattr(item, "obj", None)
        if not is_hypothesis_test(test) or _BY_THEMSELVES in item.path.parents:
            continue
        test = getattr(test, "__func__", test)
        if getattr(test, "tries_harder", False):  # one function, several items
            continue
        test.tries_harder = True
        given = getattr(test, _SETTINGS, None) or settings.default
        examples = max(1, int(given.max_examples * HARDER))
        setattr(test, _SETTINGS, settings(given, max_examples=examples))


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


@pytest.fixture(scope="session", autouse=True)
def _nicer() -> Generator[list[int]]:
    """Keep law 4."""
    steps: list[int] = []

    def nice(by: int) -> int:
        steps.append(by)
        return sum(steps)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "nice", nice)
        yield steps


@pytest.fixture
def nicer(_nicer: list[int]) -> list[int]:
    """By what this test would have made its process nicer."""
    _nicer.clear()
    return _nicer
