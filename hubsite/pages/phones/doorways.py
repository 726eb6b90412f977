"""The way from a door to the phone's page: an address for each access point, and a sign to print.

Laws:
1. The address is for everybody, and answers the same for each number: it does not say which access
   points there are.
2. It chooses a door on the page, and can do no more.
3. A sign is for operators. It has the address as a QR code, made here: no other server sees it.
"""

from __future__ import annotations

import segno
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from hubcore.access.grant import ACCESS_POINT_MAX
from hubsite.phones.client import PAGE
from hubsite.register.models import AccessPoint


@login_not_required
@require_safe
def door(_request: HttpRequest, number: int) -> HttpResponse:
    """Lead to the phone's page, with this door chosen (law 1)."""
    if not 1 <= number <= ACCESS_POINT_MAX:
        raise Http404
    return redirect(f"{PAGE}?door={number}")


@require_safe
def sign(request: HttpRequest, key: str) -> HttpResponse:
    """Show what is put up beside a door."""
    point = get_object_or_404(AccessPoint.objects.select_related("door"), pk=key)
    address = request.build_absolute_uri(reverse("door-link", args=[point.number]))
    shown = {"point": point, "address": address, "code": mark_safe(qr_code(address))}  # noqa: S308
    return render(request, "phones/sign.html", shown)


def qr_code(address: str) -> str:
    """Return the QR code of an address as the markup of an SVG, without a style of its own."""
    return segno.make_qr(address, error="m").svg_inline(
        svgclass="qr", lineclass=None, omitsize=True
    )
