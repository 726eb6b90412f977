"""Runs what a command does, with the keys of the configuration and the engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from zmq.utils import z85

from hubcore.codec.cose import SigningKey
from hubcore.codec.tlsauthority import Authority
from hubgateway.authority import tls_authority
from hubgateway.config import load_issuer
from hubgateway.engine.engine import Engine
from hubgateway.engine.visit import with_engine
from hubgateway.issuer.holding.kinds import open_key
from hubgateway.issuer.holding.secrets import secret_from
from hubgateway.issuer.office.bridges import BridgeOffice
from hubgateway.issuer.office.hubs import HubOffice

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Office:
    """What an operator may decide about."""

    site: str
    hubs: HubOffice
    bridges: BridgeOffice


def at_office(config_file: Path, work: Callable[[Office], Awaitable[_T]]) -> _T:
    """Do some work at the office. Raise ConfigError, HardwareError, LinkError, StoreError."""
    config = load_issuer(config_file)
    issuer = _key("issuer_key", config.issuer_key, config.issuer_secret, config_file)
    authority = authority_at(config_file)

    async def connected(engine: Engine) -> _T:
        public = z85.decode(config.enrolment_key.encode("ascii"))
        office = Office(
            site=config.site,
            hubs=HubOffice(
                engine.buckets,
                engine.archive,
                issuer,
                authority,
                config.site,
                public,
                wall=time.time,
            ),
            bridges=BridgeOffice(engine.buckets, issuer, authority, config.site, wall=time.time),
        )
        return await work(office)

    return asyncio.run(with_engine(config, connected))


def authority_at(config_file: Path) -> Authority:
    """Open the site's TLS authority; it needs no engine. Raise ConfigError, HardwareError."""
    config = load_issuer(config_file)
    return Authority(
        key=_key("authority_key", config.authority_key, config.authority_secret, config_file),
        document=tls_authority(config.tls_authority, config_file),
    )


def _key(name: str, named: str, secret: str, config_file: Path) -> SigningKey:
    """Open a key that signs. Raise ConfigError, HardwareError."""
    asks = secret_from(secret, config_file, f"{name.removesuffix('_key')}_secret")
    return open_key(name, named, config_file, asks).key
