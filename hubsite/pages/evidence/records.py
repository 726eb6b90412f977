"""The page of records, and that of one record with its proof."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from hubcore.errors import AuditError
from hubcore.evidence.records import facts
from hubcore.evidence.show import plain
from hubsite.pages.evidence.filters import KINDS, Asked, asked_of, written
from hubsite.pages.evidence.names import moment, shown
from hubsite.records.models import Chain, Record
from hubsite.records.showing.countersigned import seen_of
from hubsite.records.showing.finding import Found, Place, find
from hubsite.records.showing.proof import neighbours_of
from hubsite.register.models import Door, Person

ROWS = 50
_DOORS_MAX = 1000


@require_safe
def records(request: HttpRequest) -> HttpResponse:
    """Show the records of one page."""
    asked = asked_of(request)
    found = find(asked.wanted, ROWS, asked.before, asked.after)
    return render(
        request,
        "evidence/records.html",
        {
            "asked": asked.typed,
            "rows": shown(found.rows),
            "ways_on": _ways_on(asked, found),
            "chains": Chain.objects.all(),
            "kinds": KINDS,
            "doors": _doors(),
            "person": Person.objects.filter(pk=asked.typed["person"]).first(),
        },
    )


def _doors() -> list[tuple[str, str]]:
    """Return doors of the register to choose from, each as its key in an address, and its name."""
    found = Door.objects.values_list("pk", "name")[:_DOORS_MAX]
    return [(str(key), name) for key, name in found]


def _ways_on(asked: Asked, found: Found) -> dict[str, str]:
    """Return the addresses of the newer and the older page, "" where there is none."""
    ways = {"newer": "", "older": ""}
    if found.rows and found.has_newer:
        ways["newer"] = asked.address(after=written(_place(found.rows[0])))
    if found.rows and found.has_older:
        ways["older"] = asked.address(before=written(_place(found.rows[-1])))
    return ways


def _place(row: Record) -> Place:
    return Place(row.at, row.pk)


@require_safe
def record(request: HttpRequest, hub: str, number: int) -> HttpResponse:
    """Show all that a record says, and what proves it."""
    row = get_object_or_404(Record, hub=hub, number=number)
    chain = get_object_or_404(Chain, pk=hub)
    (named,) = shown([row])
    said: list[tuple[str, Any]] = []
    error = ""
    try:
        found = facts(bytes(row.record))
        said = [(name, plain(value)) for name, value in found.items()]
    except AuditError as problem:
        error = str(problem)
    return render(
        request,
        "evidence/record.html",
        {
            "named": named,
            "row": row,
            "chain": chain,
            "hash": bytes(row.chain_hash).hex(),
            "said": said,
            "error": error,
            "beside": neighbours_of(chain, row),
            "bridges": [(one, moment(one.witness.at)) for one in seen_of(hub, number)],
            "first": chain.base_number + 1,
        },
    )
