"""The pages that take a file of people: what it would change is shown, then it is done.

Laws:
1. A file is in memory alone, and no larger than a request.
2. Nothing changes before the second page's button, and nothing that this page did not show. What
   is ended and who gets or loses a group comes first. Of a long part the first ROWS_SHOWN lines are
   open, and all others are there to be opened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST

from hubsite.people.applying import OtherPlanError, PeopleImport, apply, plan_now
from hubsite.people.plan import Asked, KnownPerson, Plan
from hubsite.people.shown import SHOWN
from hubsite.people.table import Line, PeopleFile, UnreadableFileError, decoded, read

ROWS_SHOWN = 200
TEXT_LENGTH = 1 << 18
_GONE = (
    "What was shown is not kept any more: it counts once, for half an hour, and not over a start "
    "of the server. Nothing was changed. Send the file again."
)
_CHANGED = "Somebody changed people or groups meanwhile. Nothing was done. Look again."


class ImportForm(forms.Form):
    """A file, or its text."""

    file = forms.FileField(required=False, label="A file (CSV)")
    text = forms.CharField(
        required=False,
        max_length=TEXT_LENGTH,
        widget=forms.Textarea({"rows": 8}),
        label="Or its text",
    )
    makes_groups = forms.BooleanField(required=False, label="Make the groups that are missing")
    ends_missing = forms.BooleanField(
        required=False, label="End who came by a file before and is not in this one"
    )

    def clean(self) -> dict[str, Any]:
        """Read the file. Raise ValidationError with a sentence."""
        typed: dict[str, Any] = super().clean() or {}
        sent = typed.get("file")
        if bool(sent) == bool(typed.get("text")):
            raise forms.ValidationError("Choose a file, or paste its text: one of both.")
        try:
            typed["people"] = read(decoded(sent.read()) if sent else typed["text"])
        except UnreadableFileError as error:
            raise forms.ValidationError(str(error)) from error
        return typed

    @property
    def wanted(self) -> PeopleImport:
        """Return what was asked for, of a form that is valid."""
        people: PeopleFile = self.cleaned_data["people"]
        asked = Asked(
            ends_missing=self.cleaned_data["ends_missing"],
            makes_groups=self.cleaned_data["makes_groups"],
        )
        return PeopleImport(people, asked)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a plan as it is shown: all of its lines."""

    heading: str
    rows: tuple[str, ...]

    @property
    def first(self) -> tuple[str, ...]:
        """Those that are open."""
        return self.rows[:ROWS_SHOWN]

    @property
    def more(self) -> tuple[str, ...]:
        """Those that are there to be opened."""
        return self.rows[ROWS_SHOWN:]


@csrf_exempt  # the form is read below, by what keeps a file in memory; it is judged there
@require_http_methods(["GET", "HEAD", "POST"])
def importing(request: HttpRequest) -> HttpResponse:
    """Take a file, and show what it would change (law 1)."""
    request.upload_handlers = [MemoryFileUploadHandler(request)]
    answer: HttpResponse = _importing(request)
    return answer


@csrf_protect
def _importing(request: HttpRequest) -> HttpResponse:
    is_sent = request.method == "POST"
    form = ImportForm(request.POST, request.FILES) if is_sent else ImportForm()
    if not is_sent or not form.is_valid():
        return render(request, "people/import.html", {"form": form})
    wanted = form.wanted
    return _shown(request, wanted, plan_now(wanted))


@require_POST
def imported(request: HttpRequest) -> HttpResponse:
    """Do what was shown (law 2)."""
    by = request.user.name
    wanted = SHOWN.take(by, request.POST.get("import", ""))
    if wanted is None:
        shown = {"form": ImportForm(), "sentence": _GONE}
        return render(request, "people/import.html", shown, status=409)
    try:
        apply(by, wanted, request.POST.get("plan", ""))
    except OtherPlanError as error:
        return _shown(request, wanted, error.plan, _CHANGED, 409)
    return redirect("rows", "person")


def _shown(
    request: HttpRequest, wanted: PeopleImport, plan: Plan, sentence: str = "", status: int = 200
) -> HttpResponse:
    shown = {
        "parts": [part for part in _parts(plan) if part.rows],
        "plan": plan,
        "digest": plan.digest(),
        "import": "" if plan.is_empty else SHOWN.keep(request.user.name, wanted),
        "sentence": sentence,
    }
    return render(request, "people/planned.html", shown, status=status)


def _parts(plan: Plan) -> tuple[Part, ...]:
    """Return what is shown, what matters most first (law 2)."""
    regrouped = [(old, new) for old, new in plan.changed if _groups_of(old, new) != old.groups]
    renamed = [(old, new) for old, new in plan.changed if _groups_of(old, new) == old.groups]
    return (
        Part(
            "People who are ended, each of their phones with them",
            tuple(f"{one.name} ({one.external})" for one in plan.ended),
        ),
        Part("Groups that are made", plan.groups),
        Part("How many get a group, or lose it", _counted(plan)),
        Part(
            "People whose groups change",
            tuple(f"{_renamed(old, new)}: {_regrouped(old, new)}" for old, new in regrouped),
        ),
        Part("People whose name changes", tuple(_renamed(old, new) for old, new in renamed)),
        Part("People who are new", tuple(map(_line, plan.made))),
        Part(
            "Lines that are left out",
            tuple(f"Line {one.number}: {one.why}" for one in plan.refused),
        ),
    )


def _groups_of(old: KnownPerson, new: Line) -> frozenset[str]:
    """Return the groups that somebody has by then: a file may say none."""
    return old.groups if new.groups is None else new.groups


def _counted(plan: Plan) -> tuple[str, ...]:
    """Return a line for each group that somebody gets or loses."""
    added = Counter(group for line in plan.made for group in line.groups or ())
    taken: Counter[str] = Counter()
    for old, new in plan.changed:
        added.update(_groups_of(old, new) - old.groups)
        taken.update(old.groups - _groups_of(old, new))
    return tuple(
        f"{group}: {added[group]} get it, {taken[group]} lose it"
        for group in sorted(added.keys() | taken.keys())
    )


def _renamed(old: KnownPerson, new: Line) -> str:
    name = old.name if old.name == new.name else f"{old.name} → {new.name}"
    return f"{name} ({new.external})"


def _regrouped(old: KnownPerson, new: Line) -> str:
    said = (
        ("gets", _groups_of(old, new) - old.groups),
        ("loses", old.groups - _groups_of(old, new)),
    )
    return "; ".join(f"{verb} {_listed(groups)}" for verb, groups in said if groups)


def _line(line: Line) -> str:
    groups = f": {_listed(line.groups)}" if line.groups else ""
    return f"{line.name} ({line.external}){groups}"


def _listed(groups: Iterable[str]) -> str:
    return ", ".join(sorted(groups))
