"""Begins what signs and what publishes, in the process that serves."""

from __future__ import annotations

from django.conf import settings

from hubsite.config import Site, card_key_of, operator_of
from hubsite.hubs.kept import KeepOrders
from hubsite.hubs.office import Office
from hubsite.hubs.publisher import Publisher
from hubsite.hubs.remote import signing_client
from hubsite.hubs.signer import FileSigner, Signer


def begin_hubs(site: Site, keep_orders: KeepOrders) -> None:
    """Begin as the configuration says. Raise ConfigError for a key that is none.

    `keep_orders` keeps what hubs answer to orders.
    """
    signer = _signer(site)
    if signer is None:
        return
    office = Office(site.config.site, signer, operator_of(site.config.operators))
    engine = site.config.engine
    publisher = None if engine is None else Publisher(office, engine, keep_orders)
    settings.HUBSITE_RUNNING.begin(office, publisher)
    if publisher is not None:
        publisher.start()


def _signer(site: Site) -> Signer | None:
    """Return what signs, None where nothing does. Raise ConfigError."""
    if site.config.signing is not None:
        return signing_client(site, site.config.signing)
    if site.config.issuer_key:
        return FileSigner.at(site.place(site.config.issuer_key), card_key_of(site))
    return None


def end_hubs() -> None:
    """End what publishes, if it was begun."""
    publisher = settings.HUBSITE_RUNNING.publisher
    if publisher is not None:
        publisher.stop()
