"""The configuration of hubsite: one TOML file, checked before the start.

Laws:
1. A key that is unknown, missing or of the wrong type refuses the start.
2. Each section is a file of this room, with its own laws.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from hubcore.access.cards import CARD_KEY_BYTES
from hubcore.errors import ConfigError
from hubsite.config.bridge import Bridge
from hubsite.config.database import Database, database_of
from hubsite.config.hubs import (
    Engine,
    Operators,
    Signing,
    check_engine,
    check_operators,
    check_signing,
)
from hubsite.config.oidc import Oidc, check_oidc
from hubsite.config.phones import Phones, check_phones
from hubsite.config.records import Records
from hubsite.config.secrets import place_of, secret_file
from hubsite.config.syslog import Syslog, check_syslog
from hubsite.config.webhooks import Webhooks

SECRET_BYTES_MIN = 32
AEADS_OF_BROWSERS = frozenset({1, 3})
"""A128GCM and A256GCM; WebCrypto has no AES with 192 bits."""
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NAME = rf"\A(?=[A-Za-z0-9.-]{{1,253}}(?:\Z|:)){_LABEL}(?:\.{_LABEL})*"
HOST = rf"{_NAME}\Z"
"""Labels (RFC 1123): for the framework one that begins with a dot is each name below it."""
NEW_HUBS = rf"{_NAME}:[1-9][0-9]{{0,4}}\Z"
LISTEN = r"\A(\[[0-9A-Fa-f:.]+\]|[0-9.]{7,15}):[0-9]{1,5}\Z"
SITE = r"\A(?!-)[a-z0-9-]{1,32}(?<!-)\Z"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file; `hosts` are the names by which browsers call this server."""

    site: Annotated[str, Meta(pattern=SITE)]
    hosts: Annotated[
        tuple[Annotated[str, Meta(pattern=HOST)], ...], Meta(min_length=1, max_length=16)
    ]
    secret: str
    tls_key: str
    tls_certificate: str
    listen: Annotated[str, Meta(pattern=LISTEN)] = "127.0.0.1:8443"
    database: Annotated[str, Meta(min_length=1, max_length=1024)] = "hubsite.db"
    database_password: str = ""
    database_authority: str = ""
    new_hubs: Annotated[str, Meta(pattern=NEW_HUBS)] = ""
    """HOST:PORT of a gateway for new hubs, as their machines reach it; "" for the usual port."""
    time_zone: str = "UTC"
    threads: Annotated[int, Meta(ge=2, le=64)] = 8
    issuer_key: str = ""
    card_key: str = ""
    signing: Signing | None = None
    aeads: Annotated[tuple[Annotated[int, Meta(ge=1, le=3)], ...], Meta(min_length=1)] = (3, 1)
    engine: Engine | None = None
    bridge: Bridge | None = None
    operators: Operators = Operators()
    oidc: Oidc | None = None
    records: Records = Records()
    syslog: Syslog | None = None
    webhooks: Webhooks = Webhooks()
    phones: Phones = Phones()


@dataclass(frozen=True, slots=True)
class Site:
    """A configuration that was read, with what its files hold."""

    config: Config
    file: Path
    secret: bytes
    database: Database

    def place(self, named: str) -> Path:
        """Return the file that the configuration names."""
        return place_of(named, self.file)


def load(path: Path) -> Site:
    """Read the file and its secrets. Raise ConfigError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    config = parse(data, path)
    secret = secret_file(config.secret, path, "secret").strip()
    if len(secret) < SECRET_BYTES_MIN:
        raise ConfigError(
            f"{path}: secret {config.secret}: it has {len(secret)} bytes, and needs "
            f"{SECRET_BYTES_MIN}: `hubsite init` makes a good one"
        )
    database = database_of(
        config.database, config.database_password, config.database_authority, path
    )
    return Site(config, path, secret, database)


def card_key_of(site: Site) -> bytes:
    """Return the site's card key, b"" where the file names none. Raise ConfigError."""
    named = site.config.card_key
    if not named:
        return b""
    key = secret_file(named, site.file, "card_key")
    if len(key) != CARD_KEY_BYTES:
        raise ConfigError(f"{site.file}: card_key: it has {len(key)} bytes, not {CARD_KEY_BYTES}")
    return key


def parse(data: bytes, path: Path) -> Config:
    """Read what the file at `path` holds, and no other file. Raise ConfigError (law 1)."""
    try:
        config = msgspec.toml.decode(data, type=Config)
    except (UnicodeDecodeError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    _check(config, path)
    if config.engine is None:
        return config
    return msgspec.structs.replace(config, engine=_placed(config.engine, path))


def _placed(engine: Engine, path: Path) -> Engine:
    """Return the section with the places of the files that it names."""
    named = {"credentials": engine.credentials, "authority": engine.authority}
    places = {key: str(place_of(value, path)) for key, value in named.items() if value}
    return msgspec.structs.replace(engine, **places)


def _check(config: Config, path: Path) -> None:
    try:
        ZoneInfo(config.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"{path}: time_zone: {config.time_zone!r} is no zone such as Europe/Berlin"
        ) from error
    if not AEADS_OF_BROWSERS.intersection(config.aeads):
        raise ConfigError(
            f"{path}: aeads: {list(config.aeads)} has only A192GCM, which no browser has: no phone "
            "in a browser would open a door. Name 3, 1 or both, as in the hubs' protocol.aead"
        )
    if config.signing is not None:
        check_signing(config.signing, config.issuer_key, config.card_key, path)
    check_operators(config.operators, path)
    check_phones(config.phones, config.hosts[0], path)
    if config.syslog is not None:
        check_syslog(config.syslog, path)
    if config.oidc is not None:
        check_oidc(config.oidc, path)
    if config.engine is not None:
        check_engine(config.engine, bool(config.issuer_key or config.signing), path)
