"""The pages of webhooks: made, tried, ended; and how far each one is.

Laws:
1. A secret is shown once, on the page that made it.
2. A webhook outlives the session in which it was made, so only who has just shown that it is he
   makes one. To end one asks for no more.
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hubsite.pages.accounts import again
from hubsite.pages.accounts.again import Refused
from hubsite.pages.webhooks.forms import WebhookForm
from hubsite.register.changes import ChangedMeanwhileError, read_seen
from hubsite.webhooks import kept, signing
from hubsite.webhooks.models import Webhook

_METHODS = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
def webhooks(request: HttpRequest) -> HttpResponse:
    """List those that are told something."""
    rows = Webhook.objects.filter(ended_at=None).select_related("delivery")
    return render(request, "webhooks/list.html", {"rows": rows})


@_METHODS
def add(request: HttpRequest) -> HttpResponse:
    """Make one, and show its secret (laws 1 and 2)."""
    form = WebhookForm(request.POST or None)
    refused = again.refusal(request) if form.is_valid() else None
    if not form.is_valid() or refused is not None:
        return _form(request, form, refused)
    made = form.save(commit=False)
    try:
        secret = kept.make(request.user.name, made, settings.HUBSITE.secret)
    except kept.TooManyError as error:
        form.add_error(None, str(error))
        return _form(request, form, None)
    shown = {"webhook": made, "secret": signing.shown(secret)}
    return render(request, "webhooks/made.html", shown)


def _form(request: HttpRequest, form: WebhookForm, refused: Refused | None) -> HttpResponse:
    shown = {"form": form, "refused": refused, "again": again.to_show(request)}
    status = 200 if refused is None else refused.status
    return render(request, "webhooks/add.html", shown, status=status)


@require_safe
def webhook(request: HttpRequest, key: str) -> HttpResponse:
    """Show how far one is."""
    return _shown(request, _found(key))


@require_POST
def test(request: HttpRequest, key: str) -> HttpResponse:
    """Let one be tried."""
    kept.ask_test(request.user.name, _found(key))
    return redirect("webhook", key)


@require_POST
def end(request: HttpRequest, key: str) -> HttpResponse:
    """End one."""
    found = _found(key)
    try:
        kept.end(request.user.name, found, read_seen(request.POST.get("seen", "")))
    except ChangedMeanwhileError as error:
        found.refresh_from_db()
        sentence = f"{error.by or 'Somebody'} changed this while you had it open. Look again."
        return _shown(request, found, sentence, 409)
    return redirect("webhooks")


def _found(key: str) -> Webhook:
    rows = Webhook.objects.filter(ended_at=None).select_related("delivery")
    found: Webhook = get_object_or_404(rows, pk=key)
    return found


def _shown(
    request: HttpRequest, found: Webhook, sentence: str = "", status: int = 200
) -> HttpResponse:
    state = found.delivery
    waits = kept.waiting(found)
    more = waits > kept.COUNTED_MAX
    shown = {
        "webhook": found,
        "state": state,
        "waits": f"more than {kept.COUNTED_MAX}" if more else waits,
        "succeeded": _moment(state.succeeded_at),
        "failed": _moment(state.failed_at),
        "failing": _moment(state.failing_since),
        "given_up": _moment(state.given_up_since),
        "next": _moment(state.next_at) if state.failing_since else None,
        "sentence": sentence,
    }
    return render(request, "webhooks/one.html", shown, status=status)


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
