"""The pages of a link that connects a phone: made by an operator, opened by a person."""

from __future__ import annotations

from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from hubsite.phones.client import PAGE
from hubsite.phones.joining import HOURS, SESSION_SECONDS, invite, invited, join
from hubsite.register.models import Person

_BACKEND = "hubsite.accounts.backend.Sessions"


@require_POST
def invitation(request: HttpRequest, person: str) -> HttpResponse:
    """Make a link for a person, and show it once."""
    holder = get_object_or_404(Person, pk=person, ended_at=None)
    token = invite(request.user.name, holder)
    link = request.build_absolute_uri(reverse("join", args=[token]))
    shown = {"person": holder, "link": link, "hours": HOURS}
    return render(request, "invitation.html", shown)


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def joining(request: HttpRequest, token: str) -> HttpResponse:
    """Ask whether this is the phone; then connect it."""
    if request.method != "POST":
        person = invited(token)
        return render(request, "join.html", {"person": person}, status=200 if person else 404)
    account = join(token)
    if account is None:
        return render(request, "join.html", {"person": None}, status=404)
    login(request, account, backend=_BACKEND)
    request.session.set_expiry(SESSION_SECONDS)
    return redirect(f"{PAGE}?connect")
