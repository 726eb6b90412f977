"""`hubsite backup` and `hubsite restore`: copies of the database, proven before they count.

Laws:
1. A copy has its name only when it is whole, proven and on the disk. One that was cut off is never
   taken for a copy.
2. Proven means: the database's own tools find no fault in it, and its chain of acts holds to its
   head.
3. The newest copies stay, as many as were asked for. Nothing else in the folder is touched.
4. A restore proves the copy first. The database that was there is kept beside it. One of SQLite
   that a process has open is not replaced.
5. The next act after those of the copy says that it was restored, and of when the copy is.

How PostgreSQL is copied is `hubsite.commands.postgresql`.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

import click
from django.conf import settings
from django.db import Error, connection, transaction

from hubcore.errors import StoreError
from hubcore.evidence.records import Head, StoredRecord, Walk
from hubsite import config
from hubsite.commands import careful, postgresql
from hubsite.starting import begin, make_tables

_NAME = re.compile(r"hubsite-[0-9]{8}T[0-9]{6}Z\.(db|dump)")
_UNDER_WAY = ".hubsite.under-way"
_TAILS = ("", "-wal", "-shm")
KEEP = 48
"""Two days of one each hour."""


@click.command("backup")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--keep", type=click.IntRange(1, 10_000), default=KEEP, show_default=True)
@click.pass_obj
def backup(file: Path, folder: Path, keep: int) -> None:
    """Copy the database into FOLDER while the server runs. The copy has the names of people."""
    begin(careful.load(file))
    made, head = copy_into(folder, time.time())
    for old in sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))[:-keep]:
        old.unlink()
    click.echo(f"{made}: whole, up to act {head.number}; its head is {head}")


@click.command("restore")
@click.argument("copy", type=click.Path(path_type=Path))
@click.pass_obj
def restore(file: Path, copy: Path) -> None:
    """Put a COPY in the database's place. End the server first."""
    site = careful.load(file)
    made_at = int(copy.stat().st_mtime) if copy.is_file() else 0
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    if site.database.is_postgresql:
        head = postgresql.prove(copy)
        before = copy.with_name(f"before-{stamp}.dump")
        postgresql.dump(site.database, before)
        postgresql.put_back(site.database, copy)
        place = site.database.name
    else:
        head = prove(copy)
        place = site.database.name
        careful.check_unused(Path(place))
        before = Path(f"{place}.{stamp}")
        _replace(Path(place), copy, stamp)
    number = _note(site, copy, made_at, head)
    click.echo(
        f"{place} is the copy, up to act {head.number}, and act {number} says that it was "
        f"restored; before it: {before}"
    )


def _note(site: config.Site, copy: Path, made_at: int, head: Head) -> int:
    """Write the act of a restore (law 5); return its number. Raise AuditError."""
    if not settings.configured:
        begin(site)
    make_tables(site)
    from hubsite.acts import log
    from hubsite.acts.kinds import ActKind
    from hubsite.hubs import kept

    name = copy.name if _NAME.fullmatch(copy.name) else ""  # any other may name somebody
    with transaction.atomic():
        act = log.write("", ActKind.RESTORED, name, up_to=head.number, made_at=made_at)
        kept.mark_restored()
    number: int = act.number
    return number


def _replace(database: Path, copy: Path, stamp: str) -> None:
    """Put a copy that was proven in the place of a file of SQLite. Raise StoreError."""
    try:
        under_way = database.with_name(_UNDER_WAY)
        shutil.copyfile(copy, under_way)
        os.chmod(under_way, 0o600)
        _sync(under_way)
        for tail in _TAILS:
            with suppress(FileNotFoundError):
                os.rename(f"{database}{tail}", f"{database}.{stamp}{tail}")
        os.rename(under_way, database)
        _sync(database.parent)
    except OSError as error:
        raise StoreError(f"{database}: {error.strerror}") from error


def copy_into(folder: Path, now: float) -> tuple[Path, Head]:
    """Make a copy; return its path, and the head of its acts. `now` in Unix seconds.

    Raise ConfigError, StoreError, AuditError.
    """
    database = settings.HUBSITE.database
    kind = "dump" if database.is_postgresql else "db"
    made = folder / time.strftime(f"hubsite-%Y%m%dT%H%M%SZ.{kind}", time.gmtime(now))
    under_way = folder / _UNDER_WAY
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        under_way.unlink(missing_ok=True)
        if database.is_postgresql:
            postgresql.dump(database, under_way)
            head = postgresql.prove(under_way)
        else:
            _dump(under_way)
            head = prove(under_way)
        _sync(under_way)
        os.rename(under_way, made)
        _sync(folder)
    except (OSError, Error) as error:
        raise StoreError(f"no copy was made in {folder}: {error}") from error
    return made, head


def _dump(under_way: Path) -> None:
    os.close(os.open(under_way, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(under_way)])


def prove(copy: Path) -> Head:
    """Return the head of the acts of a copy of SQLite (law 2). Raise StoreError, AuditError."""
    if not copy.is_file():
        raise StoreError(f"{copy}: there is no such copy")
    try:
        with closing(sqlite3.connect(f"file:{copy}?mode=ro&immutable=1", uri=True)) as rows:
            (found,) = rows.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise StoreError(f"{copy} is no whole copy: {found}")
            kept = rows.execute("SELECT number, hash FROM acts_chainhead").fetchone()
            walk = Walk([Head(*kept)] if kept and kept[0] else [])
            acts = "SELECT number, body, hash, at_ms FROM acts_act ORDER BY number"
            for number, body, digest, at_ms in rows.execute(acts):
                walk.take(StoredRecord(number, body, digest), at_ms)
            return walk.finish()
    except sqlite3.Error as error:
        raise StoreError(f"{copy} is no whole copy: {error}") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
