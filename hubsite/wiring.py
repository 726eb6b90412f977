"""Begins what the process that serves has beside its pages: the one place that knows each part."""

from __future__ import annotations

from django.conf import settings

from hubsite.config import Site
from hubsite.hubs.beginning import begin_hubs, end_hubs
from hubsite.orders.making import keep_orders, make_desk
from hubsite.records.follower import Follower
from hubsite.running import Part


def begin(site: Site) -> None:
    """Begin what the configuration asks for. Raise ConfigError."""
    begin_hubs(site, keep_orders)
    parts = _parts(site)
    settings.HUBSITE_RUNNING.begin_parts(parts)


def end() -> None:
    """End what was begun."""
    settings.HUBSITE_RUNNING.end_parts()
    end_hubs()


def _parts(site: Site) -> list[Part]:
    """Make the parts with a thread of their own. Raise ConfigError."""
    engine = site.config.engine
    parts: list[Part] = []
    if engine is not None:
        parts.append(Follower(engine, site.config.records))
    desk = make_desk(site, settings.HUBSITE_RUNNING.office)
    settings.HUBSITE_RUNNING.orders = desk
    if desk is not None:
        parts.append(desk)
    return parts
