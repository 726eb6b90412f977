"""Pages for what cannot be done: each says what to do next.

Law: what the server has failed at, or could not read, is answered without the database and without
a session.
"""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from hubsite.pages import assets


@login_not_required
def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Refuse a form that did not come from a page of this server, or from one of another visit."""
    del reason  # it says how the check works, which is for nobody here
    return render(request, "forged.html", status=403)


def no_file(request: HttpRequest) -> HttpResponse:
    """Refuse a form with files, which nobody has read."""
    del request
    return _bare("415.html", 415)


def unread(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Refuse what is no request for this server."""
    del request, exception
    return _bare("400.html", 400)


def broken(request: HttpRequest) -> HttpResponse:
    """Say that this server has failed."""
    del request
    return _bare("500.html", 500)


def _bare(template: str, status: int) -> HttpResponse:
    text = render_to_string(template, {"style": assets.address_of("hubsite.css")})
    return HttpResponse(text, status=status)
