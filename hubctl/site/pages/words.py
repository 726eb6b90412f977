"""The words for one thing that a bridge says: its backend, certificates, policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubterm.text import age, clean, is_number, moment

DAY_SECONDS = 86_400
NEXT_CERTIFICATE = {
    "none": "none is asked for",
    "asked": "it has asked for the next one",
    "certified": "it has the next one, and tries it",
}
"""What the bridge calls them, and their words."""
Facts = Mapping[str, Any]
"""What a bridge says of something."""


def days_left(hub: Facts, now: Any) -> float | None:
    """Return for how many days a hub's certificate holds; None: not known."""
    ends = hub.get("certificate_ends")
    if not is_number(ends) or not is_number(now):
        return None
    return (ends - now) / DAY_SECONDS


def next_words(status: Facts) -> str:
    """Say how far the bridge's next certificate is."""
    said = status.get("certificate_next")
    return NEXT_CERTIFICATE.get(said, clean(said)) if isinstance(said, str) else "not known"


def certificate_words(status: Facts) -> str:
    """Say until when the bridge's own certificate is, and how far the next one is."""
    ends = status.get("certificate_ends")
    if not is_number(ends):
        return "-"
    return f"until {moment(ends)}, {next_words(status)}"


def backend_words(status: Facts) -> str:
    """Say how the bridge's way to the backend is."""
    way = status.get("backend")
    if not isinstance(way, Mapping):
        return "this bridge has no way there"
    heard = way.get("heard_seconds")
    said = f"heard {age(heard)} ago" if is_number(heard) else "not heard since the bridge started"
    gateway = f", gateway {clean(way['gateway'])}" if way.get("gateway") else ""
    why = f": {clean(way['why'])}" if way.get("why") else ""
    return f"{clean(way.get('phase'))}{gateway}, {said}{why}"


def policy_words(status: Facts) -> str:
    """Say which policy the bridge has whole for its hubs, and which one is on its way."""
    version = status.get("policy_version")
    said = f"version {clean(version)}, whole" if is_number(version) else "none"
    coming = status.get("policy_coming")
    return f"{said}; version {clean(coming)} is on its way" if is_number(coming) else said
