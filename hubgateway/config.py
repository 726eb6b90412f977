"""The gateway's configuration: one TOML file, checked before the start.

Laws:
1. A key that is unknown, missing or of the wrong type refuses the start.
2. The secret key is in a file of its own, which not everybody may read.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Annotated

import msgspec
import zmq
from msgspec import Meta

from hubcore.errors import ConfigError

_ENDPOINT = r"\Atcp://(\[[0-9A-Fa-f:.%*]+\]|[A-Za-z0-9._*-]{1,253}):([0-9]{1,5}|\*)\Z"
_CREDENTIAL = "credential:"
_SERVER = re.compile(r"(nats|tls)://[^\s/]{1,253}")


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    listen: Annotated[str, Meta(pattern=_ENDPOINT)]
    curve_secret: str
    servers: Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)]
    credentials: str = ""
    replicas: Annotated[int, Meta(ge=1, le=5)] = 1


def load(path: Path) -> Config:
    """Read the file. Raise ConfigError."""
    try:
        config = msgspec.toml.decode(path.read_bytes(), type=Config)
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise ConfigError(f"hubgateway: {path}: {error}") from error
    for server in config.servers:
        if not _SERVER.fullmatch(server):
            raise ConfigError(
                f"hubgateway: {path}: servers: {server!r} is no nats://HOST:PORT or tls://HOST:PORT"
            )
    return config


def secret_key(config: Config, config_file: Path) -> bytes:
    """Return the Curve secret key in Z85. Raise ConfigError.

    A relative path is beside the file. `credential:NAME` is what systemd hands over.
    """
    named = config.curve_secret.removeprefix(_CREDENTIAL)
    if named == config.curve_secret:
        path = config_file.parent / named
    else:
        path = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/run/credentials")) / named
    try:
        mode = path.stat().st_mode
        key = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"hubgateway: curve_secret {path}: {error.strerror}") from error
    if stat.S_IMODE(mode) & stat.S_IRWXO:
        raise ConfigError(f"hubgateway: curve_secret {path}: others may use it: chmod o= {path}")
    try:
        zmq.curve_public(key)
    except (ValueError, zmq.ZMQError, KeyError) as error:
        raise ConfigError(
            f"hubgateway: curve_secret {path}: it is no Curve key of 40 characters in Z85"
        ) from error
    return key
