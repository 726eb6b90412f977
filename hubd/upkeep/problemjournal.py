"""Which standing problems the journal has, and when it gets them again.

Laws:
1. The journal has each problem when it begins, when its severity changes, when it ends, and once a
   day meanwhile.
2. It has the beginning of a part's problem once, as the part's own event.
3. What stands for a moment at every start is in the journal only after it has stood for a day.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.phone.certificates import DAY_SECONDS
from hubd.upkeep.checks import CHECK_OF_PART, CHECKS, Problem, Severity, Topic

AT_EVERY_START = frozenset({Topic.EPOCH})
"""What stands for a moment at every start."""
OF_PARTS = frozenset(CHECKS[check].topic for check in CHECK_OF_PART.values())


@dataclass(frozen=True, slots=True)
class _Counted:
    """Since when a problem's day runs, in monotonic seconds, and how grave the problem was then."""

    severity: Severity
    since: float


class ProblemJournal:
    """Call `write` each time after the problems were looked at."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._days: dict[Topic, _Counted] = {}
        self._written: set[Topic] = set()
        """The problems whose end the journal must have, since it has them as standing."""

    def restart_day(self, topic: Topic) -> None:
        """Take a problem as one that begins, the next time that it stands."""
        self._days.pop(topic, None)

    def write(self, problems: Iterable[Problem], now: float) -> None:
        """Write what began, changed, ended, or stands for another day; `now` is monotonic."""
        standing = {problem.id: problem for problem in problems}
        for topic in self._days.keys() - standing.keys():
            del self._days[topic]
        for topic in sorted(self._written - standing.keys()):
            self._written.remove(topic)
            self._tell(EventName.PROBLEM, {Fact.PROBLEM: str(topic), Fact.STANDS: False})
        for problem in standing.values():
            if self._is_due(problem, now):
                self._write_standing(problem)

    def _is_due(self, problem: Problem, now: float) -> bool:
        topic = problem.id
        before = self._days.get(topic)
        if before is not None:
            same = before.severity is problem.severity
            if same and now - before.since < DAY_SECONDS:
                return False
        self._days[topic] = _Counted(problem.severity, now)
        return before is not None or topic not in AT_EVERY_START | OF_PARTS

    def _write_standing(self, problem: Problem) -> None:
        self._written.add(problem.id)
        facts: Detail = {
            Fact.PROBLEM: str(problem.id),
            Fact.STANDS: True,
            Fact.SEVERITY: str(problem.severity),
            Fact.WHAT: problem.what,
            Fact.REMEDY: problem.remedy,
        }
        self._tell(EventName.PROBLEM, facts)
