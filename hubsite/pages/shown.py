"""What every page shows: the site's name, its style, the way to the other pages."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from hubsite.pages import assets
from hubsite.pages.register.subjects import SUBJECTS
from hubsite.records.showing.alarms import count_unseen


class Way(NamedTuple):
    """One page of the menu: its address, and the words for it."""

    address: str
    words: str


class Group(NamedTuple):
    """A list of the menu under a label of its own."""

    label: str
    ways: tuple[Way, ...]


def everywhere(request: HttpRequest) -> dict[str, Any]:
    """Return what the frame of a page needs."""
    return {
        "site": settings.HUBSITE.config.site,
        "style": assets.address_of("hubsite.css"),
        "key_script": assets.address_of("key.js"),
        "scripts": assets.scripts(),
        "ways": ways(),
        "alarms_at": reverse("alarms"),
        "count_alarms": count_unseen,  # asked where the menu is shown, and nowhere else
        "here": request.path,
        "has_bridge": settings.HUBSITE.config.bridge is not None,
    }


def ways() -> tuple[Group, ...]:
    """Return the menu. A page that is added is a line in one of the groups."""
    subjects = tuple(Way(reverse("rows", args=[one.name]), one.many) for one in SUBJECTS)
    now = (
        Way(reverse("home"), "Overview"),
        Way(reverse("doors-now"), "Doors now"),
        Way(reverse("alarms"), "Alarms"),
        Way(reverse("orders"), "Orders"),
    )
    guests = Way(reverse("guests"), "Guests")
    of_site = (
        Way(reverse("hubs"), "Hubs"),
        Way(reverse("new-hubs"), "New hubs"),
        Way(reverse("devices"), "Devices"),
        Way(reverse("records"), "Records"),
        Way(reverse("acts"), "Acts"),
        Way(reverse("webhooks"), "Webhooks"),
        Way(reverse("scim-tokens"), "Directories"),
    )
    return (
        Group("Now", now),
        Group("Who may", (*subjects, guests)),
        Group("This site", of_site),
    )
