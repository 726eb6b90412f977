"""How the daemon is: counters, standing problems, the heartbeats of its critical loops, and whether
it is ready.

Laws: `alive` is true only while every critical loop has beaten within its own deadline, so that one
stuck loop is enough to have the daemon restarted; a problem stands under its topic until it is
cleared by the same topic; only rows of the table of checks can stand; counters have a ceiling, for
a stranger may provoke them. Nothing here waits but `wait_ready`, and nothing raises for a name that
came from outside: names are the program's own words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from hubcore.ports.clock import Clock
from hubd.upkeep.checks import Problem, Severity, Topic

COUNTERS_MAX = 256
"""Distinct names; what comes beyond is counted under COUNTERS_OVERFLOW."""
COUNTERS_OVERFLOW = "other"


class Health:
    """The one place that knows how the daemon is.

    `deadlines` names each critical loop with the greatest seconds between two of its beats; its
    time starts at construction. `parts` names what must be up before the daemon calls itself ready.
    """

    def __init__(self, clock: Clock, deadlines: Mapping[str, float], parts: Iterable[str]) -> None:
        self._clock = clock
        self._deadlines = dict(deadlines)
        self._beats = dict.fromkeys(self._deadlines, clock.monotonic())
        self._parts = dict.fromkeys(parts, False)
        self._counters: dict[str, int] = {}
        self._problems: dict[Topic, Problem] = {}
        self._since = clock.wall()
        self._ready_once = asyncio.Event()
        if not self._parts:
            self._ready_once.set()

    def count(self, name: str, times: int = 1) -> None:
        """Add to a counter."""
        known = name in self._counters or len(self._counters) < COUNTERS_MAX
        key = name if known else COUNTERS_OVERFLOW
        self._counters[key] = self._counters.get(key, 0) + times

    def counters(self) -> dict[str, int]:
        """Return the counters, sorted by name."""
        return dict(sorted(self._counters.items()))

    def set(self, problem: Problem) -> None:
        """Let a problem stand, in place of the one of the same topic."""
        self._problems[problem.id] = problem

    def clear(self, topic: Topic) -> None:
        """End a problem. Clearing one that does not stand does nothing."""
        self._problems.pop(topic, None)

    def problems(self) -> tuple[Problem, ...]:
        """Return what stands now, errors first, then by id."""
        return tuple(
            sorted(self._problems.values(), key=lambda p: (p.severity is not Severity.ERROR, p.id))
        )

    def beat(self, loop: str) -> None:
        """Say that the critical loop of that name has come round.

        Raise KeyError for a name not in `deadlines`.
        """
        if loop not in self._beats:
            raise KeyError(f"no critical loop is called {loop!r}")
        self._beats[loop] = self._clock.monotonic()

    def late(self) -> tuple[str, ...]:
        """Return the critical loops that have not beaten within their deadline."""
        now = self._clock.monotonic()
        return tuple(
            name for name, seconds in self._deadlines.items() if now - self._beats[name] > seconds
        )

    def alive(self) -> bool:
        """Tell whether every critical loop has beaten within its deadline: the one reason to feed
        the watchdog.
        """
        return not self.late()

    def part(self, name: str, up: bool) -> None:
        """Say that a part is up or down. Raise KeyError for a name not in `parts`."""
        if name not in self._parts:
            raise KeyError(f"no part is called {name!r}")
        before = self.ready()
        self._parts[name] = up
        if self.ready() != before:
            self._since = self._clock.wall()
        if self.ready():
            self._ready_once.set()

    def ready(self) -> bool:
        """Tell whether every part is up now."""
        return all(self._parts.values())

    def missing(self) -> tuple[str, ...]:
        """Return the parts that are down."""
        return tuple(name for name, up in self._parts.items() if not up)

    async def wait_ready(self) -> None:
        """Return once every part has been up at the same time; a part that goes down later does not
        take it back.
        """
        await self._ready_once.wait()

    def snapshot(self) -> dict[str, object]:
        """Return the health's share of `hubctl status`; `since` is the Unix time at which `ready`
        last changed.
        """
        return {
            "ready": self.ready(),
            "since": self._since,
            "missing": list(self.missing()),
            "late": list(self.late()),
            "problems": [
                {"id": str(p.id), "severity": str(p.severity), "what": p.what, "remedy": p.remedy}
                for p in self.problems()
            ],
            "counters": self.counters(),
        }
