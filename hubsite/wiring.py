"""Begins what the process that serves has beside its pages: the one place that knows each part."""

from __future__ import annotations

import os
from functools import partial

from django.conf import settings

from hubcore.errors import ConfigError
from hubsite.bridge.watching.watch import BridgeWatch
from hubsite.certificate.watch import CertificateWatch
from hubsite.clocks.watch import ClockWatch
from hubsite.config import Site, Syslog
from hubsite.fleet.beginning import fleet_parts
from hubsite.hubs.beginning import begin_hubs, end_hubs
from hubsite.oidc.beginning import make_provider
from hubsite.orders.giving.making import keep_orders, make_desk
from hubsite.records.follower import Follower
from hubsite.records.witnesses import Issuer
from hubsite.running import Part
from hubsite.syslog.lines import Sender
from hubsite.syslog.shipper import Shipper
from hubsite.syslog.wire import SyslogWire, context_of
from hubsite.tidying import Tidier
from hubsite.webhooks.courier import Courier
from hubsite.webhooks.posting import Poster
from hubsite.webhooks.posting import context_of as context_of_webhooks


def begin(site: Site) -> None:
    """Begin what the configuration asks for. Raise ConfigError."""
    begin_hubs(site, keep_orders)
    try:
        settings.HUBSITE_RUNNING.provider = make_provider(site)
        parts = _parts(site)  # they ask who signs
    except ConfigError:
        end_hubs()
        raise
    settings.HUBSITE_RUNNING.begin_parts(parts)


def end() -> None:
    """End what was begun."""
    settings.HUBSITE_RUNNING.end_parts()
    end_hubs()


def _parts(site: Site) -> list[Part]:
    """Make the parts with a thread of their own. Raise ConfigError."""
    engine = site.config.engine
    parts: list[Part] = [Tidier(ClockWatch()), CertificateWatch(site)]
    if site.config.syslog is not None:
        parts.append(_shipper(site, site.config.syslog))
    poster = Poster(context_of_webhooks(site), site.config.webhooks.private_addresses)
    parts.append(Courier(poster, site.secret, site.config.webhooks.days))
    if engine is not None:
        parts.append(Follower(engine, site.config.records, partial(_issuer, site)))
    if site.config.bridge is not None:
        parts.append(BridgeWatch(site.place(site.config.bridge.socket)))
    desk = make_desk(site, settings.HUBSITE_RUNNING.office)
    settings.HUBSITE_RUNNING.orders = desk
    if desk is not None:
        parts.append(desk)
    return [*parts, *fleet_parts(site)]


def _shipper(site: Site, section: Syslog) -> Part:
    """Make what sends logs. Raise ConfigError."""
    context = context_of(site, section)
    connect = partial(SyslogWire, section.host, section.port, context)
    return Shipper(connect, Sender(site.config.hosts[0], os.getpid()))


def _issuer(site: Site) -> Issuer | None:
    """Return whose mandates count, None while nothing signs."""
    office = settings.HUBSITE_RUNNING.office
    return None if office is None else Issuer(site.config.site, office.signer.issuer)
