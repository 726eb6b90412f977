"""Pages of guests' links: made, shown once, ended.

Law: a link is shown once, when it is made. No page and no table has it after that.
"""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from hubsite.pages.phones.guestform import GuestForm
from hubsite.phones.atreaders.adding import may_hold
from hubsite.phones.guests import make_link
from hubsite.phones.qr import qr_of
from hubsite.register import changes
from hubsite.register.changes import ChangedMeanwhileError
from hubsite.register.models import GuestLink

ROWS = 50
_METHODS = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
def guests(request: HttpRequest) -> HttpResponse:
    """List the links, the newest first."""
    found = GuestLink.objects.select_related("person", "schedule").prefetch_related("points__door")
    page = Paginator(found, ROWS).get_page(request.GET.get("page"))
    listed = [(link, standing_of(link)) for link in page]
    return render(request, "guests/guests.html", {"page": page, "links": listed})


def standing_of(link: GuestLink) -> str:
    """Return in a word whether a link counts."""
    now = timezone.now()
    if link.revoked_at is not None:
        return "ended"
    if link.ends <= now:
        return "over"
    return "in force" if link.begins <= now else "to come"


@_METHODS
def add(request: HttpRequest) -> HttpResponse:
    """Make a link, and show it."""
    form = GuestForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "guests/guest_add.html", {"form": form})
    link = form.save(commit=False)
    points = [point.pk for point in form.cleaned_data["points"]]
    token = make_link(request.user.name, link, form.cleaned_data["guest"], points)
    address = request.build_absolute_uri(reverse("join-guest", args=[token]))
    shown = {"link": link, "address": address, "qr": qr_of(address)}
    return render(request, "guests/guest_link.html", shown)


@_METHODS
def guest(request: HttpRequest, key: int) -> HttpResponse:
    """Show a link, and end it where a button says so."""
    link = get_object_or_404(GuestLink.objects.select_related("person"), pk=key)
    if request.method != "POST":
        return _shown(request, link)
    seen = changes.read_seen(request.POST.get("seen", ""))
    try:
        changes.end_guest_link(request.user.name, link, seen)
    except ChangedMeanwhileError as error:
        link.refresh_from_db()
        sentence = f"{error.by or 'Somebody'} changed this while you had it open. Look again."
        return _shown(request, link, sentence, 409)
    return redirect("guest", link.pk)


def _shown(
    request: HttpRequest, link: GuestLink, sentence: str = "", status: int = 200
) -> HttpResponse:
    shown = {
        "link": link,
        "standing": standing_of(link),
        "sentence": sentence,
        "may_hold": may_hold(link.person),
    }
    return render(request, "guests/guest.html", shown, status=status)
