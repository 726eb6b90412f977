"""Fields of forms that the framework has none for: hours, days, moments, access points."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.conf import settings

from hubcore.calendar.recurrence import DAY_MAX, day_of
from hubsite.register.models import AccessPoint
from hubsite.rules import week

DAYS_MAX = 366
DAY_NAME_LENGTH = 80
_MOMENT = "%Y-%m-%dT%H:%M"


class HoursField(forms.CharField):
    """The spans of a day, as text; its value is a list of pairs, None where nothing was typed."""

    def __init__(self, **more: Any) -> None:
        super().__init__(max_length=week.TEXT_LENGTH, required=False, **more)

    def clean(self, value: str | None) -> list[list[int]] | None:
        """Return the spans. Raise ValidationError with a sentence."""
        text = super().clean(value)
        if not text:
            return None
        try:
            return [list(span) for span in week.read_day(text)]
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


class DaysField(forms.CharField):
    """Days of a calendar, a line each: a date and a name; its value is a list of such pairs."""

    def __init__(self, **more: Any) -> None:
        super().__init__(
            max_length=DAYS_MAX * (DAY_NAME_LENGTH + 12),
            widget=forms.Textarea({"rows": 12}),
            **more,
        )

    def prepare_value(self, value: Any) -> Any:
        """Return the lines for a list of days."""
        if isinstance(value, list):
            return "\n".join(" ".join(pair) for pair in value)
        return value

    def clean(self, value: str | None) -> list[list[str]]:
        """Return the days, in order. Raise ValidationError with a sentence."""
        lines = [line.strip() for line in super().clean(value).splitlines() if line.strip()]
        if len(lines) > DAYS_MAX:
            raise forms.ValidationError(f"A calendar has at most {DAYS_MAX} days.")
        found: dict[str, str] = {}
        for line in lines:
            day, _, name = line.partition(" ")
            found[_date(line, day)] = name.strip()[:DAY_NAME_LENGTH]
        return [[day, found[day]] for day in sorted(found)]


def _date(line: str, text: str) -> str:
    try:
        read = date.fromisoformat(text)
        is_one = len(text) == 10 and 0 <= day_of(read) <= DAY_MAX
    except ValueError:
        is_one = False
    if not is_one:
        raise forms.ValidationError(
            f"{line[:40]!r} begins with no date such as 2026-12-24, up to the year 2100."
        )
    return text


def moment_field(help_text: str = "", **more: Any) -> forms.DateTimeField:
    """Return a field of a date and a time of day, in the server's zone, which it names."""
    widget = forms.DateTimeInput({"type": "datetime-local"}, format=_MOMENT)
    zone = f"In the time of {settings.TIME_ZONE}"
    return forms.DateTimeField(
        widget=widget,
        input_formats=(_MOMENT,),
        help_text=f"{help_text}. {zone}" if help_text else zone,
        **more,
    )


class PointsField(forms.ModelMultipleChoiceField):
    """Access points, each by its door: "Front door, inward (1)"."""

    def __init__(self, **more: Any) -> None:
        super().__init__(
            AccessPoint.objects.select_related("door"),
            widget=forms.CheckboxSelectMultiple,
            **more,
        )

    def label_from_instance(self, obj: AccessPoint) -> str:
        """Return how people call it."""
        return obj.whole_name
