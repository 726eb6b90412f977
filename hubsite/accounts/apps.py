"""Tells the web framework of this room's tables."""

from __future__ import annotations

from django.apps import AppConfig


class Accounts(AppConfig):
    """Accounts and how they sign in."""

    name = "hubsite.accounts"
    label = "accounts"
