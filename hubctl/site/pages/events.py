"""What happens at a site, as `hubctl --site watch` says it."""

from __future__ import annotations

from hubctl.site.pages.words import Facts
from hubterm.shapes import mapping
from hubterm.text import clean, moment


def event_line(event: Facts) -> str:
    """Return what happened as one line."""
    shown = mapping(event)
    facts = [
        f"{clean(name)}={moment(value) if name == 'was_at' else clean(value)}"
        for name, value in shown.items()
        if name not in ("event", "at", "hub")
    ]
    hub = shown.get("hub")
    head = f"{moment(shown.get('at'))}  {clean(shown.get('event')):<14}"
    return " ".join([head, clean(hub) if hub is not None else "the site", *facts])
