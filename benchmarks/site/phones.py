"""Phones without an app of ours, at one hub: a browser's, and one that others make (PKOC).

Law: each stands beside a phone that is measured in the same rounds.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks import cpu, webphone
from benchmarks.figures import pkoc_figures
from benchmarks.stats import p50, ratio_of_rounds
from benchmarks.table import Figure

CPU_ROUNDS = 400


async def measure_phones(folder: Path) -> list[Figure]:
    """Return their rows. Raise RuntimeError for an open that is refused."""
    opens = await webphone.measure(webphone.ROUNDS, folder / "browser")
    rounds = await cpu.measure(folder / "pkoc", CPU_ROUNDS)
    browser = Figure(
        key="webphone",
        name="a phone in a browser, touch → verdict, p50 / the Python phone",
        value=ratio_of_rounds(opens.browser, opens.python),
        goal=webphone.GOAL,
        beside=f"{p50(opens.browser) * 1e3:.0f} ms / {p50(opens.python) * 1e3:.0f} ms; short path, "
        "both read their answers",
    )
    return [browser, *pkoc_figures(rounds)]
