"""What is PostgreSQL's alone; all other tests of this folder run with it, too."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from hubcore.evidence.records import Head, Walk
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.acts.models import Act
from hubsite.settings import settings_of
from tests.site import postgres
from tests.site.server import Server
from tests.site.test_scim import Directory

pytestmark = pytest.mark.once


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


def test_a_copy_by_pg_dump_is_put_back_and_its_chain_holds(server: Server, tmp_path: Path) -> None:
    """As docs/site.md says it, "Copies"."""
    cluster = postgres.named()
    folder = postgres.programs()
    assert cluster is not None
    assert folder is not None
    for _ in range(3):
        _act()
    head = log.verify()
    connection.close()
    where = ["-h", "127.0.0.1", "-p", str(cluster.port), "-U", postgres.USER]
    secret = {**os.environ, "PGPASSWORD": cluster.password_file.read_text()}
    copy = tmp_path / "hubsite.dump"
    name = server.site.database.name
    dump = [folder / "pg_dump", *where, "-Fc", "-f", copy, name]
    subprocess.run(dump, check=True, env=secret)
    cluster.make(f"{name}_back")
    back = [folder / "pg_restore", *where, "--exit-on-error", "-d", f"{name}_back", copy]
    subprocess.run(back, check=True, env=secret)
    assert _head_in(cluster, f"{name}_back") == head


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
