"""Verify a hub's chain, take its records along, look at what did not follow."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from hubcore.errors import AuditError
from hubcore.evidence.records import Head
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.records.models import Chain
from hubsite.records.showing.proof import last_of_export, walk, whole_export

_DIGITS = 18
AGAIN = "again"


@require_POST
def verify(request: HttpRequest) -> HttpResponse:
    """Walk some of a hub's records, from the base or from where the look before ended."""
    chain = get_object_or_404(Chain, pk=request.POST.get("hub", ""))
    start = _head(request.POST.get("from", ""))
    told = {"chain": chain, "start": start, "first": chain.base_number + 1}
    try:
        head = walk(chain, start)
    except AuditError as error:
        return render(request, "evidence/chain.html", {**told, "error": str(error)}, status=409)
    return render(
        request,
        "evidence/chain.html",
        {**told, "head": head, "is_whole": head.number == chain.head_number},
    )


def _head(text: str) -> Head | None:
    try:
        return Head.parse(text)
    except ValueError:
        return None


@require_POST
def export(request: HttpRequest) -> HttpResponse:
    """Give records of a hub as a file that proves itself; the act is written once it is whole."""
    chain = get_object_or_404(Chain, pk=request.POST.get("hub", ""))
    text = request.POST.get("first", "") or str(chain.base_number + 1)
    is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    try:
        if not is_number:
            raise ValueError("The first record is a number.")
        first = int(text)
        last = last_of_export(chain, first)
        whole = whole_export(chain, first, last)
    except ValueError as error:
        told = {"chain": chain, "sentence": str(error), "first": chain.base_number + 1}
        return render(request, "evidence/chain.html", told, status=400)
    with transaction.atomic():
        log.write(
            request.user.name,
            ActKind.RECORDS_EXPORTED,
            about=f"hub {chain.hub}",
            first=first,
            last=last,
        )
    response = HttpResponse(whole, content_type="application/cbor-seq")
    name = f"{chain.hub}-{first}-{last}.records"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@require_POST
def looked_at(request: HttpRequest) -> HttpResponse:
    """Somebody has looked at what did not follow; or wants the hub's records read again."""
    hub = request.POST.get("hub", "")
    with transaction.atomic():
        chain = get_object_or_404(Chain.objects.select_for_update(), pk=hub)
        is_again = request.POST.get("do") == AGAIN
        kind = ActKind.RECORDS_AGAIN if is_again else ActKind.RECORDS_LOOKED_AT
        log.write(request.user.name, kind, about=f"hub {hub}", refused=chain.refused)
        rows = Chain.objects.filter(pk=hub)
        if is_again:
            rows.update(again=True)
        else:
            rows.update(refused=0, refused_place=0, trouble="")
    return redirect("records")
