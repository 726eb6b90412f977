"""Finds what follows the bridge among the parts of this server."""

from __future__ import annotations

from django.conf import settings

from hubsite.bridge.watching.watch import BridgeWatch


def the_watch() -> BridgeWatch | None:
    """Return it, None where no bridge is in this server's file."""
    for part in settings.HUBSITE_RUNNING.parts:
        if isinstance(part, BridgeWatch):
            return part
    return None
