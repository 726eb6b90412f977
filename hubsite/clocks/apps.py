"""Tells the web framework of this room's table."""

from __future__ import annotations

from django.apps import AppConfig


class Clocks(AppConfig):
    """What is kept of this server's clock."""

    name = "hubsite.clocks"
    label = "clocks"
