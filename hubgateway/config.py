"""The gateway's configuration: one TOML file, checked before the start.

Laws:
1. A key that is unknown, missing or of the wrong type refuses the start.
2. A secret is in a file of its own, which not everybody may read.
3. An engine on another machine is reached by TLS, unless the file says `in_clear`
   (`hubcore.backend.ways`).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Annotated, Protocol, TypeVar

import msgspec
import zmq
from msgspec import Meta

from hubcore.backend.ways import check_server
from hubcore.errors import ConfigError

_ENDPOINT = r"\Atcp://(\[[0-9A-Fa-f:.%*]+\]|[A-Za-z0-9._*-]{1,253}):([0-9]{1,5}|\*)\Z"
_CREDENTIAL = "credential:"
_HUBS_REACH = r"\Atcp://(\*|\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]{1,253}):[0-9]{1,5}\Z"
_Z85_KEY = r"\A[0-9A-Za-z.:+=^!/*?&<>()\[\]{}@%$#-]{40}\Z"
Z85Key = Annotated[str, Meta(pattern=_Z85_KEY)]

Servers = Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)]
BRIDGES_PORT = 7716
Label = Annotated[str, Meta(pattern=r"\A(?!-)[a-z0-9-]{1,32}(?<!-)\Z")]
"""A part of a name in TLS (`hubcore.codec.tls`)."""
SiteName = Annotated[str, Meta(min_length=1, max_length=32)]


class Enrolment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where new hubs come, and what all hubs of the site are told."""

    listen: Annotated[str, Meta(pattern=_ENDPOINT)]
    secret: str
    site: SiteName
    issuer: str
    tls_authority: str
    endpoints: Annotated[
        tuple[Annotated[str, Meta(pattern=_HUBS_REACH)], ...], Meta(min_length=1, max_length=4)
    ]
    next_server_key: Z85Key | None = None
    beacon_key: str = ""
    card_key: str = ""


class Bridges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the bridges of the site come."""

    site: Label
    name: Label
    """This gateway's name in TLS: the bridges have it in their `[[backend]]`."""
    listen: str
    tls_key: str
    tls_certificate: str
    tls_authority: str
    issuer: str
    receipts_key: str
    port: Annotated[int, Meta(ge=1, le=65535)] = BRIDGES_PORT


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    listen: Annotated[str, Meta(pattern=_ENDPOINT)]
    curve_secret: str
    servers: Servers
    credentials: str = ""
    authority: str = ""
    """Who vouches for the engine's certificate (PEM), "" for those whom this system believes."""
    in_clear: bool = False
    """Whether `nats://` may lead to another machine: on a way that something else guards."""
    replicas: Annotated[int, Meta(ge=1, le=5)] = 1
    enrolment: Enrolment | None = None
    bridges: Bridges | None = None


class IssuerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file of `hubissuer`."""

    servers: Servers
    site: SiteName
    issuer_key: str
    """A file, or the `pkcs11:` URI of a key in a token; so is `authority_key`."""
    authority_key: str
    tls_authority: str
    enrolment_key: Z85Key
    issuer_secret: str = ""
    """The file of its passphrase or PIN. None: a person is asked."""
    authority_secret: str = ""
    credentials: str = ""
    authority: str = ""
    in_clear: bool = False
    replicas: Annotated[int, Meta(ge=1, le=5)] = 1


_File = TypeVar("_File", Config, IssuerConfig)


class EngineAt(Protocol):
    """A section that says where the engine is."""

    @property
    def servers(self) -> tuple[str, ...]:
        """Return its addresses."""

    @property
    def credentials(self) -> str:
        """Return what is named as the account there, "" for nothing."""

    @property
    def authority(self) -> str:
        """Return what is named as who vouches for it, "" for nothing."""

    @property
    def in_clear(self) -> bool:
        """Tell whether something else guards the way."""


def load(path: Path) -> Config:
    """Read the gateway's file. Raise ConfigError."""
    return _load(path, Config)


def parse(data: bytes, path: Path) -> Config:
    """Read what the gateway's file at `path` holds. Raise ConfigError."""
    return _parse(data, path, Config)


def load_issuer(path: Path) -> IssuerConfig:
    """Read the file of `hubissuer`. Raise ConfigError."""
    return _load(path, IssuerConfig)


def _load(path: Path, kind: type[_File]) -> _File:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"hubgateway: {path}: {error}") from error
    return _parse(data, path, kind)


def _parse(data: bytes, path: Path, kind: type[_File]) -> _File:
    try:
        config = msgspec.toml.decode(data, type=kind)
    except (UnicodeDecodeError, msgspec.DecodeError) as error:
        raise ConfigError(f"hubgateway: {path}: {error}") from error
    return msgspec.structs.replace(config, **reached(config, path))


def reached(section: EngineAt, path: Path) -> dict[str, str]:
    """Look at how a section reaches the engine; return the places of the files that it names.

    Raise ConfigError (law 3).
    """
    for server in section.servers:
        try:
            check_server(server, section.in_clear)
        except ValueError as error:
            raise ConfigError(f"hubgateway: {path}: servers: {error}") from error
    named = {"credentials": section.credentials, "authority": section.authority}
    return {key: str(place_of(value, path)) for key, value in named.items() if value}


def secret_key(named: str, config_file: Path, key: str = "curve_secret") -> bytes:
    """Return a Curve secret key in Z85; `key` says it in the file. Raise ConfigError."""
    secret = secret_file(named, config_file, key).strip()
    try:
        zmq.curve_public(secret)
    except (ValueError, zmq.ZMQError, KeyError) as error:
        raise ConfigError(
            f"hubgateway: {key} {named}: it is no Curve key of 40 characters in Z85"
        ) from error
    return secret


def secret_file(named: str, config_file: Path, key: str) -> bytes:
    """Read a secret. Raise ConfigError.

    A relative path is beside the file. `credential:NAME` is what systemd hands over.
    """
    path = place_of(named, config_file)
    try:
        mode = path.stat().st_mode
        secret = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"hubgateway: {key} {path}: {error.strerror}") from error
    if stat.S_IMODE(mode) & stat.S_IRWXO:
        raise ConfigError(f"hubgateway: {key} {path}: others may use it: chmod o= {path}")
    return secret


def public_file(path: Path, key: str) -> bytes:
    """Read a file that is no secret. Raise ConfigError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"hubgateway: {key} {path}: {error.strerror}") from error


def place_of(named: str, config_file: Path) -> Path:
    """Return the file that the configuration names."""
    credential = named.removeprefix(_CREDENTIAL)
    if credential == named:
        return config_file.parent / named
    return Path(os.environ.get("CREDENTIALS_DIRECTORY", "/run/credentials")) / credential
