"""What is left to do at a new site, from the first door to the first phone.

Law: it is told until the site has had a phone, and never again. Before that each step says whether
it is done.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from hubsite.fleet.models import HubState
from hubsite.register.models import AccessPoint, Credential, Grant, Person


@dataclass(frozen=True, slots=True)
class Step:
    """What somebody does, the page for it, and whether it is done."""

    sentence: str
    address: str
    is_done: bool


def first_steps() -> list[Step]:
    """Return the steps in their order, none once a phone was added (the law)."""
    if Credential.objects.exists():
        return []
    people = Person.objects.filter(is_guest=False)
    return [
        Step(
            sentence="Add a door, and on its page an access point: the way in.",
            address=reverse("rows", args=["door"]),
            is_done=AccessPoint.objects.exists(),
        ),
        Step(
            sentence="Make a token, and take in the door's hub with it.",
            address=reverse("new-hubs"),
            is_done=HubState.objects.exists(),
        ),
        Step(
            sentence="Add a person.",
            address=reverse("rows", args=["person"]),
            is_done=people.exists(),
        ),
        Step(
            sentence="Grant the person the access point. Hours are optional.",
            address=reverse("rows", args=["grant"]),
            is_done=Grant.objects.exists(),
        ),
        Step(
            sentence="On the person's page make a link that connects a phone, and send it.",
            address=reverse("rows", args=["person"]),
            is_done=False,
        ),
    ]
