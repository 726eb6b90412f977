"""What is wrong with the hub now: problems that stand, and parts that are up or down.

Laws:
1. A problem stands as long as its cause does.
2. A part that is down is a problem. Each change of a part is an event in the journal.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass

from hubcore.checks import CHECK_OF_PART, CHECKS, Part, Problem, Topic, problem
from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubd.upkeep.health import Health
from hubd.upkeep.problemjournal import ProblemJournal

READY_PARTS = frozenset({Part.STRIKES})


@dataclass(frozen=True, slots=True)
class _PartState:
    """What a part said last."""

    up: bool
    why: str

    def is_news_after(self, before: _PartState | None) -> bool:
        """Tell whether it went up or down, or is down for another reason."""
        if before is None or before.up is not self.up:
            return True
        return not self.up and before.why != self.why


class StandingProblems:
    """Keeps the standing problems, and tells the journal of them."""

    def __init__(self, health: Health, tell: Tell) -> None:
        self._health = health
        self._tell = tell
        self._journal = ProblemJournal(tell)
        self._parts: dict[Topic, _PartState] = {}
        self._reported: defaultdict[Part, asyncio.Event] = defaultdict(asyncio.Event)

    def part(self, name: Part, up: bool, why: str) -> None:
        """A part came up, or is down; `why` is a sentence."""
        if name in READY_PARTS:
            self._health.part(name, up)
        check = CHECK_OF_PART[name]
        topic = CHECKS[check].topic
        if up:
            self._health.clear(topic)
        else:
            self._health.set(problem(check, why=why or f"{name}: down"))
        state = _PartState(up, why)
        if state.is_news_after(self._parts.get(topic)):
            self._parts[topic] = state
            self._journal.restart_day(topic)
            facts: Detail = {Fact.PART: str(name), Fact.UP: up, Fact.WHY: why}
            self._tell(EventName.PART, facts)
        self._reported[name].set()

    async def reported(self, name: Part) -> None:
        """Return once a part has come up or said why it cannot."""
        await self._reported[name].wait()

    def update(self, topic: Topic, found: Problem | None) -> None:
        """Let a problem stand, or end the one that stands under this topic."""
        if found is None:
            self._health.clear(topic)
        else:
            self._health.set(found)

    def stands(self, topic: Topic) -> bool:
        """Tell whether a problem stands."""
        return any(found.id is topic for found in self._health.problems())

    def cause(self, topic: Topic) -> str | None:
        """Return why a problem stands, None when it does not."""
        for found in self._health.problems():
            if found.id is topic:
                return found.what
        return None

    def write_journal(self, now: float) -> None:
        """Bring the journal up to date with what stands; `now` is monotonic."""
        self._journal.write(self._health.problems(), now)
