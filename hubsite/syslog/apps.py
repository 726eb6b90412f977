"""Tells the web framework of this room's table."""

from __future__ import annotations

from django.apps import AppConfig


class Syslog(AppConfig):
    """How far acts were sent."""

    name = "hubsite.syslog"
    label = "syslog"
