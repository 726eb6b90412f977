"""Tells the web framework of this room's tables."""

from __future__ import annotations

from django.apps import AppConfig


class Orders(AppConfig):
    """The orders for doors."""

    name = "hubsite.orders"
    label = "orders"
