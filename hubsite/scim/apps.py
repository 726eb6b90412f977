"""Tells the web framework of this room's tables."""

from __future__ import annotations

from django.apps import AppConfig


class Scim(AppConfig):
    """What directories know of people and groups."""

    name = "hubsite.scim"
    label = "scim"
