"""An operator's own account: the keys that he signs in by, and who he is at the provider.

Laws:
1. Keys and the provider's identity are changed by who has just shown that it is he
   (`hubsite.pages.accounts.again`): a browser that was left open changes no second factor.
2. An operator sees and changes his own keys alone.
3. He binds to his account what the provider has proven in this browser, and nothing that is typed.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from hubcore.errors import ProofError
from hubsite.accounts.models import KEY_NAME_LENGTH, Account, Binding
from hubsite.accounts.once import spend
from hubsite.keys import keeping
from hubsite.keys.challenge import Challenge, Purpose
from hubsite.keys.place import Place
from hubsite.keys.proof import asked_to_make, made_key
from hubsite.oidc import binding
from hubsite.pages.accounts import again, asking, carried

NO_KEY = "No key was made. Try again."
_DIGITS_MAX = 18


@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Show the account of who has signed in, and do what a button says."""
    if request.method != "POST":
        return _shown(request)
    do = request.POST.get("do", "")
    if do not in _DOES:
        raise Http404
    refused = again.refusal(request)
    if refused is not None:
        return _shown(request, refused.sentence, refused.status)
    try:
        _DOES[do](request)
    except (ValueError, ProofError) as error:
        sentence = NO_KEY if isinstance(error, ProofError) else str(error)
        return _shown(request, sentence, 409)
    return redirect("account")


@require_safe
def key_to_make(request: HttpRequest) -> HttpResponse:
    """Say what a browser is to make a key of, for the account of who has signed in."""
    mine: Account = request.user
    known = [key.credential_id for key in mine.keys.all()]

    def ask(where: Place, one: Challenge) -> dict[str, object]:
        handle = bytes(mine.handle) or one.handle
        return asked_to_make(where, one.value, handle, mine.name, known)

    return asking.asked(Purpose.ADD, ask, str(mine.pk))


def name_of_key(request: HttpRequest) -> str:
    """Return what a new key is called. Raise ValueError."""
    name = " ".join(request.POST.get("key_name", "").split())
    if not 1 <= len(name) <= KEY_NAME_LENGTH or not name.isprintable():
        raise ValueError(f"Give the key a name of 1 to {KEY_NAME_LENGTH} characters.")
    return name


def _add(request: HttpRequest) -> None:
    name = name_of_key(request)
    where = asking.place()
    challenge = asking.challenge_of(request, Purpose.ADD, str(request.user.pk))
    if where is None or challenge is None:
        raise ValueError(NO_KEY)
    made = made_key(where, challenge.value, request.POST.get("key", ""))
    keeping.add_key(request.user, name, challenge, made)


def _remove(request: HttpRequest) -> None:
    keeping.remove_key(request.user, _number(request.POST.get("number", "")))


def _bind(request: HttpRequest) -> None:
    """Bind what was proven (law 3)."""
    found = carried.proven_of(request)
    seen = request.POST.get("subject", "")
    if found is None or found[0].subject != seen:
        raise ValueError("What the provider said is too old. Go there again.")
    proven = found[0]
    if not spend(f"proven {proven.state}".encode()):
        raise ValueError("What the provider said was used. Go there again.")
    binding.bind(request.user.name, request.user.name, proven.issuer, proven.subject)


def _unbind(request: HttpRequest) -> None:
    binding.unbind(request.user.name, request.user.name)


def _show(request: HttpRequest) -> None:
    """Nothing more: it was shown that it is he."""
    del request


_DOES: dict[str, Callable[[HttpRequest], None]] = {
    "show": _show,
    "add": _add,
    "remove": _remove,
    "bind": _bind,
    "unbind": _unbind,
}
"""What each button does."""


def _number(text: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX
    return int(text) if is_number else 0


def _shown(request: HttpRequest, sentence: str = "", status: int = 200) -> HttpResponse:
    mine: Account = request.user
    proven = carried.proven_of(request)
    provider = settings.HUBSITE_RUNNING.provider
    shown = {
        "problem": "" if provider is None else provider.problem,
        "provider": "" if provider is None else provider.section.name,
        "bound": Binding.objects.filter(account=mine).first(),
        "proven": None if proven is None else proven[0],
        "sentence": sentence,
        "keys": mine.keys.order_by("made_at", "pk"),
        "has_code": bool(mine.factor),
        "again": again.to_show(request),
        "name_length": KEY_NAME_LENGTH,
        "has_keys": asking.place() is not None,
    }
    return render(request, "accounts/account.html", shown, status=status)
