"""Tells the web framework of this room's tables."""

from __future__ import annotations

from django.apps import AppConfig


class Register(AppConfig):
    """People, doors, hours and grants."""

    name = "hubsite.register"
    label = "register"
