"""What somebody looks for among the records, as the address of the page says it.

Law: whatever the address says, there is an answer. What is no filter is left, and the page shows
which filters count.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from django.http import HttpRequest
from django.utils import timezone

from hubcore.evidence.facts import RecordKind
from hubsite.records.models import HUB_LENGTH
from hubsite.records.showing.finding import Place, Wanted

KINDS = tuple(sorted(str(kind) for kind in RecordKind))
_DIGITS = 18
_ID_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters as they were typed, and as they count."""

    typed: dict[str, str]
    wanted: Wanted
    before: Place | None
    after: Place | None

    def address(self, **places: str) -> str:
        """Return the same filters at another place."""
        said = {key: value for key, value in self.typed.items() if value}
        return f"?{urlencode({**said, **places})}"


def asked_of(request: HttpRequest) -> Asked:
    """Read the address of a page."""
    get = request.GET.get
    since = _day(get("since", ""))
    until = _day(get("until", ""))
    kind = get("kind", "")
    door = get("door", "")
    typed = {
        "hub": _text(get("hub", ""), HUB_LENGTH),
        "kind": kind if kind in KINDS else "",
        "door": door if _number(door) is not None else "",
        "person": _text(get("person", ""), _ID_LENGTH),
        "since": "" if since is None else since.isoformat(),
        "until": "" if until is None else until.isoformat(),
    }
    wanted = Wanted(
        hub=typed["hub"],
        kind=typed["kind"],
        door=_number(typed["door"]),
        person=typed["person"],
        since=None if since is None else _begin_of(since),
        until=None if until is None else _begin_of(until + timedelta(days=1)),
    )
    return Asked(typed, wanted, _place(get("before", "")), _place(get("after", "")))


def written(place: Place) -> str:
    """Return a place as an address has it."""
    return f"{place.at}.{place.id}"


def _text(text: str, length: int) -> str:
    """Return a text that a database may be asked for, "" for one with signs that no name has."""
    return text[:length] if text.isprintable() else ""


def _place(text: str) -> Place | None:
    at, _, number = text.partition(".")
    sign = -1 if at.startswith("-") else 1
    seconds = _number(at.removeprefix("-"))
    row = _number(number)
    return None if seconds is None or row is None else Place(sign * seconds, row)


def _number(text: str) -> int | None:
    is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    return int(text) if is_number else None


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1970 <= found.year < 9999 else None


def _begin_of(day: date) -> int:
    """Return when a day begins where the site is, in Unix seconds."""
    midnight = datetime(day.year, day.month, day.day)
    return int(timezone.make_aware(midnight).timestamp())
