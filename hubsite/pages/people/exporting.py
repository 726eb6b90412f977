"""A file of everybody who is there: an act, for it takes all names out of this server."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.people.applying import known_people
from hubsite.people.table import write


@require_POST
def exported(request: HttpRequest) -> HttpResponse:
    """Answer with the file; who has left is not in it."""
    people = sorted(
        (person for person in known_people() if not person.has_left),
        key=lambda person: (person.name, person.key),
    )
    with transaction.atomic():
        log.write(request.user.name, ActKind.PEOPLE_EXPORTED, count=len(people))
    text = write(
        (person.name, person.external or person.key, sorted(person.groups)) for person in people
    )
    response = HttpResponse(text, content_type="text/csv; charset=utf-8; header=present")
    response.headers["Content-Disposition"] = 'attachment; filename="people.csv"'
    return response
