"""Tells the web framework of this room's tables."""

from __future__ import annotations

from django.apps import AppConfig


class Webhooks(AppConfig):
    """Who is told of records, and how far."""

    name = "hubsite.webhooks"
    label = "webhooks"
