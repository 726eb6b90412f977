"""What directories ask by their tokens: SCIM 2.0 below `/scim/v2/`.

Laws:
1. Each call needs a token that counts; a session of a browser counts for nothing.
2. A token that is wrong is slowed by its address, one that is right has a pace of its own.
3. A refusal is an error of SCIM with a sentence. Whatever was sent, nothing else is answered.
4. One answer that lists groups has at most LISTED_MAX members, or one group: it ends early, and
   says by `itemsPerPage` where the next one begins (RFC 7644, section 3.4.2.4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from hubsite.register.changes import ChangedMeanwhileError
from hubsite.scim import people, shapes
from hubsite.scim.models import ScimGroup, ScimUser
from hubsite.scim.reading import ScimError, read_changes, read_filter, read_resource
from hubsite.scim.shapes import COUNT_MAX, Shape
from hubsite.scim.tokens import PACE, token_of

TYPE = "application/scim+json"
_USER_FILTERS = {"username": "folded", "externalid": "external_id", "id": "pk"}
_GROUP_FILTERS = {"displayname": "group__name", "externalid": "external_id"}
_DIGITS = 9
LISTED_MAX = 10_000
_MEANWHILE = ScimError(409, "", "Somebody else has changed this meanwhile. Send it again.")

Call = Callable[..., HttpResponse]


_ALWAYS = frozenset({"schemas", "id", "meta"})


def _asked_for(request: HttpRequest, shape: Shape) -> Shape:
    """Return the attributes of a resource that a call asks for (RFC 7644, section 3.9)."""
    wanted = _names(request, "attributes")
    unwanted = _names(request, "excludedAttributes")
    return {
        name: value
        for name, value in shape.items()
        if name in _ALWAYS or (name.lower() in wanted if wanted else name.lower() not in unwanted)
    }


def _names(request: HttpRequest, parameter: str) -> frozenset[str]:
    """Return the attributes that a call names: of `name.formatted` the first part."""
    given = request.GET.get(parameter, "").lower().split(",")
    plain = (name.strip().rpartition(":")[2].partition(".")[0] for name in given)
    return frozenset(name for name in plain if name)


def _answer(shape: Any, status: int = 200) -> HttpResponse:
    return JsonResponse(shape, status=status, content_type=TYPE, safe=False)


def _of_directories(call: Call) -> Call:
    """Let a call through for who has a token (laws 1 to 3)."""

    @csrf_exempt
    @login_not_required
    def checked(request: HttpRequest, **named: str) -> HttpResponse:
        try:
            by = _who(request)
            return call(request, by, request.build_absolute_uri("/scim/v2"), **named)
        except ScimError as error:
            return _answer(shapes.error_shape(error), error.status)
        except ChangedMeanwhileError:
            return _answer(shapes.error_shape(_MEANWHILE), _MEANWHILE.status)

    return checked


def _who(request: HttpRequest) -> str:
    """Return by whose name acts are. Raise ScimError."""
    gate = settings.HUBSITE_RUNNING.gate
    address = request.META.get("REMOTE_ADDR", "")
    token = token_of(request.headers.get("Authorization", ""))
    if token is None and not gate.lets_token(address):
        raise ScimError(429, "", "Too many wrong tokens came from there.")
    if token is None:
        raise ScimError(401, "", "This token does not count.")
    if not PACE.lets(token):
        raise ScimError(429, "", "Slower, please.")
    return f"scim/{token.name}"


def _body(request: HttpRequest) -> Any:
    try:
        return msgspec.json.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ScimError(400, "invalidSyntax", "This is no JSON.") from error


def _needs(request: HttpRequest, *methods: str) -> str:
    if request.method not in methods:
        raise ScimError(405, "", f"Here are {', '.join(methods)}.")
    return str(request.method)


@_of_directories
def users(request: HttpRequest, by: str, base: str) -> HttpResponse:
    """List users, or make one."""
    if _needs(request, "GET", "POST") == "POST":
        made = people.make_user(by, read_resource(_body(request)))
        return _answer(_user(request, people.user_of(made.pk), base), 201)
    rows = ScimUser.objects.select_related("person").order_by("folded")
    found = read_filter(request.GET.get("filter", ""), _USER_FILTERS)
    if found is not None:
        column, value = found
        rows = rows.filter(**{column: value.casefold() if column == "folded" else value})
    return _listed(request, rows, lambda user: _user(request, user, base))


@_of_directories
def user(request: HttpRequest, by: str, base: str, key: str) -> HttpResponse:
    """Show a user, change one, or remove one."""
    method = _needs(request, "GET", "PUT", "PATCH", "DELETE")
    if method == "DELETE":
        people.remove_user(by, key)
        return HttpResponse(status=204)
    if method == "GET":
        return _answer(_user(request, people.user_of(key), base))
    read = read_resource if method == "PUT" else read_changes
    return _answer(_user(request, people.change_user(by, key, read(_body(request))), base))


@_of_directories
def groups(request: HttpRequest, by: str, base: str) -> HttpResponse:
    """List groups, or make one."""
    if _needs(request, "GET", "POST") == "POST":
        made = people.make_group(by, read_resource(_body(request)))
        return _answer(_group(request, people.group_of(str(made.pk)), base), 201)
    rows = ScimGroup.objects.select_related("group").order_by("pk")
    found = read_filter(request.GET.get("filter", ""), _GROUP_FILTERS)
    if found is not None:
        rows = rows.filter(**{found[0]: found[1]})
    return _listed(request, rows, lambda group: _group(request, group, base))


@_of_directories
def group(request: HttpRequest, by: str, base: str, key: str) -> HttpResponse:
    """Show a group, change one, or remove one."""
    method = _needs(request, "GET", "PUT", "PATCH", "DELETE")
    if method == "DELETE":
        people.remove_group(by, key)
        return HttpResponse(status=204)
    if method == "GET":
        return _answer(_group(request, people.group_of(key), base))
    read = read_resource if method == "PUT" else read_changes
    return _answer(_group(request, people.change_group(by, key, read(_body(request))), base))


def _user(request: HttpRequest, found: ScimUser, base: str) -> Shape:
    return _asked_for(request, shapes.user_shape(found, base))


def _group(request: HttpRequest, found: ScimGroup, base: str) -> Shape:
    is_short = "members" in _names(request, "excludedAttributes")
    members = None if is_short else sorted(people.members_of(found.group))
    return _asked_for(request, shapes.group_shape(found, members, base))


def _listed(
    request: HttpRequest, rows: QuerySet[Any], shape: Callable[[Any], Shape]
) -> HttpResponse:
    first = max(1, _number(request.GET.get("startIndex", ""), 1))
    count = min(COUNT_MAX, _number(request.GET.get("count", ""), COUNT_MAX))
    page = _with_room(shape(row) for row in rows[first - 1 : first - 1 + count])
    return _answer(shapes.list_shape(page, rows.count(), first))


def _with_room(listed: Iterable[Shape]) -> list[Shape]:
    """Return the first ones, as many as there is room for (law 4); the rest is never made."""
    page: list[Shape] = []
    members = 0
    for one in listed:
        members += len(one.get("members", ()))
        if page and members > LISTED_MAX:
            break
        page.append(one)
    return page


def _number(text: str, otherwise: int) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    return int(text) if is_number else otherwise


@_of_directories
def about(request: HttpRequest, _by: str, base: str, what: str, key: str = "") -> HttpResponse:
    """Tell what this service can do."""
    _needs(request, "GET")
    if what == "ServiceProviderConfig" and not key:
        return _answer(shapes.service_shape(base))
    listed = {"Schemas": shapes.schemas_shape, "ResourceTypes": shapes.types_shape}.get(what)
    found = listed(base) if listed else []
    if found and not key:
        return _answer(shapes.list_shape(found, len(found), 1))
    one = next((shape for shape in found if shape["id"] == key), None)
    if one is None:
        raise ScimError(404, "", "There is nothing here.")
    return _answer(one)
