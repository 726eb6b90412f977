"""`python -m benchmarks.webphone`: the phone in a browser beside the Python phone, in one run.

Laws:
1. A round is one short open by each of the two, at one hub, in turns. Both live on TXR, with the
   same MTU, and both search for the hub and connect within their time.
2. The browser's time begins with the touch that the page hears and ends when it shows the verdict,
   by the page's own clock. The Python phone's begins with its search and ends with its verdict.
3. An open that did not come to a yes is an error, never a figure.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.stats import p50, percentile, ratio_of_rounds
from hubcore.access.grant import Access
from hubcore.access.once import OP_SECONDS, OPS_AN_ASKER
from hubsim.chromium.browser import Browser
from hubsim.phone import wallet as wallets
from hubsim.phone.attempt import Session
from hubsim.phone.radio import connect, on_air
from hubsim.phone.wallet import Wallet
from hubsim.site import OPEN_AND_QUERY, DeskDoor
from hubsim.stage import Stage
from tests.webphone.server import WebServer
from tests.webphone.visitor import Phone, at_rest, phone

ROUNDS = 12
ROUNDS_MAX = OPS_AN_ASKER - 2
"""Each of the two is one asker, and a hub remembers so many of its operations for OP_SECONDS."""
MTU = 517
GOAL = 1.5
SHOWN = """
document.addEventListener("DOMContentLoaded", () => {
  const answer = document.getElementById("answer");
  document.getElementById("open").addEventListener("click", () => {
    window.touched = performance.now();
  }, {capture: true});
  new MutationObserver(() => {
    if (answer.dataset.kind === "yes") window.shown = performance.now();
  }).observe(answer, {attributes: true, attributeFilter: ["data-kind"]});
});
"""


@dataclass(slots=True)
class Opens:
    """Seconds of each open from the touch to the verdict, round by round."""

    browser: list[float] = field(default_factory=list)
    python: list[float] = field(default_factory=list)


async def measure(rounds: int, folder: Path) -> Opens:
    """Make the rounds. Raise RuntimeError for an open that is refused."""
    door = DeskDoor("front", "Front door", access_point=1, strike_seconds=0.5)
    opens = Opens()
    async with Stage(folder / "site", [door], person=False) as stage, Browser() as browser:
        stage.site.grant("bert", [Access(1, OPEN_AND_QUERY, ())], None)
        bert = wallets.load(stage.site.phone("bert"))
        with WebServer() as server:
            async with phone(browser, server, stage, MTU, before=SHOWN) as anna:
                await anna.enrol()
                await by_browser(anna)
                await by_python(stage, bert)
                for _ in range(rounds):
                    opens.browser.append(await by_browser(anna))
                    opens.python.append(await by_python(stage, bert))
    return opens


async def by_browser(anna: Phone) -> float:
    """Open once; return the seconds from the touch to the verdict on the page."""
    said = await anna.answered()
    if said[1] != "yes":
        raise RuntimeError(f"the browser was not let in: {said}")
    milliseconds: float = await anna.page.run("window.shown - window.touched")
    await at_rest(anna.stage)
    return milliseconds / 1000


async def by_python(stage: Stage, wallet: Wallet) -> float:
    """Open once; return the seconds from the search for the hub to the verdict."""
    async with on_air(stage.transport) as device:
        began = time.monotonic()
        async with connect(device, MTU, subscribe=False) as link:
            report = await Session(link, wallet, pull_only=True).run(1)
            if report.verdict is None or not report.verdict.allowed:
                raise RuntimeError(f"the Python phone was not let in: {report.why}")
            seconds = report.decided - began
    await at_rest(stage)
    return seconds


def shown(opens: Opens) -> str:
    """Return the figures as lines."""
    ratio = ratio_of_rounds(opens.browser, opens.python)
    met = "met" if ratio <= GOAL else "not met"
    lines = [
        f"{name}: p50 {p50(seconds) * 1000:.0f} ms, p90 {percentile(seconds, 90) * 1000:.0f} ms"
        for name, seconds in (("browser", opens.browser), ("Python phone", opens.python))
    ]
    return "\n".join([*lines, f"browser / Python phone: {ratio:.2f}; goal {GOAL}: {met}"])


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.webphone", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    if not 1 <= rounds <= ROUNDS_MAX:
        parser.error(f"1 to {ROUNDS_MAX} rounds: a hub remembers operations for {OP_SECONDS:g} s")
    with tempfile.TemporaryDirectory() as folder:
        print(shown(asyncio.run(measure(rounds, Path(folder)))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
