"""Copies of a PostgreSQL database, by its own tools.

Laws:
1. The tools are pg_dump, pg_restore and psql, as the package postgresql-client has them. Where one
   is missing, that is said, and nothing is done.
2. What they connect to stands in their environment, the password too: it is in no command line.
3. A copy is proven by reading all of it, and by walking its chain of acts to its head.
4. What was there is replaced in one transaction: by a whole copy, or not at all.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from hubcore.errors import ConfigError, StoreError
from hubcore.evidence.records import Head, StoredRecord, Walk
from hubsite.config import Database

_NOT_OURS = ("--no-owner", "--no-privileges")
_EMPTY = """BEGIN;
SET lock_timeout = '10s';
SET client_min_messages = warning;
DO $$ DECLARE one record; BEGIN
FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
EXECUTE format('DROP TABLE public.%I CASCADE', one.tablename); END LOOP;
FOR one IN SELECT oid::regprocedure AS name FROM pg_proc
WHERE pronamespace = 'public'::regnamespace LOOP
EXECUTE format('DROP FUNCTION %s CASCADE', one.name); END LOOP;
END $$;
"""
"""Removes what the server made, in the transaction that puts the copy in its place."""


def dump(database: Database, copy: Path) -> None:
    """Copy the database into a file while the server runs. Raise ConfigError, StoreError."""
    os.close(os.open(copy, os.O_CREAT | os.O_WRONLY, 0o600))
    words = [_tool("pg_dump"), "--format=custom", *_NOT_OURS, f"--file={copy}"]
    _done(words, _environment(database))


def prove(copy: Path) -> Head:
    """Return the head of a copy's acts (law 3). Raise ConfigError, StoreError, AuditError."""
    if not copy.is_file():
        raise StoreError(f"{copy}: there is no such copy")
    _done([_tool("pg_restore"), f"--file={os.devnull}", str(copy)], _environment(None))
    heads = _rows(copy, "acts_chainhead")
    kept = [Head(int(one["number"]), _bytes(one["hash"])) for one in heads]
    walk = Walk([head for head in kept if head.number])
    for act, at_ms in _in_order(_rows(copy, "acts_act")):
        walk.take(act, at_ms)
    return walk.finish()


def _in_order(rows: Iterator[dict[str, str]]) -> Iterator[tuple[StoredRecord, int]]:
    """Yield acts by their numbers: a copy has them as they lay on the disk, which may differ."""
    waiting: dict[int, tuple[StoredRecord, int]] = {}
    number = 1
    for one in rows:
        act = StoredRecord(int(one["number"]), _bytes(one["body"]), _bytes(one["hash"]))
        waiting[act.number] = (act, int(one["at_ms"]))
        while number in waiting:
            yield waiting.pop(number)
            number += 1
    yield from (waiting[left] for left in sorted(waiting))


def put_back(database: Database, copy: Path) -> None:
    """Replace what is in the database by a copy that was proven (law 4).

    Raise ConfigError, StoreError.
    """
    environment = _environment(database)
    script = [_tool("pg_restore"), *_NOT_OURS, "--file=-", str(copy)]
    apply = [_tool("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"]
    with (
        subprocess.Popen(
            apply,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
        ) as psql,
        subprocess.Popen(script, stdout=subprocess.PIPE, env=_environment(None)) as reader,
    ):
        is_whole = _hand_over(reader, _pipe(psql.stdin))
        said = _pipe(psql.stderr).read().decode("utf-8", "replace").strip()
        if psql.wait() != 0 or not is_whole:
            raise StoreError(f"the copy was not put back, and nothing was changed: {said}")


def _hand_over(reader: subprocess.Popen[bytes], into: IO[bytes]) -> bool:
    """Let psql have the copy; tell whether all of it, and only then the end of the transaction."""
    try:
        into.write(_EMPTY.encode())
        shutil.copyfileobj(_pipe(reader.stdout), into)
        is_whole = reader.wait() == 0
        if is_whole:
            into.write(b"COMMIT;\n")
        into.close()
    except BrokenPipeError:  # psql has said why
        with suppress(BrokenPipeError):
            into.close()
        return False
    return is_whole


def _rows(copy: Path, table: str) -> Iterator[dict[str, str]]:
    """Yield the rows of one table of a copy, each by the names of its columns. Raise StoreError."""
    words = [_tool("pg_restore"), "--data-only", f"--table={table}", "--file=-", str(copy)]
    columns: list[str] = []
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=_environment(None)) as reader:
        for raw in _pipe(reader.stdout):
            line = raw.decode("utf-8", "replace").rstrip("\n")
            if line.startswith(f"COPY public.{table} ("):
                columns = line.partition("(")[2].partition(")")[0].split(", ")
            elif line == "\\.":
                columns = []
            elif columns:
                yield dict(zip(columns, line.split("\t"), strict=True))
        if reader.wait() != 0:
            raise StoreError(f"{copy} is no whole copy: its table {table} cannot be read")


def _bytes(text: str) -> bytes:
    """Return what a column of bytes says. Raise StoreError for anything else."""
    if text == r"\\x":
        return b""
    try:
        return bytes.fromhex(text.removeprefix(r"\\x"))
    except ValueError as error:
        raise StoreError(f"the copy has acts that are none: {error}") from error


def _environment(database: Database | None) -> dict[str, str]:
    """Return what a tool is told (law 2): none of what this process was told of databases."""
    found = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    if database is None:
        return found
    told: Mapping[str, str] = {
        "PGHOST": database.host,
        "PGPORT": str(database.port),
        "PGUSER": database.user,
        "PGDATABASE": database.name,
        "PGPASSWORD": database.password,
        "PGSSLMODE": database.sslmode,
        "PGSSLROOTCERT": database.authority,
        "PGCONNECT_TIMEOUT": "10",
    }
    return {**found, **{name: value for name, value in told.items() if value}}


def _pipe(end: IO[bytes] | None) -> IO[bytes]:
    if end is None:
        raise StoreError("a tool of PostgreSQL was begun without its pipe")
    return end


def _tool(name: str) -> str:
    """Return where a tool is (law 1). Raise ConfigError."""
    found = shutil.which(name)
    if found is None:
        raise ConfigError(
            f"{name} is not here: copies of PostgreSQL need it (apt-get install postgresql-client)"
        )
    return found


def _done(words: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(words, capture_output=True, env=environment, check=False)
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise StoreError(f"{Path(words[0]).name}: {said or done.returncode}")
