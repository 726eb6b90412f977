"""The page of acts: who did what, newest first, and whether the chain holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from hubcore.errors import AuditError
from hubsite.acts import log
from hubsite.acts.models import Act

ROWS = 50
_OWN = frozenset({"kind", "at", "mono", log.BY, log.ABOUT})


@dataclass(frozen=True, slots=True)
class Row:
    """One act as it is shown; `error` where its bytes cannot be read."""

    number: int
    at: datetime
    by: str = ""
    kind: str = ""
    about: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    error: str = ""


def _row(act: Act) -> Row:
    at = datetime.fromtimestamp(act.at_ms / 1000, UTC)
    try:
        said = act.said
    except AuditError as error:
        return Row(act.number, at, error=str(error))
    facts = tuple((key, _text(value)) for key, value in said.items() if key not in _OWN)
    return Row(
        number=act.number,
        at=at,
        by=str(said.get(log.BY, "")),
        kind=str(said["kind"]),
        about=str(said.get(log.ABOUT, "")),
        facts=facts,
    )


def _text(value: Any) -> str:
    if value is None or value == "":
        return "none"
    return value.hex() if isinstance(value, bytes) else str(value)


@require_safe
def acts(request: HttpRequest) -> HttpResponse:
    """Show the acts of one page."""
    pages = Paginator(Act.objects.order_by("-number"), ROWS)
    page = pages.get_page(request.GET.get("page"))
    rows = [_row(act) for act in page]
    return render(request, "evidence/acts.html", {"page": page, "rows": rows})


@require_POST
def verify(request: HttpRequest) -> HttpResponse:
    """Check the whole chain, and say what was found."""
    try:
        head = log.verify()
    except AuditError as error:
        return render(request, "evidence/verified.html", {"error": str(error)}, status=409)
    return render(request, "evidence/verified.html", {"head": head})
