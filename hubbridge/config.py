"""A bridge's configuration: one TOML file, checked before the start.

Laws:
1. A key that is unknown, missing or of the wrong type refuses the start.
2. A secret is in a file of its own. A relative path is beside the configuration;
   `credential:NAME` is what systemd hands over. Whoever runs the program by hand reads it where
   systemd takes it from.
3. Whether the files belong together is for their readers to judge.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from hubbridge.rules.room import RoomLimits
from hubcore.errors import ConfigError
from hubcore.localapi import BRIDGE_SOCKET, ROOT_SUFFIX
from hubtls.identity import IdentityFiles

DEFAULT_PORT = 7715
BACKEND_PORT = 7716
GATEWAYS_MAX = 8
MANDATE_FILES_MAX = 16
OPERATORS_MAX = 64
SOCKET_PATH_BYTES_MAX = 107 - len(ROOT_SUFFIX)
"""Of the two files, root's own has the longer name (unix(7), sun_path)."""
_CREDENTIAL = "credential:"
_CREDENTIALS = "CREDENTIALS_DIRECTORY"
_STORE = Path("/etc/credstore")
_MIB = 1 << 20

Label = Annotated[str, Meta(pattern=r"\A(?!-)[a-z0-9-]{1,32}(?<!-)\Z")]
"""A part of a name in TLS (`hubcore.codec.tls`)."""


class Room(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the hubs' records may take on the disk."""

    budget_mib: Annotated[int, Meta(ge=16, le=1 << 20)] = 2048
    hubs: Annotated[int, Meta(ge=1, le=1024)] = 128
    free_mib: Annotated[int, Meta(ge=8, le=1 << 16)] = 32


class Api(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The local socket of `hubctl --site`, and who orders there."""

    socket: Annotated[str, Meta(min_length=1, max_length=SOCKET_PATH_BYTES_MAX)] = BRIDGE_SOCKET
    operator: str = ""
    """The operator of the policy by whom users order that have no line in `operators`."""
    operators: Annotated[dict[str, str], Meta(max_length=OPERATORS_MAX)] = {}
    """The operator of the policy that a user of this machine is."""


class Backend(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A gateway of the backend: its name in TLS, and where it listens."""

    name: Label
    host: Annotated[str, Meta(pattern=r"\A[0-9A-Za-z.:%_-]{1,253}\Z")]
    port: Annotated[int, Meta(ge=1, le=65535)] = BACKEND_PORT


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    site: Label
    name: Label
    listen: str
    tls_key: str
    tls_certificate: str
    tls_authority: str
    issuer: str
    """The public key of the site's issuer (COSE_Key, raw CBOR)."""
    testimony_key: str = ""
    """The key by which this bridge bears witness, in PEM; without one it bears none."""
    orders_key: str = ""
    """The site's own key, where the site has decided that it lies here; else an office signs."""
    mandates: Annotated[tuple[str, ...], Meta(max_length=MANDATE_FILES_MAX)] = ()
    """Files with the issuer's mandates, from before the first connection to the backend."""
    port: Annotated[int, Meta(ge=1, le=65535)] = DEFAULT_PORT
    announce: bool = False
    """Whether hubs that search for it by multicast DNS are answered, at `listen` (IPv4)."""
    records: str = "/var/lib/hubbridge/bridge.db"
    backend: Annotated[tuple[Backend, ...], Meta(max_length=GATEWAYS_MAX)] = ()
    """The gateways of the backend, in the order in which they are called; none: no backend."""
    room: Room = msgspec.field(default_factory=Room)
    api: Api | None = None
    """Without it, nobody asks or orders at this machine."""

    def limits(self) -> RoomLimits:
        """Return what hubs may put on the disk."""
        return RoomLimits(
            budget_bytes=self.room.budget_mib * _MIB,
            hubs_max=self.room.hubs,
            free_bytes_min=self.room.free_mib * _MIB,
        )

    def files(self, config_file: Path) -> IdentityFiles:
        """Return where the bridge's key and certificates lie (law 2)."""
        return IdentityFiles(
            key=place_of(self.tls_key, config_file),
            certificate=place_of(self.tls_certificate, config_file),
            authority=place_of(self.tls_authority, config_file),
        )


def load(path: Path) -> Config:
    """Read a bridge's file. Raise ConfigError."""
    try:
        config = msgspec.toml.decode(path.read_bytes(), type=Config)
    except OSError as error:
        raise ConfigError(f"hubbridge: {path}: {error.strerror}") from error
    except (UnicodeDecodeError, msgspec.DecodeError) as error:
        raise ConfigError(f"hubbridge: {path}: {error}") from error
    if config.announce and ":" in config.listen:
        raise ConfigError(f"hubbridge: {path}: announce: only with a `listen` of IPv4")
    return config


def place_of(named: str, config_file: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """Return where a file lies that the configuration names (law 2)."""
    credential = named.removeprefix(_CREDENTIAL)
    if credential == named:
        return config_file.parent / named
    handed_over_in = environment.get(_CREDENTIALS)
    if handed_over_in is not None:
        return Path(handed_over_in) / credential
    return _STORE / f"hubbridge.{credential}"
