"""What `make install` puts on a hub beside its Python environment, and what it leaves alone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EVERY = {
    "etc/hubd/hubd.toml",
    "usr/bin/hubctl",
    "usr/lib/hubd/bluez-main.conf",
    "usr/lib/hubd/sealed-keys.conf",
    "usr/lib/systemd/system/bluetooth.service.d/hubd.conf",
    "usr/lib/systemd/system/hubd.service",
    "usr/lib/sysusers.d/hubd.conf",
    "usr/lib/tmpfiles.d/hubd.conf",
    "usr/lib/udev/rules.d/70-hubd.rules",
}


def _install(what: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key not in ("DESTDIR", "PREFIX", "PYTHON")}
    argv = [ROOT / "systemd/install.sh", what]
    return subprocess.run(
        argv, env={**clean, **environment}, capture_output=True, text=True, timeout=60, umask=0o077, check=False
    )


def _tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}


def test_every_file_in_its_place_readable_for_all(tmp_path: Path) -> None:
    assert _install("files", DESTDIR=str(tmp_path)).returncode == 0
    assert _tree(tmp_path) == EVERY
    assert (tmp_path / "usr/bin/hubctl").readlink() == Path("/opt/hubd/bin/hubctl")
    for name in EVERY - {"usr/bin/hubctl"}:
        path = tmp_path / name
        assert path.stat().st_mode & 0o7777 == 0o644, name
        assert str(tmp_path) not in path.read_text()
    assert {path.stat().st_mode & 0o7777 for path in tmp_path.rglob("*") if path.is_dir()} == {0o755}


def test_another_prefix_is_in_the_unit(tmp_path: Path) -> None:
    assert _install("files", DESTDIR=str(tmp_path), PREFIX="/usr/local/hubd").returncode == 0
    unit = (tmp_path / "usr/lib/systemd/system/hubd.service").read_text()
    assert "ExecStart=/usr/local/hubd/bin/hubd " in unit
    assert "ExecStopPost=/usr/local/hubd/bin/python " in unit
    assert "/opt/hubd" not in unit


def test_the_administrators_file_is_kept_by_a_second_one_and_by_taking_away(tmp_path: Path) -> None:
    where = {"DESTDIR": str(tmp_path)}
    _install("files", **where)
    config = tmp_path / "etc/hubd/hubd.toml"
    config.write_text("# mine\n")
    key = tmp_path / "etc/credstore/hubd.identity"
    key.parent.mkdir()
    key.write_text("secret")
    (tmp_path / "usr/lib/systemd/system/hubd.service").write_text("# old\n")
    assert _install("files", **where).returncode == 0
    assert config.read_text() == "# mine\n"
    assert "ExecStart=" in (tmp_path / "usr/lib/systemd/system/hubd.service").read_text()
    assert _install("uninstall", **where).returncode == 0
    assert _tree(tmp_path) == {"etc/hubd/hubd.toml", "etc/credstore/hubd.identity"}


@pytest.mark.parametrize("prefix", ["opt/hubd", "/", "/opt/hu bd", "/opt/hubd|x", "/opt/hubd/"])
def test_a_prefix_that_is_no_path_is_refused(tmp_path: Path, prefix: str) -> None:
    done = _install("files", DESTDIR=str(tmp_path), PREFIX=prefix)
    assert done.returncode == 1
    assert "expected" in done.stderr
    assert _tree(tmp_path) == set()


def test_a_folder_that_holds_something_else_is_not_replaced(tmp_path: Path) -> None:
    mine = tmp_path / "opt/hubd/mine"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    done = _install("install", DESTDIR=str(tmp_path))
    assert done.returncode == 1
    assert "no environment of Python" in done.stderr
    assert _install("uninstall", DESTDIR=str(tmp_path)).returncode == 0
    assert _tree(tmp_path) == {"opt/hubd/mine"}
