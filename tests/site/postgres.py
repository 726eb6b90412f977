"""A real PostgreSQL server in a folder of its own, on loopback, with a password.

`python -m tests.site.postgres COMMAND` runs a command while it is there. HUBSITE_TESTS_POSTGRESQL
is its folder then, and the tests of this folder use it in place of SQLite (`make test-postgresql`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubsim.stage import free_port
from hubsite.commands.trial import trial_certificate

NAMED = "HUBSITE_TESTS_POSTGRESQL"
USER = "hubsite"
_PLACES = Path("/usr/lib/postgresql")
_QUICK = "-c fsync=off -c full_page_writes=off -c shared_buffers=32MB -c max_connections=60"


@dataclass(frozen=True)
class Cluster:
    """A server that runs: its port, the file with the password of USER, and its certificate."""

    port: int
    password_file: Path
    certificate: Path

    def connect(self, name: str = "postgres") -> Any:
        """Return a connection to one database of it."""
        import psycopg

        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=self.password_file.read_text(),
            dbname=name,
            autocommit=True,
        )

    def make(self, name: str, like: str = "template1") -> None:
        """Make a database like another one, in place of the one that is there."""
        with self.connect() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{like}" STRATEGY file_copy')


def named() -> Cluster | None:
    """Return the server that the environment names, None for SQLite."""
    folder = os.environ.get(NAMED)
    if not folder:
        return None
    return _of(Path(folder))


def _of(folder: Path) -> Cluster:
    port = int((folder / "port").read_text())
    return Cluster(port, folder / "password", folder / "server.pem")


def programs() -> Path | None:
    """Return the folder of the newest server that is installed."""
    found = sorted(_PLACES.glob("*/bin"), key=lambda one: float(one.parent.name))
    return found[-1] if found else None


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Start a server below this folder, and end it."""
    bin_folder = programs()
    if bin_folder is None:
        raise SystemExit("needs a PostgreSQL server: apt-get install postgresql")
    password = folder / "password"
    password.write_text("of the tests")
    data = folder / "data"
    data.mkdir()
    key, certificate = trial_certificate("localhost", int(time.time()))
    for name, pem, mode in (("server.key", key, 0o600), ("server.pem", certificate, 0o644)):
        (folder / name).write_bytes(pem)
        (folder / name).chmod(mode)
    as_user = _as_somebody(folder)
    initdb = [bin_folder / "initdb", "-D", data, "-U", USER, f"--pwfile={password}", "-A"]
    _run([*as_user, *initdb, "scram-sha-256", "-E", "UTF8", "--locale=C"])
    port = free_port()
    options = f"{_QUICK} -c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories=''"
    options += f" -c ssl=on -c ssl_key_file={folder}/server.key"
    options += f" -c ssl_cert_file={folder}/server.pem"
    control = [*as_user, bin_folder / "pg_ctl", "-D", data, "-w"]
    _run([*control, "-l", data / "log", "-o", options, "start"])
    try:
        (folder / "port").write_text(str(port))
        yield _of(folder)
    finally:
        _run([*control, "-m", "immediate", "stop"])


def _as_somebody(folder: Path) -> list[str]:
    """The server does not run as root. Give the folder to nobody."""
    if os.geteuid() != 0:
        return []
    subprocess.run(["chown", "-R", "nobody", folder], check=True)
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


def _run(words: list[object]) -> None:
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, cwd="/")
    if done.returncode != 0:
        raise SystemExit(f"{words[-1]}: {done.stdout}{done.stderr}")


def main() -> int:
    """Run a command while a server is there, which the environment names."""
    folder = Path(tempfile.mkdtemp(prefix="hubsite-postgresql-"))
    folder.chmod(0o755)
    try:
        with cluster(folder):
            return subprocess.call(sys.argv[1:], env={**os.environ, NAMED: str(folder)})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
