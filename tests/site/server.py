"""One configured server in this process, whose database begins again for each test."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from click.testing import CliRunner
from django.conf import settings
from django.db import connection

from hubsite import config
from hubsite.__main__ import hubsite
from hubsite.starting import begin, make_tables

HOST = "localhost"


@dataclass(frozen=True)
class Server:
    site: config.Site
    empty: Path
    """The database as it is right after its tables were made."""

    def fresh(self) -> None:
        connection.close()
        database = Path(self.site.database.name)
        for tail in ("-wal", "-shm"):
            Path(f"{database}{tail}").unlink(missing_ok=True)
        shutil.copy(self.empty, database)
        settings.HUBSITE_RUNNING.again()

    def done(self) -> None:
        connection.close()


def make_folder(folder: Path, *more: str) -> Path:
    """Make the files of a server; return its configuration."""
    words = ["init", str(folder), "--site", "acme", "--host", HOST, "--trial", *more]
    result = CliRunner().invoke(hubsite, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return folder / "hubsite.toml"


@lru_cache(1)
def begun() -> Server:
    folder = Path(tempfile.mkdtemp(prefix="hubsite-"))
    site = config.load(make_folder(folder / "site"))
    begin(site, PASSWORD_HASHERS=["tests.site.quick.Quick"])
    make_tables(site)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    empty = folder / "empty.db"
    shutil.copy(site.database.name, empty)
    return Server(site, empty)
