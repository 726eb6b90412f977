"""Lists and forms of rows, the same way for each subject.

Laws:
1. A form says which revision of the row it shows. A row that somebody else has changed meanwhile is
   shown as it is now, and nothing of the form is kept.
2. What is in use is not removed: the page says by what it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Model, ProtectedError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.timezone import localtime
from django.views.decorators.http import require_http_methods, require_safe

from hubsite.pages.register.subjects import BY_NAME, Subject
from hubsite.register import changes
from hubsite.register.changes import ChangedMeanwhileError
from hubsite.register.models import Grant, Person, Schedule
from hubsite.rules import week

ROWS = 50
SEARCH_LENGTH = 100
REMOVE = "remove"
_ENDS: dict[type[Model], str] = {Person: "This person has left", Grant: "Revoke this grant"}
"""What is offered in place of a removal."""
_IN_ADDRESS = ("person", "door")
"""What the address of a form may say of its fields."""
_FORM_METHODS = require_http_methods(["GET", "HEAD", "POST"])


@dataclass(frozen=True, slots=True)
class ShownDay:
    """A day of a schedule: in words, and as pairs of the first minute and how many follow."""

    name: str
    text: str
    spans: tuple[tuple[int, int], ...]


@require_safe
def rows(request: HttpRequest, name: str) -> HttpResponse:
    """List the rows of a subject, those that a search finds."""
    subject = BY_NAME[name]
    found = subject.rows()
    search = request.GET.get("search", "")[:SEARCH_LENGTH].strip()
    search = search if search.isprintable() else ""
    if search and subject.searched:
        found = found.filter(**{f"{subject.searched}__icontains": search})
    page = Paginator(found, ROWS).get_page(request.GET.get("page"))
    listed = [(row, _address(subject, row), subject.cells(row)) for row in page]
    shown = {"subject": subject, "page": page, "rows": listed, "search": search}
    return render(request, "register/rows.html", shown)


@_FORM_METHODS
def add(request: HttpRequest, name: str) -> HttpResponse:
    """Make a row."""
    subject = BY_NAME[name]
    form = subject.form(request.POST or None, initial=_asked(request))
    if request.method != "POST" or not form.is_valid():
        return _form(request, subject, form, None)
    with transaction.atomic():
        form.instance.changed_by = request.user.name
        row = form.save()
        changes.write_act(request.user.name, subject.made, row, **changes.facts_of(row))
    return redirect(_address(subject, row))


@_FORM_METHODS
def edit(request: HttpRequest, name: str, key: str) -> HttpResponse:
    """Show a row and change it, or remove or end it."""
    subject = BY_NAME[name]
    row = _row_of(subject, key)
    if request.method != "POST":
        return _form(request, subject, subject.form(instance=row), row)
    try:
        if request.POST.get("do") == REMOVE:
            return _remove(request, subject, row)
        return _change(request, subject, row)
    except ChangedMeanwhileError as error:
        return _told(request, subject, key, error)


def _change(request: HttpRequest, subject: Subject, row: Model) -> HttpResponse:
    seen = changes.read_seen(request.POST.get("seen", ""))
    form = subject.form(request.POST, instance=row)
    if not form.is_valid():
        return _form(request, subject, form, row, seen=seen)
    with transaction.atomic():
        changes.take_turn(row, seen, request.user.name)
        form.save()
        fields = ",".join(sorted(form.changed_data))
        facts = changes.facts_of(row)
        changes.write_act(request.user.name, subject.changed, row, fields=fields, **facts)
    return redirect(_address(subject, row))


def _remove(request: HttpRequest, subject: Subject, row: Model) -> HttpResponse:
    """Remove a row, or end a person or a grant."""
    by = request.user.name
    seen = changes.read_seen(request.POST.get("seen", ""))
    if isinstance(row, Person):
        changes.end_person(by, row, seen)
        return redirect(_address(subject, row))
    if isinstance(row, Grant):
        changes.revoke_grant(by, row, seen)
        return redirect(_address(subject, row))
    if subject.removed is None:
        raise Http404
    try:
        with transaction.atomic():
            changes.take_turn(row, seen, by)
            changes.write_act(by, subject.removed, row)
            row.delete()
    except ProtectedError as error:
        users = ", ".join(sorted(str(one) for one in error.protected_objects)[:5])
        sentence = f"It is in use, and stays: {users}."
        return _form(request, subject, subject.form(instance=row), row, sentence, 409)
    return redirect("rows", subject.name)


def _told(
    request: HttpRequest, subject: Subject, key: str, error: ChangedMeanwhileError
) -> HttpResponse:
    """Say to the second of two who changed a row that it was changed (law 1)."""
    row = _row_of(subject, key)
    at = "" if error.at is None else f" at {localtime(error.at):%H:%M}"
    sentence = (
        f"{error.by or 'Somebody'} changed this{at}, while you had it open. Nothing of yours was "
        "kept. It is shown as it is now: make your change again."
    )
    return _form(request, subject, subject.form(instance=row), row, sentence, 409)


def _form(
    request: HttpRequest,
    subject: Subject,
    form: Any,
    row: Model | None,
    sentence: str = "",
    status: int = 200,
    seen: int | None = None,
) -> HttpResponse:
    shown = {
        "subject": subject,
        "form": form,
        "row": row,
        "seen": seen if seen is not None else getattr(row, "revision", 0),
        "sentence": sentence,
        "removes": _removes(subject, row),
        "week": _week(row),
    }
    return render(request, "register/row.html", shown, status=status)


def _asked(request: HttpRequest) -> dict[str, str]:
    """Return what the address of a form says of its fields."""
    return {name: request.GET.get(name, "") for name in _IN_ADDRESS}


def _week(row: Model | None) -> list[ShownDay]:
    """Return the hours of a schedule, drawn; none for other rows."""
    if not isinstance(row, Schedule):
        return []
    days = zip(week.DAYS, week.week_from(row.week), strict=True)
    return [ShownDay(name, week.write_day(day) or week.CLOSED, _drawn(day)) for name, day in days]


def _drawn(day: week.Day) -> tuple[tuple[int, int], ...]:
    return tuple((start, end - start) for start, end in day)


def _removes(subject: Subject, row: Model | None) -> str:
    """Return the words of the button that ends a row; "" where there is none."""
    if row is None or getattr(row, "ended_at", None) or getattr(row, "revoked_at", None):
        return ""
    if subject.removed is not None:
        return f"Remove this {subject.one}"
    return _ENDS[subject.model]


def _row_of(subject: Subject, key: str) -> Model:
    try:
        return get_object_or_404(subject.rows(), pk=key)
    except (ValueError, OverflowError) as error:
        raise Http404 from error


def _address(subject: Subject, row: Model) -> str:
    return reverse("row", args=[subject.name, row.pk])
