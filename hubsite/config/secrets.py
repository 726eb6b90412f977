"""Files that the configuration names, and the secrets in them.

Law: a secret is in a file of its own, which not everybody may read.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from hubcore.errors import ConfigError

FILE_BYTES_MAX = 65_536
_CREDENTIAL = "credential:"


def secret_file(named: str, config_file: Path, key: str) -> bytes:
    """Read a secret (the law). Raise ConfigError.

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
