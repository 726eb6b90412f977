"""Tells the web framework of this room's templates."""

from __future__ import annotations

from django.apps import AppConfig


class Pages(AppConfig):
    """What is shown."""

    name = "hubsite.pages"
    label = "pages"
