"""`[syslog]`: where log lines and acts go (RFC 5424, over TLS as in RFC 5425).

Laws:
1. The server is known by its name, under an authority: that of the file, or those of the system.
2. Where there are pins it shows one of these keys, too.
3. A certificate of our own needs its key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from hubcore.errors import ConfigError
from hubsite.pins.words import Pins

SYSLOG_PORT = 6514


class Syslog(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One server; `authority`, `certificate` and `key` are files in PEM, "" for none."""

    host: Annotated[str, Meta(min_length=1, max_length=253)]
    port: Annotated[int, Meta(ge=1, le=65535)] = SYSLOG_PORT
    authority: str = ""
    certificate: str = ""
    key: str = ""
    pins: Pins = ()


def check_syslog(section: Syslog, path: Path) -> None:
    """Keep law 3. Raise ConfigError."""
    if bool(section.certificate) != bool(section.key):
        raise ConfigError(f"{path}: syslog: certificate and key come together")
