"""Tells the web framework of this room's tables."""

from __future__ import annotations

from django.apps import AppConfig


class Records(AppConfig):
    """The records of hubs."""

    name = "hubsite.records"
    label = "records"
