"""Recurring spans as calendars write them, to the rules of a policy.

A span is `DATE HH:MM-HH:MM RULE`, such as "2026-12-07 08:00-12:00 FREQ=MONTHLY;BYDAY=1MO": the date
on which it first holds, its minutes, and an RRULE of RFC 5545 in the subset that a policy has.

Laws:
1. What a policy cannot say is refused with a sentence, and so is what never holds.
2. A span whose end is not after its beginning ends on the next day.
"""

from __future__ import annotations

import re
from datetime import date

from hubcore.calendar.recurrence import (
    MINUTES_A_DAY,
    Daily,
    MonthlyByDay,
    MonthlyByWeekday,
    Pattern,
    Recurrence,
    Weekly,
    Yearly,
    date_of,
    day_of,
)
from hubcore.calendar.schedule import SpecialDays
from hubsim.weekly import minute_of

_SPAN = re.compile(r"(\d{4}-\d\d-\d\d)\s+(\d{1,2}:\d\d)-(\d{1,2}:\d\d)\s+(\S+)")
_SPECIAL = re.compile(r"([\d,-]+)(?:\s+(\S+))?")
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_NTH = re.compile(r"(-?\d)(MO|TU|WE|TH|FR|SA|SU)")
_KNOWN = {"FREQ", "INTERVAL", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH", "WKST"}
_EXAMPLE = '"2026-12-07 08:00-12:00 FREQ=MONTHLY;BYDAY=1MO"'


def recurring(text: str) -> Recurrence:
    """Return the rule of one span. Raise ValueError with a sentence."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no span such as {_EXAMPLE}")
    first_text, start_text, end_text, rule_text = found.groups()
    start = minute_of(text, start_text)
    end = minute_of(text, end_text)
    minutes = end - start if end > start else end - start + MINUTES_A_DAY
    parts = _parts(text, rule_text.upper())
    until = parts.get("UNTIL")
    try:
        first = day_of(date.fromisoformat(first_text))
        return Recurrence(
            pattern=_pattern(text, parts, first),
            first=first,
            start=start,
            minutes=minutes,
            interval=int(parts.get("INTERVAL", "1")),
            until=None if until is None else _day(until),
        )
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from error


def special_days(text: str) -> SpecialDays:
    """Return the special days of "2026-12-24,2026-12-25 08:00-12:00"; without a span: closed."""
    found = _SPECIAL.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f'{text!r} are no special days such as "2026-12-24,2026-12-31 08:00-12:00"'
        )
    dates, span = found.groups()
    days = frozenset(day_of(date.fromisoformat(one)) for one in dates.split(","))
    if span is None:
        return SpecialDays(days, ())
    start, _, end = span.partition("-")
    return SpecialDays(days, ((minute_of(text, start), minute_of(text, end)),))


def _parts(text: str, rule: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in rule.removeprefix("RRULE:").split(";"):
        name, _, value = part.partition("=")
        if name not in _KNOWN:
            raise ValueError(f"{text!r}: a policy knows no {name}; it knows {', '.join(_KNOWN)}")
        if name in parts or not value:
            raise ValueError(f"{text!r}: {name} once, and with a value")
        parts[name] = value
    if parts.get("WKST", "MO") != "MO":
        raise ValueError(f"{text!r}: weeks of a policy begin on Monday")
    return parts


def _pattern(text: str, parts: dict[str, str], first: int) -> Pattern:
    """Return the pattern; what RFC 5545 takes from DTSTART is taken from the first day."""
    then = date_of(first)
    by = {name for name in parts if name.startswith("BY")}
    match parts.get("FREQ"), sorted(by):
        case "DAILY", []:
            return Daily()
        case "WEEKLY", []:
            return Weekly(1 << then.weekday())
        case "WEEKLY", ["BYDAY"]:
            days = {_weekday(text, day) for day in parts["BYDAY"].split(",")}
            return Weekly(sum(1 << day for day in days))
        case "MONTHLY", []:
            return MonthlyByDay(frozenset({then.day}))
        case "MONTHLY", ["BYMONTHDAY"]:
            return MonthlyByDay(frozenset(int(day) for day in parts["BYMONTHDAY"].split(",")))
        case "MONTHLY", ["BYDAY"]:
            return MonthlyByWeekday(frozenset(_nth(text, day) for day in parts["BYDAY"].split(",")))
        case "YEARLY", []:
            return Yearly(frozenset({then.month}))
        case "YEARLY", ["BYMONTH"]:
            return Yearly(frozenset(int(month) for month in parts["BYMONTH"].split(",")))
    raise ValueError(
        f"{text!r}: a policy knows DAILY; WEEKLY with BYDAY; MONTHLY with BYMONTHDAY or BYDAY; "
        "YEARLY with BYMONTH"
    )


def _weekday(text: str, day: str) -> int:
    if day not in _WEEKDAYS:
        raise ValueError(f"{text!r}: {day} is none of {', '.join(_WEEKDAYS)}")
    return _WEEKDAYS.index(day)


def _nth(text: str, day: str) -> tuple[int, int]:
    found = _NTH.fullmatch(day)
    if found is None:
        raise ValueError(f"{text!r}: {day} is no weekday of a month such as 1MO or -1FR")
    return int(found.group(1)), _WEEKDAYS.index(found.group(2))


def _day(until: str) -> int:
    """Return the day of an UNTIL such as 20271231 or 20271231T235959Z."""
    return day_of(date.fromisoformat(until[:8]))
