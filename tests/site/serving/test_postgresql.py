"""What is PostgreSQL's alone; all other tests of this folder run with it, too."""

from __future__ import annotations

import os
import stat
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from hubcore.errors import AuditError, StoreError
from hubcore.evidence.records import Head, Walk
from hubsite.__main__ import hubsite
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.acts.models import Act
from hubsite.commands import postgresql
from hubsite.commands.backup import copy_into
from hubsite.commands.postgresql import prove
from hubsite.commands.trial import trial_certificate
from hubsite.register import models
from hubsite.settings import settings_of
from tests.site import postgres
from tests.site.people.test_scim import Directory
from tests.site.server import Server

pytestmark = pytest.mark.once

NOW = 1_800_000_000.0


def _act() -> None:
    with transaction.atomic():
        log.write("olga", ActKind.SIGNED_OUT)


def test_the_tables_are_those_of_the_server_that_the_file_names(server: Server) -> None:
    assert connection.vendor == "postgresql"
    told = settings_of(server.site)["DATABASES"]["default"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database(), current_setting('port')")
        assert cursor.fetchone() == (told["NAME"], str(told["PORT"]))


def test_the_acts_are_not_emptied_either() -> None:
    _act()
    with (
        pytest.raises(DatabaseError, match="never changed and never removed"),
        connection.cursor() as cursor,
    ):
        cursor.execute("TRUNCATE acts_act")
    assert log.verify().number == 1


def _restore(server: Server, copy: Path) -> Result:
    connection.close()
    words = ["--config", str(server.site.file), "restore", str(copy)]
    return CliRunner().invoke(hubsite, words)


def test_a_copy_by_pg_dump_is_put_back_and_its_chain_holds(server: Server, tmp_path: Path) -> None:
    """By the commands of docs/site.md, "Copies"; also over a table that is newer than the copy."""
    cluster = postgres.named()
    assert cluster is not None
    models.Person.objects.create(name="Anna")
    for _ in range(3):
        _act()
    copy, head = copy_into(tmp_path / "copies", NOW)
    assert (copy.name, stat.S_IMODE(copy.stat().st_mode)) == (
        "hubsite-20270115T080000Z.dump",
        0o600,
    )
    assert head == log.verify()
    models.Person.objects.all().delete()
    _act()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE newer (a int)")
    done = _restore(server, copy)
    assert done.exit_code == 0, (done.output, done.exception)
    assert models.Person.objects.get().name == "Anna"
    assert log.verify().number == head.number + 1, "the act of the restore"
    assert "newer" not in connection.introspection.table_names()
    assert _head_in(cluster, server.site.database.name) == log.verify()
    before = Path(done.output.split()[-1])
    assert (prove(before).number, stat.S_IMODE(before.stat().st_mode)) == (4, 0o600)


def test_a_copy_that_was_cut_off_changes_nothing(server: Server, tmp_path: Path) -> None:
    """postgresql, laws 3 and 4"""
    _act()
    copy, head = copy_into(tmp_path, NOW)
    whole = copy.read_bytes()
    for length in (0, 100, len(whole) // 2, len(whole) - 200):
        copy.write_bytes(whole[:length])
        assert isinstance(_restore(server, copy).exception, StoreError), length
    with pytest.raises(StoreError, match="nothing was changed"):
        postgresql.put_back(server.site.database, copy)
    assert isinstance(_restore(server, tmp_path / "none").exception, StoreError)
    assert log.verify() == head


def test_a_chain_that_does_not_hold_is_no_copy(server: Server, tmp_path: Path) -> None:
    """postgresql, law 3"""
    for _ in range(2):
        _act()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE acts_act DISABLE TRIGGER USER")
        cursor.execute("UPDATE acts_act SET at_ms = at_ms + 1 WHERE number = 1")
    with pytest.raises(AuditError):
        copy_into(tmp_path, NOW)
    assert not [one for one in tmp_path.iterdir() if one.name.startswith("hubsite-")]


def test_no_password_is_in_a_command_line(server: Server, tmp_path: Path) -> None:
    """postgresql, law 2"""
    tool = tmp_path / "pg_dump"
    tool.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\nenv > {tmp_path}/env\n')
    tool.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        patch.setenv("PGSERVICE", "of somebody else")
        postgresql.dump(server.site.database, tmp_path / "copy")
    secret = server.site.database.password
    assert secret not in (tmp_path / "said").read_text()
    told = (tmp_path / "env").read_text()
    assert f"PGPASSWORD={secret}\n" in told
    assert "PGSERVICE" not in told


@pytest.mark.parametrize(
    ("host", "authority", "said"),
    [
        ("localhost", "certificate", ""),
        ("127.0.0.1", "certificate", "does not match host name"),
        ("localhost", "stranger", "certificate verify failed"),
    ],
)
def test_a_server_proves_its_name(
    server: Server, tmp_path: Path, host: str, authority: str, said: str
) -> None:
    """config.database, law 2"""
    cluster = postgres.named()
    assert cluster is not None
    (tmp_path / "stranger").write_bytes(trial_certificate("localhost", int(time.time()))[1])
    files = {"certificate": cluster.certificate, "stranger": tmp_path / "stranger"}
    database = replace(
        server.site.database, host=host, sslmode="verify-full", authority=str(files[authority])
    )
    told = settings_of(replace(server.site, database=database))["DATABASES"]["default"]
    where = {"host": host, "port": database.port, "user": database.user, "dbname": database.name}
    guarded = {**where, "password": database.password, **told["OPTIONS"]}
    refused = pytest.raises(psycopg.OperationalError, match=said) if said else nullcontext()
    with refused, psycopg.connect(**guarded) as made:
        found = made.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        assert found.fetchone() == (True,)


def _head_in(cluster: postgres.Cluster, name: str) -> Head:
    walk = Walk(())
    with cluster.connect(name) as restored:
        rows = restored.execute("SELECT number, at_ms, body, hash FROM acts_act ORDER BY number")
        for number, at_ms, body, digest in rows:
            walk.take(Act(number=number, at_ms=at_ms, body=body, hash=digest).stored, at_ms)
        with pytest.raises(Exception, match="never changed"):
            restored.execute("DELETE FROM acts_act")
    return walk.finish()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_directory_holds_a_group_before_it_reads_who_is_in_it(method: str) -> None:
    """So of two changes at once the second is made to what the first one left."""
    entra = Directory.made()
    members = [{"value": entra.user()["id"]}]
    path = f"Groups/{entra('POST', 'Groups', {'displayName': 'A'})['id']}"
    add = {"op": "add", "path": "members", "value": members}
    bodies = {"PUT": {"members": members}, "PATCH": {"Operations": [add]}, "DELETE": None}
    with CaptureQueriesContext(connection) as asked:
        entra(method, path, bodies[method])
    assert entra.status in (200, 204)
    said = [one["sql"] for one in asked]
    group = 'FROM "register_group" '
    held = next(n for n, sql in enumerate(said) if group in sql and "FOR UPDATE" in sql)
    read = next(n for n, sql in enumerate(said) if '"register_person_groups"' in sql)
    assert held < read
