"""Pages for what cannot be done: each says what to do next."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


@login_not_required
def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Refuse a form that did not come from a page of this server, or from one of another visit."""
    del reason  # it says how the check works, which is for nobody here
    return render(request, "forged.html", status=403)
