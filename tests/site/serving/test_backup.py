"""Copies of the database: proven before they count, kept so many, and put back."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from django.db import connection, transaction

from hubcore.errors import AuditError, ConfigError, StoreError
from hubsite.__main__ import hubsite
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.acts.models import Act
from hubsite.commands import backup, careful
from hubsite.commands.backup import copy_into, prove
from hubsite.hubs import kept
from hubsite.register import models
from tests.site.browser import at_work
from tests.site.served import served
from tests.site.server import Server, make_folder

pytestmark = [pytest.mark.once, pytest.mark.sqlite]

NOW = 1_800_000_000.0


def _act() -> None:
    with transaction.atomic():
        log.write("olga", ActKind.SIGNED_OUT)


def _restore(server: Server, copy: Path) -> Result:
    connection.close()
    words = ["--config", str(server.site.file), "restore", str(copy)]
    return CliRunner().invoke(hubsite, words)


def test_a_copy_is_put_back_as_it_was(server: Server, tmp_path: Path) -> None:
    models.Person.objects.create(name="Anna")
    _act()
    copy, head = copy_into(tmp_path / "copies", NOW)
    assert copy.name == "hubsite-20270115T080000Z.db"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert head == log.verify()
    models.Person.objects.all().delete()
    _act()
    done = _restore(server, copy)
    assert done.exit_code == 0, done.output
    assert "up to act 1, and act 2 says that it was restored; before it: " in done.output
    assert models.Person.objects.get().name == "Anna"
    assert log.verify().number == head.number + 1
    assert kept.is_restored()
    restored = Act.objects.get(number=2).said
    assert (restored["kind"], restored["about"], restored["up_to"]) == ("restored", copy.name, 1)
    assert restored["made_at"] == int(copy.stat().st_mtime)
    assert Act.objects.get(number=1).stored.hash == head.hash
    assert f"restored {copy.name}" in at_work().get("/acts").text
    before = Path(done.output.split()[-1])
    assert prove(before).number == 2


def test_a_copy_that_was_cut_off_or_edited_is_none(server: Server, tmp_path: Path) -> None:
    for _ in range(3):
        _act()
    copy, _ = copy_into(tmp_path, NOW)
    whole = copy.read_bytes()
    for length in (0, 100, 4096, len(whole) // 2, len(whole) - 4096):
        copy.write_bytes(whole[:length])
        assert isinstance(_restore(server, copy).exception, StoreError), length
    at = whole.index(b"signed-out")
    copy.write_bytes(whole[:at] + b"signed-inn" + whole[at + 10 :])
    assert isinstance(_restore(server, copy).exception, AuditError)
    assert isinstance(_restore(server, tmp_path / "none.db").exception, StoreError)
    assert log.verify().number == 3, "what was there is there"


def test_a_copy_that_cannot_be_made_leaves_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="no copy was made"):
        copy_into(tmp_path / "file", NOW)
    folder = tmp_path / "copies"
    copy_into(folder, NOW)
    (folder / ".hubsite.under-way").write_bytes(b"cut off")
    copy_into(folder, NOW + 60)
    assert sorted(path.name for path in folder.iterdir()) == [
        "hubsite-20270115T080000Z.db",
        "hubsite-20270115T080100Z.db",
    ]


def test_without_the_tools_of_postgresql_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """postgresql, law 1"""
    file = make_folder(tmp_path / "s")
    file.write_text('database = "postgresql://hub@db/site"\n' + file.read_text())
    (tmp_path / "copy").write_bytes(b"x")
    monkeypatch.setenv("PATH", str(tmp_path))
    words = ["--config", str(file), "restore", str(tmp_path / "copy")]
    error = CliRunner().invoke(hubsite, words).exception
    assert isinstance(error, ConfigError)
    assert "apt-get install postgresql-client" in str(error)


def test_the_newest_copies_of_both_kinds_stay() -> None:
    """law 3"""
    for kind in ("db", "dump"):
        assert backup._NAME.fullmatch(f"hubsite-20270115T080000Z.{kind}")
    assert not backup._NAME.fullmatch("before-20270115T080000Z.dump")


@pytest.mark.long
def test_a_database_that_the_server_has_open_is_not_replaced(tmp_path: Path) -> None:
    """backup, law 4; careful, law 2"""

    def asked(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "hubsite", "--config", str(file), *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    with served(tmp_path / "s") as (file, _):
        assert asked("backup", str(tmp_path / "copies")).returncode == 0
        (copy,) = (tmp_path / "copies").iterdir()
        before = sorted(file.parent.iterdir())
        done = asked("restore", str(copy))
        assert done.returncode == 69
        assert "is in use, and nothing was changed: end the server first" in done.stderr
        assert sorted(file.parent.iterdir()) == before
    assert asked("restore", str(copy)).returncode == 0


def test_what_a_process_has_open_is_in_use(tmp_path: Path) -> None:
    """careful, law 2"""
    database = tmp_path / "one.db"
    careful.check_unused(database)
    opens = (
        "import sqlite3, sys\n"
        "rows = sqlite3.connect(sys.argv[1])\n"
        "rows.execute('PRAGMA journal_mode=WAL')\n"
        "rows.execute('CREATE TABLE one (two)')\n"
        "print('open', flush=True)\n"
        "sys.stdin.read()\n"
    )
    argv = [sys.executable, "-c", opens, str(database)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(StoreError, match="in use"):
            careful.check_unused(database)
        assert holder.stdin is not None
        holder.stdin.close()
        holder.wait(10)
    careful.check_unused(database)
    database.write_bytes(b"junk")
    careful.check_unused(database)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file away")
def test_root_gives_no_command_of_a_server_that_has_a_user(tmp_path: Path) -> None:
    """careful, law 1"""
    file = make_folder(tmp_path / "s")
    secret = file.parent / "hubsite.secret"
    assert careful.load(file).file == file
    nobody = pwd.getpwnam("nobody")
    os.chown(secret, nobody.pw_uid, nobody.pw_gid)
    with pytest.raises(ConfigError, match="type runuser -u nobody -- before it"):
        careful.load(file)
    assert careful.load(file, nobody.pw_uid).file == file
    for words in (["acts", "verify"], ["backup", str(tmp_path)], ["operator", "add", "olga"]):
        with pytest.raises(ConfigError, match="not for root"):
            CliRunner().invoke(hubsite, ["--config", str(file), *words], catch_exceptions=False)
