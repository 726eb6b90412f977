"""Which subjects have pages, and how each is listed: one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import Count, Model, QuerySet
from django.utils import timezone
from django.utils.timezone import localtime

from hubsite.acts.kinds import ActKind
from hubsite.pages.register.forms import (
    CalendarForm,
    DoorForm,
    GrantForm,
    GroupForm,
    PersonForm,
    PointForm,
    ScheduleForm,
)
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

Cells = Callable[[Any], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject: `rows` is asked for each list, `cells` says what stands in its columns.

    `removed` is None where a row is ended or revoked instead.
    """

    name: str
    one: str
    many: str
    model: type[Model]
    form: type[forms.ModelForm]
    rows: Callable[[], QuerySet[Any]]
    columns: tuple[str, ...]
    cells: Cells
    made: ActKind
    changed: ActKind
    removed: ActKind | None = None
    searched: str = ""
    """The field that a search looks into; "" for none."""

    @property
    def a_one(self) -> str:
        """What one is called, with its article."""
        article = "an" if self.one[0] in "aeiou" else "a"
        return f"{article} {self.one}"


def _moment(at: Any) -> str:
    return "" if at is None else localtime(at).strftime("%Y-%m-%d %H:%M")


def _person(one: Person) -> tuple[str, ...]:
    groups = ", ".join(group.name for group in one.groups.all())
    return one.note, groups, "has left" if one.ended_at else ""


def _grant(one: Grant) -> tuple[str, ...]:
    return (
        str(one.person or one.group),
        "; ".join(point.whole_name for point in one.points.all()),
        one.schedule.name if one.schedule else "at all hours",
        _moment(one.begins),
        _moment(one.ends),
        standing_of(one),
    )


def standing_of(grant: Grant) -> str:
    """Return in a word whether a grant counts."""
    now = timezone.now()
    if grant.revoked_at is not None:
        return "revoked"
    if grant.ends is not None and grant.ends <= now:
        return "over"
    return "in force" if grant.begins <= now else "to come"


def _schedule(one: Schedule) -> tuple[str, ...]:
    days = week.week_from(one.week)
    return tuple(week.write_day(day) or week.CLOSED for day in days)


SUBJECTS = (
    Subject(
        name="person",
        one="person",
        many="People",
        model=Person,
        form=PersonForm,
        rows=lambda: Person.objects.filter(is_guest=False).prefetch_related("groups"),
        columns=("Name", "Note", "Groups", "Standing"),
        cells=_person,
        made=ActKind.PERSON_MADE,
        changed=ActKind.PERSON_CHANGED,
        searched="name",
    ),
    Subject(
        name="group",
        one="group",
        many="Groups",
        model=Group,
        form=GroupForm,
        rows=lambda: Group.objects.annotate(count=Count("people")).order_by("name"),
        columns=("Name", "People"),
        cells=lambda one: (str(one.count),),
        made=ActKind.GROUP_MADE,
        changed=ActKind.GROUP_CHANGED,
        removed=ActKind.GROUP_REMOVED,
    ),
    Subject(
        name="door",
        one="door",
        many="Doors",
        model=Door,
        form=DoorForm,
        rows=lambda: Door.objects.prefetch_related("points"),
        columns=("Name", "Access points"),
        cells=lambda one: (", ".join(str(point) for point in one.points.all()),),
        made=ActKind.DOOR_MADE,
        changed=ActKind.DOOR_CHANGED,
        removed=ActKind.DOOR_REMOVED,
    ),
    Subject(
        name="point",
        one="access point",
        many="Access points",
        model=AccessPoint,
        form=PointForm,
        rows=lambda: AccessPoint.objects.select_related("door"),
        columns=("Access point", "Door"),
        cells=lambda one: (one.door.name,),
        made=ActKind.POINT_MADE,
        changed=ActKind.POINT_CHANGED,
        removed=ActKind.POINT_REMOVED,
    ),
    Subject(
        name="schedule",
        one="schedule",
        many="Schedules",
        model=Schedule,
        form=ScheduleForm,
        rows=Schedule.objects.all,
        columns=("Name", *week.DAYS),
        cells=_schedule,
        made=ActKind.SCHEDULE_MADE,
        changed=ActKind.SCHEDULE_CHANGED,
        removed=ActKind.SCHEDULE_REMOVED,
    ),
    Subject(
        name="calendar",
        one="calendar of special days",
        many="Special days",
        model=Calendar,
        form=CalendarForm,
        rows=Calendar.objects.all,
        columns=("Name", "Days"),
        cells=lambda one: (", ".join(f"{day} {name}" for day, name in one.days),),
        made=ActKind.CALENDAR_MADE,
        changed=ActKind.CALENDAR_CHANGED,
        removed=ActKind.CALENDAR_REMOVED,
    ),
    Subject(
        name="grant",
        one="grant",
        many="Grants",
        model=Grant,
        form=GrantForm,
        rows=lambda: Grant.objects.select_related("person", "group", "schedule").prefetch_related(
            "points__door"
        ),
        columns=("Grant", "To", "Doors", "Hours", "Begins", "Ends", "Standing"),
        cells=_grant,
        made=ActKind.GRANT_MADE,
        changed=ActKind.GRANT_CHANGED,
    ),
)
BY_NAME = {subject.name: subject for subject in SUBJECTS}
