"""The pages of a link that connects a phone: made by an operator, opened by a person.

Law: a session that a link has given ends with its first code, and gives no second one.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST
from oauth2_provider.views import AuthorizationView

from hubsite.accounts.models import Account
from hubsite.phones.client import PAGE
from hubsite.phones.guests import join_guest, welcomed
from hubsite.phones.joining import (
    HOURS,
    SESSION_SECONDS,
    digest_of,
    invite,
    invited,
    join,
    keep_code,
)
from hubsite.phones.qr import qr_of
from hubsite.register.models import Person

_BACKEND = "hubsite.accounts.backend.Sessions"
_LINK = "link"
"""Under which a session has the digest of its link."""


@require_POST
def invitation(request: HttpRequest, person: str) -> HttpResponse:
    """Make a link for a person, and show it once."""
    holder = get_object_or_404(Person, pk=person, ended_at=None, is_guest=False)
    token = invite(request.user.name, holder)
    link = request.build_absolute_uri(reverse("join", args=[token]))
    shown = {"person": holder, "link": link, "hours": HOURS, "qr": qr_of(link)}
    return render(request, "phones/invitation.html", shown)


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def joining(request: HttpRequest, token: str) -> HttpResponse:
    """Ask whether this is the phone; then connect it."""
    if request.method != "POST":
        person = invited(token)
        return render(
            request, "phones/join.html", {"person": person}, status=200 if person else 404
        )
    account = join(token)
    return _connected(request, account and (account, digest_of(token)))


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def joining_guest(request: HttpRequest, token: str) -> HttpResponse:
    """Ask a guest whether this is the phone; then connect it."""
    if request.method == "POST":
        return _connected(request, join_guest(token))
    link = welcomed(token)
    shown = {"person": link and link.person}
    return render(request, "phones/join.html", shown, status=200 if link else 404)


def _connected(request: HttpRequest, joined: tuple[Account, str] | None) -> HttpResponse:
    """Begin the session of an account by the invitation of this digest; None: nothing counts."""
    if joined is None:
        return render(request, "phones/join.html", {"person": None}, status=404)
    begin_session(request, *joined)
    return redirect(f"{PAGE}?connect")


def begin_session(request: HttpRequest, account: Account, digest: str) -> None:
    """Let this browser ask for the one code of the invitation with this digest."""
    login(request, account, backend=_BACKEND)
    request.session.set_expiry(SESSION_SECONDS)
    request.session[_LINK] = digest


class Authorizing(AuthorizationView):
    """The framework's own page that gives codes, and the law of this module."""

    def create_authorization_response(self, request: HttpRequest, *args: Any, **more: Any) -> Any:
        """Make the one code of this session, and end the session."""
        link = request.session.get(_LINK, "")
        with transaction.atomic():
            made = super().create_authorization_response(request, *args, **more)
            code = parse_qs(urlsplit(made[0]).query).get("code", [""])[0]
            if code and not keep_code(link, code):
                raise PermissionDenied
        if code:
            logout(request)
        return made
