"""Tells the web framework of this room's tables."""

from __future__ import annotations

from django.apps import AppConfig


class Fleet(AppConfig):
    """The hubs of the site."""

    name = "hubsite.fleet"
    label = "fleet"
