"""Orders and Halts in any order of events, over links that come and go: none is begun after a Halt
that came later.

Oracle: what the backend has said on a link that was up. An order that was heard before a Halt and
not begun by then never is, not even after a Welcome; while the Halt stands none is.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from hubcore.backend.uplink import from_backend
from hubcore.backend.uplink.from_hub import Result
from hubcore.backend.uplink.words import ReleaseOutcome
from hubcore.device.command import Verb
from tests.fuzz.common import effort
from tests.unit.test_sync import HALT, Site, site

REACHED: Counter[str] = Counter()
EVENTS = (
    "release",
    "release",
    "act",
    "halt",
    "disconnect",
    "connect",
    "welcome",
    "accept",
    "done",
    "rest",
)


class Told:
    """What the backend has said, and what of it may be done."""

    def __init__(self, here: Site) -> None:
        self._here = here
        self._asked = 0
        self._up = self._halted = False
        self._may = set[bytes]()

    async def happens(self, event: str) -> None:
        """Let it happen, and check what was begun by then."""
        match event:
            case "release":
                self._order()
            case "act":
                self._act()
            case "halt":
                self._here.hear(HALT)
                self._halted = self._halted or self._up
                if self._up:
                    REACHED["orders that a Halt overtook"] += len(self._may)
                    self._may.clear()
            case "disconnect":
                self._here.sync.disconnected("gone")
                self._up = False
            case "connect" if not self._up:
                self._here.sync.connected()
                self._up = True
            case "welcome":
                self._here.welcome()
                self._halted = self._halted and not self._up
            case "accept":
                self._here.hear(from_backend.NewPolicy(b"good"))
            case "done":
                self._here.results.put_nowait(Result(bytes(16), ReleaseOutcome.RELEASED, ""))
            case "rest":
                for _ in range(20):
                    await asyncio.sleep(0)
        self._check()

    def _order(self) -> None:
        self._asked += 1
        order = from_backend.Release(
            self._asked.to_bytes(16, "big"), 1, 2_000_000_000, None, "operator"
        )
        self._here.hear(order)
        if not self._halted:
            self._may.add(order.id)

    def _act(self) -> None:
        self._asked += 1
        id_ = self._asked.to_bytes(16, "big")
        self._here.hear(from_backend.Act(id_, "operator", "light", Verb.ON, None, 2_000_000_000))
        if not self._halted:
            self._may.add(id_)

    def _check(self) -> None:
        while not self._here.begun.empty():
            begun = self._here.begun.get_nowait()
            assert begun.id in self._may, "begun after a Halt"
            self._may.remove(begun.id)
            REACHED["begun"] += 1


async def run(events: Sequence[str], in_flight: int) -> None:
    async with site(releases_in_flight=in_flight, halt_again_seconds=0) as here:
        told = Told(here)
        for event in ("connect", "welcome", "rest", *events, *["done", "rest"] * 10):
            await told.happens(event)


LOST = ["release", "rest", "release", "halt", "disconnect", "done", "rest"]
BACK = ["release", "rest", "release", "halt", "disconnect", "connect", "done", "rest"]
WELCOME = ["release", "rest", "release", "halt", "welcome", "done", "rest"]


@effort(300)
@given(st.lists(st.sampled_from(EVENTS), max_size=25), st.integers(1, 2))
@example(LOST, 1)
@example(BACK, 1)
@example(WELCOME, 1)
def _try(events: list[str], in_flight: int) -> None:
    asyncio.run(run(events, in_flight))


def test_no_order_is_begun_after_a_halt_that_came_later() -> None:
    _try()
    assert min(REACHED["begun"], REACHED["orders that a Halt overtook"]) >= 10, REACHED
