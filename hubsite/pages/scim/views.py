"""The page of directories' tokens: made, shown once, revoked.

Law: a token outlives the session in which it was made, so only who has just shown that it
is he makes one. To end one asks for no more.
"""

from __future__ import annotations

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from hubsite.pages.accounts import again
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
    refused = again.refusal(request) if form.is_valid() else None
    if form.is_valid() and refused is None:
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
        "refused": refused,
        "again": again.to_show(request),
    }
    status = 200 if refused is None else refused.status
    return render(request, "scim/tokens.html", shown, status=status)


@require_POST
def revoke(request: HttpRequest, key: int) -> HttpResponse:
    """Revoke a token."""
    token = get_object_or_404(ScimToken, pk=key, revoked_at=None)
    try:
        revoke_token(request.user.name, token, read_seen(request.POST.get("seen", "")))
    except ChangedMeanwhileError:
        return redirect("scim-tokens")
    return redirect("scim-tokens")
