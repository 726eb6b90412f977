"""Where the rows are: a file of SQLite, or one database of a PostgreSQL server.

Laws:
1. Either all of what one database needs is there, or the start is refused.
2. A server on another machine proves its name by TLS, unless the address says another `sslmode`.
   Who vouches for it is the file of `database_authority`, or those whom this system believes.
3. A word of the address that is not known here is refused by its name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, urlsplit

from hubcore.backend.ways import is_this_machine
from hubcore.errors import ConfigError
from hubsite.config.secrets import place_of, secret_file

_POSTGRESQL = "postgresql"
POSTGRESQL_PORT = 5432
SSLMODE = "sslmode"
PROVEN = "verify-full"
SSLMODES = ("disable", "require", "verify-ca", PROVEN)
"""How a connection is guarded, in the words of PostgreSQL; those that fall back are left out."""
SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
"""Whom Debian believes, in one file."""


@dataclass(frozen=True, slots=True)
class Database:
    """One database: a file of SQLite, or a place of PostgreSQL.

    `sslmode` is "" where nothing was said and the server is on this machine. `authority` is the
    file of who vouches for the server, "" where nobody is asked.
    """

    name: str
    is_postgresql: bool = False
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    sslmode: str = ""
    authority: str = ""


def database_of(named: str, password_file: str, authority: str, path: Path) -> Database:
    """Return where the rows are (laws 1 to 3). Raise ConfigError."""
    if "://" not in named:
        if password_file:
            raise ConfigError(f"{path}: database_password: a file of SQLite has none")
        if authority:
            raise ConfigError(f"{path}: database_authority: a file of SQLite has none")
        return Database(str(place_of(named, path)))
    try:
        url = urlsplit(named)
        port = url.port or POSTGRESQL_PORT
    except ValueError as error:
        raise ConfigError(f"{path}: database: {error}") from error
    name = url.path.removeprefix("/")
    if url.scheme != _POSTGRESQL or not (url.hostname and url.username and name) or url.password:
        raise ConfigError(
            f"{path}: database: it is a file's name, or postgresql://USER@HOST:PORT/NAME; "
            "a password is in the file that database_password names"
        )
    sslmode, vouches = _guard(url, authority, path)
    password = b""
    if password_file:
        password = secret_file(password_file, path, "database_password")
    return Database(
        name=name,
        is_postgresql=True,
        host=url.hostname,
        port=port,
        user=url.username,
        password=password.decode("utf-8", "replace").strip(),
        sslmode=sslmode,
        authority=vouches,
    )


def _guard(url: SplitResult, authority: str, path: Path) -> tuple[str, str]:
    """Return the `sslmode`, and the file of who vouches for the server (laws 2 and 3)."""
    said = parse_qsl(url.query, keep_blank_values=True)
    for word in [word for word, _ in said if word != SSLMODE]:
        raise ConfigError(f"{path}: database: {word!r} is no word of an address here: {SSLMODE} is")
    if url.fragment or len(said) > 1:
        raise ConfigError(f"{path}: database: behind its name stands {SSLMODE}, once, or nothing")
    sslmode = said[0][1] if said else ""
    if said and sslmode not in SSLMODES:
        raise ConfigError(f"{path}: database: {SSLMODE} is one of {', '.join(SSLMODES)}")
    if not said and (authority or not is_this_machine(url.hostname or "")):
        sslmode = PROVEN
    if not sslmode.startswith("verify"):
        if authority:
            raise ConfigError(
                f"{path}: database_authority: with {SSLMODE}={sslmode} nobody asks it"
            )
        return sslmode, ""
    return sslmode, str(place_of(authority, path)) if authority else SYSTEM_AUTHORITIES
