"""How the daemon is: counters, standing problems, beats of critical loops, and whether it is ready.

Laws:
1. The daemon is alive while every critical loop has beaten within its own deadline. One stuck loop
   is enough to have it restarted.
2. A problem stands under its topic until the same topic is cleared.
3. Only rows of the table of checks can stand.
4. Counters have a ceiling, since strangers can make them grow.
5. Nothing here waits, except `wait_ready`.
6. Names are the program's own words, never a stranger's. An unknown one is a bug and raises.
7. A problem has stood since its check began to stand under its topic, whatever its words are now.
8. `changed` is called when another list stands than before: another check, or other parts.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from hubcore.checks import Problem, Severity, Standing, Topic
from hubcore.ports.clock import Clock

COUNTERS_MAX = 256
"""Distinct names; what comes beyond is counted under COUNTERS_OVERFLOW."""
COUNTERS_OVERFLOW = "other"


class Health:
    """The one place that knows how the daemon is."""

    def __init__(
        self,
        clock: Clock,
        deadlines: Mapping[str, float],
        parts: Iterable[str],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`deadlines`: each critical loop, with the most seconds between two beats, from now on.

        `parts` must be up before the daemon calls itself ready.
        """
        self._changed = changed
        self._clock = clock
        self._deadlines = dict(deadlines)
        self._beats = dict.fromkeys(self._deadlines, clock.monotonic())
        self._parts = dict.fromkeys(parts, False)
        self._counters: Counter[str] = Counter()
        self._standing: dict[Topic, Standing] = {}
        self._since = clock.wall()
        self._ready_once = asyncio.Event()
        if not self._parts:
            self._ready_once.set()

    def count(self, name: str, times: int = 1) -> None:
        """Add to a counter."""
        is_new = name not in self._counters
        if is_new and len(self._counters) >= COUNTERS_MAX:
            name = COUNTERS_OVERFLOW
        self._counters[name] += times

    def counters(self) -> dict[str, int]:
        """Return the counters, sorted by name."""
        return dict(sorted(self._counters.items()))

    def set(self, problem: Problem) -> None:
        """Let a problem stand, in place of the one of the same topic."""
        before = self._standing.get(problem.id)
        is_same_check = before is not None and before.problem.check is problem.check
        since = before.since if before is not None and is_same_check else self._clock.monotonic()
        self._standing[problem.id] = Standing(problem, since)
        if before is None or not is_same_check or before.problem.parts != problem.parts:
            self._changed()

    def clear(self, topic: Topic) -> None:
        """End a problem. Clearing one that does not stand does nothing."""
        if self._standing.pop(topic, None) is not None:
            self._changed()

    def standing(self) -> tuple[Standing, ...]:
        """Return what stands now and since when, errors first, then by id."""
        by_id = sorted(self._standing.values(), key=lambda one: one.problem.id)
        errors = [one for one in by_id if one.problem.severity is Severity.ERROR]
        warnings = [one for one in by_id if one.problem.severity is not Severity.ERROR]
        return (*errors, *warnings)

    def problems(self) -> tuple[Problem, ...]:
        """Return what stands now, in the same order."""
        return tuple(one.problem for one in self.standing())

    def shown_problems(self) -> list[dict[str, str]]:
        """Return what stands now, as hubctl shows it."""
        return [_shown(problem) for problem in self.problems()]

    def beat(self, loop: str) -> None:
        """A critical loop has come round. Raise KeyError for a name not in `deadlines`."""
        if loop not in self._beats:
            raise KeyError(f"no critical loop is called {loop!r}")
        self._beats[loop] = self._clock.monotonic()

    def late(self) -> tuple[str, ...]:
        """Return the critical loops that have not beaten within their deadline."""
        now = self._clock.monotonic()
        late = []
        for name, deadline_seconds in self._deadlines.items():
            if now - self._beats[name] > deadline_seconds:
                late.append(name)
        return tuple(late)

    def alive(self) -> bool:
        """Tell whether no critical loop is late; only then is the watchdog fed."""
        return not self.late()

    def part(self, name: str, up: bool) -> None:
        """A part is up or down now. Raise KeyError for a name not in `parts`."""
        if name not in self._parts:
            raise KeyError(f"no part is called {name!r}")
        was_ready = self.ready()
        self._parts[name] = up
        if self.ready() != was_ready:
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
        """Return once all parts have been up at the same time, also when one is down again."""
        await self._ready_once.wait()

    def snapshot(self) -> dict[str, object]:
        """Return the health's share of `hubctl status`; `since` is when `ready` last changed."""
        return {
            "ready": self.ready(),
            "since": self._since,
            "missing": list(self.missing()),
            "late": list(self.late()),
            "problems": self.shown_problems(),
            "counters": self.counters(),
        }


def _shown(problem: Problem) -> dict[str, str]:
    return {
        "id": str(problem.id),
        "check": str(problem.check),
        "area": str(problem.area),
        "severity": str(problem.severity),
        "what": problem.what,
        "remedy": problem.remedy,
    }
