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

from hubcore.checks import CHECK_OF_PART, CHECKS, Problem, Severity, Topic
from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.phone.certificates import DAY_SECONDS

AT_EVERY_START = frozenset({Topic.EPOCH})
"""What stands for a moment at every start."""
OF_PARTS = frozenset(CHECKS[check].topic for check in CHECK_OF_PART.values())
QUIET_BEGINNINGS = AT_EVERY_START | OF_PARTS


@dataclass(frozen=True, slots=True)
class _Day:
    """The day for which the journal has enough of a problem; `began` in monotonic seconds."""

    severity: Severity
    began: float

    def covers(self, problem: Problem, now: float) -> bool:
        """Tell whether the day is not over and the problem is as grave as it was."""
        if problem.severity is not self.severity:
            return False
        return now - self.began < DAY_SECONDS


class ProblemJournal:
    """Call `write` each time after the problems were looked at."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._days: dict[Topic, _Day] = {}
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
            self._write_end(topic)
        for problem in standing.values():
            if self._is_due(problem, now):
                self._write_standing(problem)

    def _is_due(self, problem: Problem, now: float) -> bool:
        topic = problem.id
        day = self._days.get(topic)
        if day is not None and day.covers(problem, now):
            return False
        self._days[topic] = _Day(problem.severity, now)
        begins = day is None
        return not (begins and topic in QUIET_BEGINNINGS)

    def _write_end(self, topic: Topic) -> None:
        self._written.remove(topic)
        facts: Detail = {Fact.PROBLEM: str(topic), Fact.STANDS: False}
        self._tell(EventName.PROBLEM, facts)

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
