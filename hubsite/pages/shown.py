"""What every page shows: the site's name, its style, the way to the other pages."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from hubsite.pages import assets
from hubsite.pages.register.subjects import SUBJECTS


def everywhere(request: HttpRequest) -> dict[str, Any]:
    """Return what the frame of a page needs."""
    return {
        "site": settings.HUBSITE.config.site,
        "style": assets.address_of("hubsite.css"),
        "ways": ways(),
        "here": request.path,
    }


def ways() -> list[tuple[str, str]]:
    """Return the pages of the menu: their addresses, and the words for them."""
    subjects = [(reverse("rows", args=[one.name]), one.many) for one in SUBJECTS]
    more = [(reverse("hubs"), "Hubs"), (reverse("acts"), "Acts")]
    return [(reverse("home"), "Overview"), *subjects, *more]
