"""Makes what reads the health of hubs, as the configuration says."""

from __future__ import annotations

from django.conf import settings

from hubgateway.authority import tls_authority
from hubsite.config import Engine, Site
from hubsite.fleet.judging import Judge
from hubsite.fleet.watch import FleetWatch
from hubsite.running import Part


def fleet_parts(site: Site) -> list[Part]:
    """Return the parts. Raise ConfigError for a certificate of an authority that is none."""
    engine = site.config.engine
    office = settings.HUBSITE_RUNNING.office
    if engine is None or office is None:
        return []
    judge = Judge(site.config.site, office.signer.issuer, _authority(site, engine))
    return [FleetWatch(judge, engine)]


def _authority(site: Site, engine: Engine) -> bytes | None:
    return tls_authority(engine.tls_authority, site.file) if engine.tls_authority else None
