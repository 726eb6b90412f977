"""Tells the web framework of this room's tables."""

from __future__ import annotations

from django.apps import AppConfig


class Bridge(AppConfig):
    """The bridge of this building."""

    name = "hubsite.bridge"
    label = "bridge"
