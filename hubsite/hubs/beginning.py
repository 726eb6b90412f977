"""Begins what signs and what publishes, in the process that serves."""

from __future__ import annotations

from django.conf import settings

from hubsite.config import Site
from hubsite.hubs.office import Office
from hubsite.hubs.publisher import Publisher
from hubsite.hubs.signer import FileSigner


def begin_hubs(site: Site) -> None:
    """Begin as the configuration says. Raise ConfigError for a key that is none."""
    if not site.config.issuer_key:
        return
    office = Office(site.config.site, FileSigner.at(site.place(site.config.issuer_key)))
    engine = site.config.engine
    publisher = None if engine is None else Publisher(office, engine)
    settings.HUBSITE_RUNNING.begin(office, publisher)
    if publisher is not None:
        publisher.start()


def end_hubs() -> None:
    """End what publishes, if it was begun."""
    publisher = settings.HUBSITE_RUNNING.publisher
    if publisher is not None:
        publisher.stop()
