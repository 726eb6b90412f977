"""Tells the web framework of this room's tables."""

from __future__ import annotations

from django.apps import AppConfig


class Passkeys(AppConfig):
    """Passkeys of phones, and what came back by them."""

    name = "hubsite.passkeys"
    label = "passkeys"
