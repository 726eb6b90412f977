"""How hubd shows a moment to people: RFC 3339 in UTC with milliseconds, 2026-11-27T14:56:43.123Z.

Laws:
1. The log, records, events, the status and `--check-config` show every moment in this form. So a
   moment can be looked up on another machine, and in the night when summer time ends.
2. A number that is no moment of the years 1 to 9999 is shown as it is.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

_UNIX_ZERO = datetime(1970, 1, 1, tzinfo=UTC)


def show_ms(at_ms: int) -> str:
    """Return a Unix time in milliseconds as text."""
    try:
        moment = _UNIX_ZERO + timedelta(milliseconds=at_ms)
    except OverflowError:
        return f"{at_ms} ms"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_seconds(text: str, zone: tzinfo | None = None) -> float | None:
    """Return the Unix time of a moment in this form or with another offset; None for other text.

    One without an offset is by the wall clock of `zone`; without a zone it is no moment.
    """
    try:
        moment = datetime.fromisoformat(text)
        known = moment.replace(tzinfo=moment.tzinfo or zone)
        return None if known.tzinfo is None else known.timestamp()
    except (ValueError, OverflowError):
        return None


def show_seconds(at: float) -> str:
    """Return a Unix time in seconds as text, cut to the millisecond as records are."""
    try:
        return show_ms(int(at * 1000))
    except (OverflowError, ValueError):  # not finite
        return f"{at} s"
