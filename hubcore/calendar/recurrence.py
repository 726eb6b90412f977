"""Recurring spans of RFC 5545, in ONVIF's subset: is this minute inside one?

Laws:
1. An answer costs the same, however long ago a rule began: it is arithmetic, never a walk.
2. A rule speaks of the wall clock at the door. It names no time zone.
3. A rule that makes no sense cannot be made. So none can stall whoever asks it.
4. The day on which a rule begins is its first occurrence.
5. A span is half-open and at most SPAN_DAYS_MAX long. It may lead over midnight.
6. A deleted occurrence never holds.

How it works: each pattern tells whether an occurrence begins on a given day. A span that covers
a minute began on its day or at most SPAN_DAYS_MAX days before, so a few days are asked.

Source: RFC 5545 section 3.3.10; ONVIF Schedule Service Specification, section 3 (extended
recurrence). COUNT is no part: whoever makes a rule turns it into `until`.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

MINUTES_A_DAY = 1440
SPAN_DAYS_MAX = 3
INTERVAL_MAX = 1000
DELETED_MAX = 366
DAY_MAX = 47_847
"""2100-12-31, in days since 1970-01-01 (RFC 8943): no rule looks further."""
_EPOCH = date(1970, 1, 1).toordinal()


def day_of(calendar_date: date) -> int:
    """Return the number of days since 1970-01-01 (RFC 8943)."""
    return calendar_date.toordinal() - _EPOCH


def date_of(day: int) -> date:
    """Return the date of a day since 1970-01-01."""
    return date.fromordinal(_EPOCH + day)


@dataclass(frozen=True, slots=True)
class _CalendarDay:
    """A day as the patterns ask for it; `months` counts them from the year 0."""

    year: int
    month: int
    day: int
    weekday: int
    months: int
    days_of_month: int


@lru_cache(1024)
def _calendar_day(day: int) -> _CalendarDay:
    """Return a day since 1970-01-01; a door asks for the same few days again and again."""
    then = date_of(day)
    return _CalendarDay(
        year=then.year,
        month=then.month,
        day=then.day,
        weekday=then.weekday(),
        months=12 * then.year + then.month,
        days_of_month=monthrange(then.year, then.month)[1],
    )


def _monday_before(day: int) -> int:
    return day - (day + 3) % 7  # 1970-01-01 was a Thursday


@dataclass(frozen=True, slots=True)
class Daily:
    """Every `interval` days."""

    def begins(self, first: int, day: int, interval: int) -> bool:
        """Tell whether an occurrence begins on `day`."""
        return (day - first) % interval == 0


@dataclass(frozen=True, slots=True)
class Weekly:
    """On some weekdays of every `interval`th week; weeks begin on Monday (WKST=MO).

    `weekdays`: bit 0 is Monday, bit 6 Sunday.
    """

    weekdays: int

    def __post_init__(self) -> None:
        """Raise ValueError for no weekday or more than seven."""
        if not 1 <= self.weekdays <= 0b1111111:
            raise ValueError(f"weekdays {self.weekdays} are not within 1..127")

    def begins(self, first: int, day: int, interval: int) -> bool:
        """Tell whether an occurrence begins on `day`."""
        weekday = (day + 3) % 7
        weeks = (_monday_before(day) - _monday_before(first)) // 7
        return bool(self.weekdays >> weekday & 1) and weeks % interval == 0


@dataclass(frozen=True, slots=True)
class MonthlyByDay:
    """On days of every `interval`th month; a month without such a day is left out.

    `days`: 1..31 from the month's beginning, -1..-31 from its end.
    """

    days: frozenset[int]

    def __post_init__(self) -> None:
        """Raise ValueError for no day, or one that no month has."""
        if not self.days:
            raise ValueError("a monthly rule names no day")
        for day in self.days:
            if not 1 <= abs(day) <= 31:
                raise ValueError(f"day {day} of a month is not within 1..31 or -1..-31")

    def begins(self, first: int, day: int, interval: int) -> bool:
        """Tell whether an occurrence begins on `day`."""
        then = _calendar_day(day)
        if (then.months - _calendar_day(first).months) % interval:
            return False
        return then.day in self.days or then.day - then.days_of_month - 1 in self.days


@dataclass(frozen=True, slots=True)
class MonthlyByWeekday:
    """On the nth weekdays of every `interval`th month.

    `nth`: (n, weekday) pairs; n is 1..5 from the beginning or -1..-5 from the end, weekday 0 is
    Monday.
    """

    nth: frozenset[tuple[int, int]]

    def __post_init__(self) -> None:
        """Raise ValueError for no pair, or one that no month has."""
        if not self.nth:
            raise ValueError("a monthly rule names no weekday")
        for n, weekday in self.nth:
            if not 1 <= abs(n) <= 5:
                raise ValueError(f"the {n}th weekday of a month is not within 1..5 or -1..-5")
            if not 0 <= weekday <= 6:
                raise ValueError(f"weekday {weekday} is not within 0..6")

    def begins(self, first: int, day: int, interval: int) -> bool:
        """Tell whether an occurrence begins on `day`."""
        then = _calendar_day(day)
        if (then.months - _calendar_day(first).months) % interval:
            return False
        from_beginning = (then.day - 1) // 7 + 1
        from_end = (then.days_of_month - then.day) // 7 + 1
        weekday = then.weekday
        return (from_beginning, weekday) in self.nth or (-from_end, weekday) in self.nth


@dataclass(frozen=True, slots=True)
class Yearly:
    """On the first occurrence's day of some months, every `interval` years.

    `months`: 1..12. A month without that day is left out.
    """

    months: frozenset[int]

    def __post_init__(self) -> None:
        """Raise ValueError for no month, or one that no year has."""
        if not self.months:
            raise ValueError("a yearly rule names no month")
        for month in self.months:
            if not 1 <= month <= 12:
                raise ValueError(f"month {month} is not within 1..12")

    def begins(self, first: int, day: int, interval: int) -> bool:
        """Tell whether an occurrence begins on `day`."""
        began = _calendar_day(first)
        then = _calendar_day(day)
        in_year = (then.year - began.year) % interval == 0
        return in_year and then.month in self.months and then.day == began.day


Pattern = Daily | Weekly | MonthlyByDay | MonthlyByWeekday | Yearly


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A span of `minutes` that begins at `start` on each day of a pattern.

    `first` and `until` are days since 1970-01-01: the first occurrence's, and the last on which
    one may begin (None: without end). `start` is in minutes after midnight. `deleted` are days
    whose occurrence was taken out (EXDATE).
    """

    pattern: Pattern
    first: int
    start: int
    minutes: int
    interval: int = 1
    until: int | None = None
    deleted: frozenset[int] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        """Raise ValueError for a rule that makes no sense.

        A rule whose occurrences are all deleted does: it never holds.
        """
        _check("interval", self.interval, 1, INTERVAL_MAX)
        _check("first day", self.first, 0, DAY_MAX)
        _check("start", self.start, 0, MINUTES_A_DAY - 1)
        _check("minutes", self.minutes, 1, SPAN_DAYS_MAX * MINUTES_A_DAY)
        if self.until is not None:
            _check("until", self.until, self.first, DAY_MAX)
        if len(self.deleted) > DELETED_MAX:
            raise ValueError(f"more than {DELETED_MAX} occurrences are deleted")
        if not self.pattern.begins(self.first, self.first, self.interval):
            raise ValueError("the first day is none on which the rule holds")

    def begins(self, day: int) -> bool:
        """Tell whether an occurrence begins on a day since 1970-01-01."""
        if day < self.first or (self.until is not None and day > self.until):
            return False
        return self.pattern.begins(self.first, day, self.interval) and day not in self.deleted

    def holds(self, day: int, minute: int) -> bool:
        """Tell whether a minute of a day lies in an occurrence, by the wall clock at the door."""
        since_start = minute - self.start
        minutes = self.minutes
        while since_start < minutes:
            if since_start >= 0 and self.begins(day):
                return True
            since_start += MINUTES_A_DAY
            day -= 1
        return False


def _check(what: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{what} {value} is not within {least}..{most}")
