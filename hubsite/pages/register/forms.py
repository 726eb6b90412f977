"""The forms of rows: what may be typed, and its ceilings."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Max
from django.utils import timezone

from hubcore.access.grant import ACCESS_ENTRIES, ACCESS_POINT_MAX
from hubsite.pages.register.fields import DaysField, HoursField, PointsField, moment_field
from hubsite.register.models import (
    AccessPoint,
    Calendar,
    Door,
    Grant,
    Group,
    Person,
    Schedule,
)
from hubsite.rules import week

GROUPS_MAX = 64
CALENDARS_MAX = 16
_DAY = "day_{}"
_SPECIAL = "special_{}"


class PersonForm(forms.ModelForm):
    """Somebody, and the groups."""

    class Meta:
        """Its fields."""

        model = Person
        fields = ("name", "note", "groups")
        widgets = {"groups": forms.CheckboxSelectMultiple}  # noqa: RUF012, the framework's way

    def clean_groups(self) -> Any:
        """Raise ValidationError for too many groups."""
        return _at_most(self.cleaned_data["groups"], GROUPS_MAX, "groups")


class GroupForm(forms.ModelForm):
    """A group; who is in it is said with each person."""

    class Meta:
        """Its fields."""

        model = Group
        fields = ("name",)


class DoorForm(forms.ModelForm):
    """A door."""

    class Meta:
        """Its fields."""

        model = Door
        fields = ("name",)


class PointForm(forms.ModelForm):
    """An access point; its number stays."""

    class Meta:
        """Its fields."""

        model = AccessPoint
        fields = (
            "number",
            "name",
            "door",
            "hold_open",
            "first_person_in",
            "two_persons",
            "two_persons_in",
            "shown_name",
            "no_browsers",
        )
        help_texts = {  # noqa: RUF012, the framework's way
            "number": "One that is free, for a new door: the line that is typed at its hub "
            "names it. For a hub that runs, the one in its configuration. It never changes."
        }

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.fields["number"].disabled = self.instance.pk is not None
        if self.instance.pk is None:
            self.fields["number"].initial = _next_point()
        self.fields["hold_open"].empty_label = "Never"
        self.fields["two_persons_in"].empty_label = "At all hours"

    def clean(self) -> dict[str, Any]:
        """Raise ValidationError for hours or a condition of what is not asked for."""
        typed: dict[str, Any] = super().clean()
        if typed.get("first_person_in") and typed.get("hold_open") is None:
            self.add_error("first_person_in", "Choose the hours in which it is held open.")
        if typed.get("two_persons_in") is not None and not typed.get("two_persons"):
            self.add_error("two_persons", "Say that two persons are asked for, or no hours.")
        return typed


def _next_point() -> int:
    """Return the number after the largest one that an access point has."""
    largest = AccessPoint.objects.aggregate(largest=Max("number"))["largest"] or 0
    return min(largest + 1, ACCESS_POINT_MAX)


class CalendarForm(forms.ModelForm):
    """Special days."""

    days = DaysField(help_text="A line each: a date and a name, such as 2026-12-24 Christmas Eve")

    class Meta:
        """Its fields."""

        model = Calendar
        fields = ("name", "days")


class ScheduleForm(forms.ModelForm):
    """The hours of a week, a line a day, and of each calendar's days."""

    class Meta:
        """Its fields, but for those of its days."""

        model = Schedule
        fields = ("name",)

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.calendars = list(Calendar.objects.all()[:CALENDARS_MAX])
        stored = week.week_from(self.instance.week)
        for number, name in enumerate(week.DAYS):
            text = week.write_day(stored[number])
            self.fields[_DAY.format(number)] = HoursField(label=name, initial=text)
        self.fields[_DAY.format(0)].help_text = "Such as 08:00-12:00, 13:00-18:00; empty: closed"
        kept = {key: week.day_from(spans) for key, spans in self.instance.special}
        for calendar in self.calendars:
            text = ""
            if calendar.pk in kept:
                text = week.write_day(kept[calendar.pk]) or week.CLOSED
            self.fields[_SPECIAL.format(calendar.pk)] = HoursField(
                label=f"On the days of {calendar.name}",
                initial=text,
                help_text="Hours of their own, or closed; empty: as on any other day",
            )

    def save(self, commit: bool = True) -> Schedule:
        """Put what was typed into the row."""
        typed = self.cleaned_data
        self.instance.week = [typed[_DAY.format(number)] or [] for number in range(len(week.DAYS))]
        special = []
        for calendar in self.calendars:
            spans = typed[_SPECIAL.format(calendar.pk)]
            if spans is not None:
                special.append([calendar.pk, spans])
        self.instance.special = special
        return super().save(commit)


class GrantForm(forms.ModelForm):
    """Who may pass which access points, and when.

    The person stays, and comes with the page's address: a list of thousands is no choice.
    """

    points = PointsField(label="Doors")
    begins = moment_field(initial=timezone.now)
    ends = moment_field(required=False, help_text="Empty: until it is revoked")

    class Meta:
        """Its fields."""

        model = Grant
        fields = ("person", "group", "points", "schedule", "begins", "ends")
        widgets = {"person": forms.HiddenInput}  # noqa: RUF012, the framework's way

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.fields["schedule"].empty_label = "At all hours"
        self.fields["person"].queryset = Person.objects.filter(ended_at=None, is_guest=False)
        self.whom = self.instance.person or self._asked_person()
        if self.whom is None:
            self.initial["person"] = ""
            self.fields["group"].empty_label = "Choose a group"
        else:
            del self.fields["group"]
        if self.instance.pk is not None:
            self.fields["person"].disabled = True

    def _asked_person(self) -> Person | None:
        key = str(self.data.get("person") or self.initial.get("person") or "")
        return self.fields["person"].queryset.filter(pk=key).first()

    def clean_points(self) -> Any:
        """Raise ValidationError for more than a phone's grant holds."""
        return _at_most(self.cleaned_data["points"], ACCESS_ENTRIES, "doors")


def _at_most(chosen: Any, most: int, what: str) -> Any:
    if len(chosen) > most:
        raise forms.ValidationError(f"At most {most} {what} can be chosen.")
    return chosen
