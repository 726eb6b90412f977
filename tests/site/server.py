"""One configured server in this process, whose database begins again for each test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from click.testing import CliRunner
from django.conf import settings
from django.db import connection

from hubsite import config
from hubsite.__main__ import hubsite
from hubsite.starting import begin, make_tables
from tests.site import postgres
from tests.site.postgres import Cluster

HOST = "localhost"


@dataclass(frozen=True)
class Server:
    """One server, and what makes its tables as they are right after they were made."""

    site: config.Site
    empty: Callable[[], None]

    def fresh(self) -> None:
        """Begin again with empty tables."""
        connection.close()
        self.empty()
        settings.HUBSITE_RUNNING.again()

    def done(self) -> None:
        """Let the database go."""
        connection.close()


def make_folder(folder: Path, *more: str) -> Path:
    """Make the files of a server; return its configuration."""
    words = ["init", str(folder), "--site", "acme", "--host", HOST, "--trial", *more]
    result = CliRunner().invoke(hubsite, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return folder / "hubsite.toml"


@lru_cache(1)
def begun() -> Server:
    """Begin the web framework in this process, once."""
    folder = Path(tempfile.mkdtemp(prefix="hubsite-"))
    file = make_folder(folder / "site")
    cluster = postgres.named()
    name = f"site_{os.getpid()}"
    if cluster is not None:
        _say_where(file, cluster, name)
        cluster.make(name)
    site = config.load(file)
    begin(site, PASSWORD_HASHERS=["tests.site.quick.Quick"])
    make_tables(site)
    if cluster is not None:
        return Server(site, _like(cluster, name))
    return Server(site, _copy(Path(site.database.name), folder / "empty.db"))


def _say_where(file: Path, cluster: Cluster, name: str) -> None:
    (file.parent / "pg").write_text(cluster.password_file.read_text())
    (file.parent / "pg").chmod(0o600)
    url = f"postgresql://{postgres.USER}@127.0.0.1:{cluster.port}/{name}"
    words = f'database = "{url}"\ndatabase_password = "pg"\n'
    file.write_text(words + file.read_text())


def _like(cluster: Cluster, name: str) -> Callable[[], None]:
    """Keep a database with empty tables; return what makes the one that is used like it."""
    connection.close()
    cluster.make(f"{name}_empty", like=name)
    return lambda: cluster.make(name, like=f"{name}_empty")


def _copy(database: Path, kept: Path) -> Callable[[], None]:
    """Keep a file with empty tables; return what copies it to where it is used."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    shutil.copy(database, kept)

    def copy() -> None:
        for tail in ("-wal", "-shm"):
            Path(f"{database}{tail}").unlink(missing_ok=True)
        shutil.copy(kept, database)

    return copy
