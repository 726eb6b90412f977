"""The configuration of hubsite: one TOML file, checked before the start.

Laws:
1. A key that is unknown, missing or of the wrong type refuses the start.
2. A secret is in a file of its own, which not everybody may read.
3. Operators open only doors that are named: release and hold-open need access points.
4. Either all of what one database needs is there, or the start is refused.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from hubcore.errors import ConfigError
from hubcore.policy.policy import OPENING, POINTS_AN_OPERATOR, Operator, rights_of

SECRET_BYTES_MIN = 32
FILE_BYTES_MAX = 65_536
_CREDENTIAL = "credential:"
_HOST = r"\A(?!-)[A-Za-z0-9.-]{1,253}(?<!-)\Z"
_LISTEN = r"\A(\[[0-9A-Fa-f:.]+\]|[0-9.]{7,15}):[0-9]{1,5}\Z"
_SITE = r"\A(?!-)[a-z0-9-]{1,32}(?<!-)\Z"
_SERVER = re.compile(r"(nats|tls)://[^\s/]{1,253}")
_POSTGRESQL = "postgresql"
POSTGRESQL_PORT = 5432
SIGNER_PORT = 7718


class Engine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the hubs' engine is (docs/backend.md)."""

    servers: Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)]
    credentials: str = ""
    replicas: Annotated[int, Meta(ge=1, le=5)] = 1


class Operators(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What each operator may order of hubs, and where: no access point means at all."""

    rights: Annotated[tuple[str, ...], Meta(max_length=16)] = ("lock-down", "command")
    access_points: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=65_535)], ...], Meta(max_length=POINTS_AN_OPERATOR)
    ] = ()


class Signing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What signs elsewhere (`hubissuer serve`), and the issuer's public key, which is pinned.

    `socket` on this machine; or `host`, with the `signer`'s name in TLS, this `server`'s own name,
    and its files.
    """

    issuer: str
    socket: str = ""
    host: str = ""
    port: Annotated[int, Meta(ge=1, le=65535)] = SIGNER_PORT
    signer: str = ""
    server: str = ""
    tls_key: str = ""
    tls_certificate: str = ""
    tls_authority: str = ""

    def is_whole(self) -> bool:
        """Tell whether it says one way, and all that this way needs."""
        names = (self.signer, self.server, self.tls_key, self.tls_certificate, self.tls_authority)
        by_tls = [self.host, *names]
        return not any(by_tls) if self.socket else all(by_tls)


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file; `hosts` are the names by which browsers call this server."""

    site: Annotated[str, Meta(pattern=_SITE)]
    hosts: Annotated[
        tuple[Annotated[str, Meta(pattern=_HOST)], ...], Meta(min_length=1, max_length=16)
    ]
    secret: str
    tls_key: str
    tls_certificate: str
    listen: Annotated[str, Meta(pattern=_LISTEN)] = "127.0.0.1:8443"
    database: Annotated[str, Meta(min_length=1, max_length=1024)] = "hubsite.db"
    database_password: str = ""
    time_zone: str = "UTC"
    threads: Annotated[int, Meta(ge=2, le=64)] = 8
    issuer_key: str = ""
    signing: Signing | None = None
    aeads: Annotated[tuple[Annotated[int, Meta(ge=1, le=3)], ...], Meta(min_length=1)] = (3, 1)
    engine: Engine | None = None
    operators: Operators = Operators()


@dataclass(frozen=True, slots=True)
class Database:
    """One database: a file of SQLite, or a place of PostgreSQL."""

    name: str
    is_postgresql: bool = False
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""


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
    return Site(config, path, secret, _database(config, path))


def parse(data: bytes, path: Path) -> Config:
    """Read what the file at `path` holds, and no other file. Raise ConfigError (law 1)."""
    try:
        config = msgspec.toml.decode(data, type=Config)
    except (UnicodeDecodeError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    _check(config, path)
    return config


def _check(config: Config, path: Path) -> None:
    try:
        ZoneInfo(config.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"{path}: time_zone: {config.time_zone!r} is no zone such as Europe/Berlin"
        ) from error
    _check_signing(config, path)
    _check_operators(config, path)
    if config.engine is not None and not (config.issuer_key or config.signing):
        raise ConfigError(
            f"{path}: engine: without issuer_key or [signing] nothing is signed for hubs"
        )
    for server in config.engine.servers if config.engine else ():
        if not _SERVER.fullmatch(server):
            raise ConfigError(
                f"{path}: servers: {server!r} is no nats://HOST:PORT or tls://HOST:PORT"
            )


def operator_of(section: Operators) -> Operator:
    """Return what each operator may order. Raise ValueError for a word that is no right."""
    return Operator(rights_of(section.rights), frozenset(section.access_points))


def _check_operators(config: Config, path: Path) -> None:
    """Keep law 3. Raise ConfigError."""
    try:
        operator = operator_of(config.operators)
    except ValueError as error:
        raise ConfigError(f"{path}: operators.rights: {error}") from error
    if operator.rights & OPENING and not operator.access_points:
        raise ConfigError(
            f"{path}: operators: release and hold-open need access_points: those doors alone"
        )


def _check_signing(config: Config, path: Path) -> None:
    if config.signing is None:
        return
    if config.issuer_key:
        raise ConfigError(f"{path}: it has issuer_key and [signing]: one of both signs")
    if not config.signing.is_whole():
        raise ConfigError(
            f"{path}: signing: it has socket; or host, signer, server, tls_key, tls_certificate "
            "and tls_authority"
        )


def _database(config: Config, path: Path) -> Database:
    """Return where the rows are (law 4). Raise ConfigError."""
    if "://" not in config.database:
        if config.database_password:
            raise ConfigError(f"{path}: database_password: a file of SQLite has none")
        return Database(str(place_of(config.database, path)))
    try:
        url = urlsplit(config.database)
        port = url.port or POSTGRESQL_PORT
    except ValueError as error:
        raise ConfigError(f"{path}: database: {error}") from error
    name = url.path.removeprefix("/")
    if url.scheme != _POSTGRESQL or not (url.hostname and url.username and name) or url.password:
        raise ConfigError(
            f"{path}: database: it is a file's name, or postgresql://USER@HOST:PORT/NAME; "
            "a password is in the file that database_password names"
        )
    password = b""
    if config.database_password:
        password = secret_file(config.database_password, path, "database_password")
    return Database(
        name=name,
        is_postgresql=True,
        host=url.hostname,
        port=port,
        user=url.username,
        password=password.decode("utf-8", "replace").strip(),
    )


def secret_file(named: str, config_file: Path, key: str) -> bytes:
    """Read a secret (law 2). Raise ConfigError.

    A relative path is beside the file. `credential:NAME` is what systemd hands over.
    """
    path = place_of(named, config_file)
    try:
        mode = path.stat().st_mode
        with path.open("rb") as file:
            secret = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{config_file}: {key} {path}: {error.strerror}") from error
    if stat.S_IMODE(mode) & stat.S_IRWXO:
        raise ConfigError(f"{config_file}: {key} {path}: others may use it: chmod o= {path}")
    if len(secret) > FILE_BYTES_MAX:
        raise ConfigError(f"{config_file}: {key} {path}: over {FILE_BYTES_MAX} bytes")
    return secret


def place_of(named: str, config_file: Path) -> Path:
    """Return the file that the configuration names."""
    credential = named.removeprefix(_CREDENTIAL)
    if credential == named:
        return config_file.parent / named
    return Path(os.environ.get("CREDENTIALS_DIRECTORY", "/run/credentials")) / credential
