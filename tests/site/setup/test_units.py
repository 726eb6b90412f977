"""What systemd is told of a site's server: lines that it understands, and few rights."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hubsite import config
from tests.site.machine import PARTS

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[3]
UNITS = [ROOT / "systemd" / name for name in ("hubsite.service", "hubsite-backup.service")]
LAID = {
    "usr/lib/systemd/system/hubgateway-engine.service",
    "usr/lib/systemd/system/hubgateway.service",
    "usr/lib/systemd/system/hubissuer.service",
    "usr/lib/sysusers.d/hubissuer.conf",
    "usr/lib/systemd/system/hubsite-backup.service",
    "usr/lib/systemd/system/hubsite-backup.timer",
    "usr/lib/systemd/system/hubsite.service",
    "usr/lib/sysusers.d/hubsite.conf",
    "usr/lib/tmpfiles.d/hubsite.conf",
}
has_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")


def install(image: Path, word: str, **said: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "systemd/install-site.sh", word],
        env={"PATH": os.environ["PATH"], "DESTDIR": str(image), **said},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def tree(image: Path) -> set[str]:
    return {str(path.relative_to(image)) for path in image.rglob("*") if not path.is_dir()}


@has_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_each_line(tmp_path: Path, unit: Path) -> None:
    there = tmp_path / unit.name
    text = unit.read_text(encoding="utf-8")
    there.write_text(re.sub("/opt/hubsite/bin/[a-z]+", "/bin/true", text))
    argv = ["systemd-analyze", "verify", "--recursive-errors=no", str(there)]
    said = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert unit.name not in said.stderr, said.stderr


@has_systemd
def test_systemd_understands_the_timer_and_it_is_hourly(tmp_path: Path) -> None:
    timer = ROOT / "systemd/hubsite-backup.timer"
    there = tmp_path / timer.name
    there.write_text(timer.read_text(encoding="utf-8"))
    service = (ROOT / "systemd/hubsite-backup.service").read_text(encoding="utf-8")
    run = re.sub("/opt/hubsite/bin/[a-z]+", "/bin/true", service)
    (tmp_path / "hubsite-backup.service").write_text(run)
    said = _analyzed("verify", "--recursive-errors=no", str(there))
    assert timer.name not in said.stderr, said.stderr
    (when,) = re.findall(r"^OnCalendar=(.+)$", timer.read_text(), re.MULTILINE)
    assert "*-*-* *:00:00" in _analyzed("calendar", when).stdout
    there.write_text(timer.read_text().replace("OnCalendar=hourly", "OnCalendar=hurly"))
    assert timer.name in _analyzed("verify", "--recursive-errors=no", str(there)).stderr


def _analyzed(*words: str) -> subprocess.CompletedProcess[str]:
    argv = ["systemd-analyze", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_units_hand_over_what_the_sample_asks_for(unit: Path) -> None:
    sample = ROOT / "config" / "hubsite.toml"
    read = config.parse(sample.read_bytes(), sample)
    handed = set(re.findall(r"^LoadCredential=(\S+)$", unit.read_text(), re.MULTILINE))
    # also what stands behind a `#` there: whoever takes it out has nothing else to do
    asked = set(re.findall(r'"credential:(\S+)"', sample.read_text(encoding="utf-8")))
    assert read.secret.removeprefix("credential:") in asked
    assert "hubsite.issuer_key" in asked
    assert handed >= asked
    assert read.database.startswith("/var/lib/hubsite/")


def test_an_image_gets_every_file_and_gives_them_back(tmp_path: Path) -> None:
    assert install(tmp_path, "files", SITE_PREFIX="/srv/site").returncode == 0
    assert tree(tmp_path) == LAID | {"usr/bin/hubsite", "usr/bin/hubissuer"}
    for part in PARTS:
        unit = (tmp_path / f"usr/lib/systemd/system/{part}.service").read_text()
        assert "ExecStart=/srv/site/bin/hub" in unit
        assert "/opt/" not in unit
    engine = (tmp_path / "usr/lib/systemd/system/hubgateway-engine.service").read_text()
    assert " -- /srv/site/bin/nats-server -c /etc/hubgateway/nats.conf\n" in engine
    mine = tmp_path / "etc/hubsite/hubsite.toml"
    mine.parent.mkdir(parents=True)
    mine.write_text("# mine\n")
    assert install(tmp_path, "uninstall", SITE_PREFIX="/srv/site").returncode == 0
    assert tree(tmp_path) == {"etc/hubsite/hubsite.toml"}


def test_a_folder_of_somebody_else_is_neither_replaced_nor_removed(tmp_path: Path) -> None:
    other = tmp_path / "opt/hubsite/bin/hubsite"
    other.parent.mkdir(parents=True)
    other.write_text("of somebody else\n")
    done = install(tmp_path, "install")
    assert done.returncode == 1
    assert "no environment of hubsite" in done.stderr
    assert install(tmp_path, "uninstall").returncode == 0
    assert tree(tmp_path) == {"opt/hubsite/bin/hubsite"}


def test_a_link_that_leads_out_of_an_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image/usr").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "image/usr/lib").symlink_to(tmp_path / "outside")
    assert install(tmp_path / "image", "files").returncode == 1
    assert tree(tmp_path / "outside") == set()


def test_an_installation_that_breaks_off_leaves_the_old_environment(tmp_path: Path) -> None:
    old = tmp_path / "opt/hubsite"
    (old / "bin").mkdir(parents=True)
    (old / "bin/hubsite").write_text("the old one\n")
    (old / "pyvenv.cfg").write_text("")
    broken = tmp_path / "python"
    broken.write_text('#!/bin/sh\n[ "$1" != -m ]\n')
    broken.chmod(0o755)
    assert install(tmp_path, "install", PYTHON=str(broken)).returncode != 0
    assert (old / "bin/hubsite").read_text() == "the old one\n"
    assert [path.name for path in old.parent.iterdir()] == ["hubsite"]


def test_what_a_killed_run_left_goes_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "opt/hubsite"
    (place.parent / "hubsite.abcdef").mkdir(parents=True)
    unmarked = place.parent / "hubsite.backup"
    unmarked.mkdir()
    under_way = place.parent / "hubsite.123456"
    under_way.mkdir()
    (under_way / ".install-site").write_text(f"{os.getpid()}\n")
    old = place.parent / "hubsite.ABCDEF"
    (old / "environment/bin").mkdir(parents=True)
    (old / "environment/pyvenv.cfg").write_text("x")
    (old / "environment/bin/hubsite").write_text("x")
    ended = subprocess.Popen(["true"])
    ended.wait()
    for left in (place.parent / "hubsite.abcdef", old):
        (left / ".install-site").write_text(f"{ended.pid}\n")
    assert install(tmp_path, "install", EXTRAS="postgres").returncode == 1
    assert sorted(one.name for one in place.parent.iterdir()) == [
        "hubsite",
        "hubsite.123456",
        "hubsite.backup",
    ]
    assert (place / "bin/hubsite").exists()


@pytest.mark.parametrize("is_kept", [True, False])
def test_an_extra_that_there_is_not_is_refused_by_name(tmp_path: Path, is_kept: bool) -> None:
    old = tmp_path / "opt/hubsite"
    (old / "bin").mkdir(parents=True)
    (old / "bin/hubsite").write_text("the old one\n")
    (old / "pyvenv.cfg").write_text("")
    if is_kept:
        (old / "extras").write_text("token,postgres\n")
    before = tree(tmp_path)
    broken = tmp_path.parent / "no python"
    done = install(
        tmp_path, "install", PYTHON=str(broken), EXTRAS="" if is_kept else "token,postgres"
    )
    assert done.returncode == 1
    assert "EXTRAS=postgres: there is none of that name" in done.stderr
    assert "token," not in done.stderr
    assert tree(tmp_path) == before
    good = install(tmp_path, "install", PYTHON=str(broken), EXTRAS="token,postgresql")
    assert good.returncode != 0
    assert "EXTRAS" not in good.stderr
    assert f"Missing: {broken}" in good.stderr


def test_the_folders_that_are_made_are_those_of_the_unit_and_its_user() -> None:
    lines = (ROOT / "systemd/hubsite.tmpfiles").read_text().splitlines()
    made = {line.split()[1]: line.split()[2:5] for line in lines if not line.startswith("#")}
    assert made == {
        "/etc/hubsite": ["0750", "hubsite", "hubsite"],
        "/var/lib/hubsite": ["0700", "hubsite", "hubsite"],
    }
    unit = UNITS[0].read_text()
    assert "\nUser=hubsite\n" in unit
    assert "\nStateDirectory=hubsite\n" in unit
    assert "\nProtectSystem=strict\n" in unit


def test_nothing_is_started_but_by_who_says_so() -> None:
    script = (ROOT / "systemd/install-site.sh").read_text()
    told = script.partition("cat <<T\n")[2].partition("\nT\n")[0]
    commands = [line for line in script.replace(told, "").splitlines() if "say" not in line]
    assert "hubsite setup --site NAME" in told
    assert not [line for line in commands if re.search("systemctl (enable|start|restart)", line)]
