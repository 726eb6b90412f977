"""Tells the web framework of this room's table."""

from __future__ import annotations

from django.apps import AppConfig


class People(AppConfig):
    """The ids that people have elsewhere."""

    name = "hubsite.people"
    label = "people"
