"""Schedules of the policy in force that were read before, so that a door need not read them again.

Laws:
1. It holds at most SCHEDULES_MAX schedules, and in all at most RULES_MAX rules and special days.
2. It is emptied with each new snapshot of the policy.
"""

from __future__ import annotations

from hubcore.calendar.schedule import Schedule

SCHEDULES_MAX = 256
RULES_MAX = 32_768
"""Some 3 MB of rules and days."""


class ScheduleCache:
    """Schedules by number."""

    def __init__(self, schedules_max: int = SCHEDULES_MAX, rules_max: int = RULES_MAX) -> None:
        self._schedules_max = schedules_max
        self._rules_max = rules_max
        self._found: dict[int, Schedule] = {}
        self._rules = 0

    def get(self, number: int) -> Schedule | None:
        """Return a schedule that was put before."""
        return self._found.get(number)

    def put(self, number: int, schedule: Schedule) -> None:
        """Keep a schedule; all others make room for it when there is none."""
        weight = _weight(schedule)
        if weight > self._rules_max:
            return
        is_full = len(self._found) >= self._schedules_max
        if is_full or self._rules + weight > self._rules_max:
            self.clear()
        self._found[number] = schedule
        self._rules += weight

    def clear(self) -> None:
        """Forget all."""
        self._found.clear()
        self._rules = 0

    def __len__(self) -> int:
        return len(self._found)


def _weight(schedule: Schedule) -> int:
    days = sum(len(special.days) for special in schedule.special)
    return 1 + len(schedule.rules) + days
