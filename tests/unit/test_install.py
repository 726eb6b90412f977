"""What `make install` puts on a hub beside its Python environment, and what it leaves alone."""

from __future__ import annotations

import os
import shutil
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
    "usr/lib/systemd/system/hubd-bluez.path",
    "usr/lib/systemd/system/hubd-bluez.service",
    "usr/lib/systemd/system/hubd.service",
    "usr/lib/sysusers.d/hubd.conf",
    "usr/lib/tmpfiles.d/hubd.conf",
    "usr/lib/udev/rules.d/70-hubd.rules",
}


PYTHON = """#!/bin/sh
# As much of Python, venv and pip as install.sh asks for.
case "$*" in
    "-m venv "*)
        for made; do :; done
        mkdir -p "$made/bin"
        cp "$0" "$made/bin/python"
        echo "$made" >"$made/pyvenv.cfg"
        ;;
    "-m pip --python "*) for name in pip hubd hubctl; do echo "#!$4" >"${4%/*}/$name"; done ;;
    *sys.base_prefix*) echo /usr ;;
    -c* | "-m compileall "*) ;;
    *) exit 3 ;;
esac
"""
MV = """#!/bin/sh
for last; do :; done
[ "$last" != "$BLOCKED" ] || [ -e "$BLOCKED.failed" ] || { : >"$BLOCKED.failed"; exit 1; }
exec /bin/mv "$@"
"""


def _install(what: str, tree: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key not in ("DESTDIR", "PREFIX", "PYTHON")}
    argv = [tree / "systemd/install.sh", what]
    return subprocess.run(
        argv, env={**clean, **environment}, capture_output=True, text=True, timeout=60, umask=0o077, check=False
    )


def _tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}


def _command(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)
    return folder / name


def _environment(image: Path) -> Path:
    """Put what an earlier installation made into the image."""
    place = image / "opt/hubd"
    (place / "bin").mkdir(parents=True)
    for name in ("pyvenv.cfg", "bin/python", "bin/hubd"):
        (place / name).write_text("OLD\n")
    return place


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


@pytest.mark.parametrize(
    "prefix", ["opt/hubd", "/", "/opt/hu bd", "/opt/hubd|x", "/opt/hubd/", "/opt/../../hubd", "/opt/.."]
)
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
    assert "no environment of hubd" in done.stderr
    assert _install("uninstall", DESTDIR=str(tmp_path)).returncode == 0
    assert _tree(tmp_path) == {"opt/hubd/mine"}


def test_somebody_elses_environment_is_neither_replaced_nor_removed(tmp_path: Path) -> None:
    theirs = tmp_path / "opt/hubd/pyvenv.cfg"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    done = _install("install", DESTDIR=str(tmp_path))
    assert done.returncode == 1
    assert "no environment of hubd" in done.stderr
    assert _install("uninstall", DESTDIR=str(tmp_path)).returncode == 0
    assert theirs.read_text() == "theirs"


def test_an_installation_replaces_the_old_one_and_no_folder_beside_it(tmp_path: Path) -> None:
    image = tmp_path / "image"
    place = _environment(image)
    for name in ("hubd.old", "hubd.new"):
        (image / "opt" / name).mkdir()
        (image / "opt" / name / "mine").write_text("mine")
    done = _install("install", DESTDIR=str(image), PYTHON=str(_command(tmp_path / "bin", "python", PYTHON)))
    assert done.returncode == 0, done.stderr
    assert (place / "bin/hubd").read_text() == "#!/opt/hubd/bin/python\n"
    assert place.stat().st_mode & 0o7777 == 0o755
    everything = EVERY | {"opt/hubd/pyvenv.cfg", "opt/hubd/bin/python", "opt/hubd/bin/hubd", "opt/hubd/bin/hubctl"}
    assert _tree(image) == everything | {"opt/hubd.old/mine", "opt/hubd.new/mine"}


def test_one_that_breaks_off_at_the_last_step_puts_the_old_one_back(tmp_path: Path) -> None:
    image = tmp_path / "image"
    place = _environment(image)
    commands = tmp_path / "bin"
    python = _command(commands, "python", PYTHON)
    _command(commands, "mv", MV)
    path = f"{commands}:{os.environ['PATH']}"
    done = _install("install", DESTDIR=str(image), PYTHON=str(python), PATH=path, BLOCKED=str(place))
    assert done.returncode == 1
    assert (image / "opt/hubd.failed").exists(), "the step was never reached"
    assert (place / "bin/hubd").read_text() == "OLD\n"
    assert {path.name for path in place.parent.iterdir()} == {"hubd", "hubd.failed"}


def test_one_that_fails_while_it_is_made_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    image = tmp_path / "image"
    place = _environment(image)
    python = _command(tmp_path / "bin", "python", PYTHON.replace("for name", "exit 4; for name"))
    assert _install("install", DESTDIR=str(image), PYTHON=str(python)).returncode == 4
    assert (place / "bin/hubd").read_text() == "OLD\n"
    assert [path.name for path in place.parent.iterdir()] == ["hubd"]


def test_the_administrators_link_is_kept_even_when_it_leads_nowhere(tmp_path: Path) -> None:
    config = tmp_path / "etc/hubd/hubd.toml"
    config.parent.mkdir(parents=True)
    config.symlink_to("/nowhere/hubd.toml")
    assert _install("files", DESTDIR=str(tmp_path)).returncode == 0
    assert config.readlink() == Path("/nowhere/hubd.toml")


def test_a_clone_with_a_space_in_its_path_is_put_in_place_and_taken_away(tmp_path: Path) -> None:
    clone, image = tmp_path / "a clone", tmp_path / "image"
    for name in ("systemd", "config"):
        shutil.copytree(ROOT / name, clone / name)
    assert _install("files", clone, DESTDIR=str(image)).returncode == 0
    assert _tree(image) == EVERY
    assert _install("uninstall", clone, DESTDIR=str(image)).returncode == 0
    assert _tree(image) == {"etc/hubd/hubd.toml"}


@pytest.mark.parametrize(
    ("what", "link"),
    [
        ("files", "usr/lib"),
        ("files", "usr/bin"),
        ("files", "etc/hubd"),
        ("install", "opt"),
        ("uninstall", "usr/lib"),
        ("uninstall", "opt"),
    ],
)
def test_a_link_that_leads_out_of_the_image_is_refused(tmp_path: Path, what: str, link: str) -> None:
    outside, image = tmp_path / "outside", tmp_path / "image"
    unit = outside / "systemd/system/hubd.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("the machine's own")
    (image / link).parent.mkdir(parents=True)
    (image / link).symlink_to(outside)
    done = _install(what, DESTDIR=str(image))
    assert done.returncode == 1
    assert "leads out of" in done.stderr
    assert _tree(outside) == {"systemd/system/hubd.service"}
    assert _tree(image) == {link}


def test_a_link_within_the_image_is_followed(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "usr").mkdir()
    (tmp_path / "usr/lib").symlink_to("../lib")
    assert _install("files", DESTDIR=str(tmp_path)).returncode == 0
    assert (tmp_path / "lib/systemd/system/hubd.service").is_file()


def test_no_file_is_written_through_a_link(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    image = tmp_path / "image"
    folder = image / "usr/lib/systemd/system"
    folder.mkdir(parents=True)
    for name in ("hubd.service", "hubd.service.new"):
        (folder / name).symlink_to(theirs)
    assert _install("files", DESTDIR=str(image)).returncode == 0
    assert theirs.read_text() == "theirs"
    assert "ExecStart=" in (folder / "hubd.service").read_text()
