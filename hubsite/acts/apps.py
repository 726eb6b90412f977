"""Tells the web framework of this room's tables."""

from __future__ import annotations

from django.apps import AppConfig


class Acts(AppConfig):
    """The acts of operators."""

    name = "hubsite.acts"
    label = "acts"
