"""Where the rows are: a file of SQLite, or one database of a PostgreSQL server.

Law: either all of what one database needs is there, or the start is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from hubcore.errors import ConfigError
from hubsite.config.secrets import place_of, secret_file

_POSTGRESQL = "postgresql"
POSTGRESQL_PORT = 5432


@dataclass(frozen=True, slots=True)
class Database:
    """One database: a file of SQLite, or a place of PostgreSQL."""

    name: str
    is_postgresql: bool = False
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""


def database_of(named: str, password_file: str, path: Path) -> Database:
    """Return where the rows are (the law). Raise ConfigError."""
    if "://" not in named:
        if password_file:
            raise ConfigError(f"{path}: database_password: a file of SQLite has none")
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
    )
