"""The page of directories' tokens: made, shown once, revoked.

Law: a token outlives the session in which it was made, so only who has just signed in makes one.
"""

from __future__ import annotations

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from hubsite.pages.accounts.mine import FRESH_SECONDS, is_fresh
from hubsite.register.changes import ChangedMeanwhileError, read_seen
from hubsite.scim.models import ScimToken
from hubsite.scim.tokens import make_token, revoke_token


class TokenForm(forms.ModelForm):
    """A token."""

    class Meta:
        """Its fields."""

        model = ScimToken
        fields = ("name",)


@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """List tokens, and make one."""
    form = TokenForm(request.POST or None)
    said = ""
    may_make = is_fresh(request)
    if request.method == "POST" and not may_make:
        form.add_error(None, "Sign in again first: that was too long ago.")
    if request.method == "POST" and form.is_valid():
        try:
            said = make_token(request.user.name, form.save(commit=False))
            form = TokenForm()
        except ValueError as error:
            form.add_error(None, str(error))
    address = request.build_absolute_uri("/scim/v2")
    shown = {
        "form": form,
        "said": said,
        "rows": ScimToken.objects.all(),
        "address": address,
        "is_fresh": may_make,
        "minutes": FRESH_SECONDS // 60,
    }
    return render(
        request, "scim/tokens.html", shown, status=200 if may_make or not form.is_bound else 403
    )


@require_POST
def revoke(request: HttpRequest, key: int) -> HttpResponse:
    """Revoke a token."""
    token = get_object_or_404(ScimToken, pk=key, revoked_at=None)
    try:
        revoke_token(request.user.name, token, read_seen(request.POST.get("seen", "")))
    except ChangedMeanwhileError:
        return redirect("scim-tokens")
    return redirect("scim-tokens")
