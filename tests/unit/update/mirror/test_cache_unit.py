"""A site's cache of updates as an installation lays it: unit, timer, and what runs there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hubcore.update.running.board import CACHE_BOARD, CACHE_LATE_SECONDS
from hubupdate.mirror.config import load

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[4]
SYSTEMD = ROOT / "systemd"
UNIT = SYSTEMD / "hubupdate-mirror.service"
TIMER = SYSTEMD / "hubupdate-mirror.timer"
EVERY = {
    "etc/hubupdate/mirror.toml",
    "usr/lib/systemd/system/hubupdate-mirror.service",
    "usr/lib/systemd/system/hubupdate-mirror.timer",
    "usr/lib/sysusers.d/hubupdate-mirror.conf",
}
has_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")


def settings(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def install(
    image: Path, *words: str, prefix: str = "/opt/hubd"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SYSTEMD / "install-cache.sh", *words],
        env={"PATH": os.environ["PATH"], "DESTDIR": str(image), "PREFIX": prefix},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def installed(image: Path, prefix: str = "opt/hubd") -> None:
    python = image / prefix / "bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)


def tree(image: Path) -> set[str]:
    found = {path.relative_to(image) for path in image.rglob("*") if not path.is_dir()}
    return {str(path) for path in found if path.name != "python"}


@has_systemd
@pytest.mark.parametrize("unit", [UNIT, TIMER], ids=lambda unit: unit.suffix)
def test_systemd_understands_each_line(unit: Path, tmp_path: Path) -> None:
    for path in (UNIT, TIMER):
        text = re.sub("/opt/hubd/bin/[a-z]+", "/bin/true", path.read_text())
        (tmp_path / path.name).write_text(text)
    said = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", tmp_path / unit.name],
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert unit.name not in said.stderr, said.stderr


def exposure(unit: Path) -> float:
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    (level,) = re.findall(r"exposure level for \S+: ([0-9.]+)", said.stdout)
    return float(level)


@has_systemd
def test_what_reads_strangers_bytes_is_no_more_exposed_than_the_updater_of_a_hub() -> None:
    assert exposure(UNIT) <= exposure(SYSTEMD / "hubupdate.service")


def test_it_has_no_rights_and_writes_one_folder() -> None:
    found = settings(UNIT)
    assert found["User"] == ["hubupdate-mirror"]
    assert found["CapabilityBoundingSet"] == [""]
    assert found["ProtectSystem"] == ["strict"]
    assert "ReadWritePaths" not in found
    config = load(ROOT / "config/mirror.toml")
    (folder,) = found["StateDirectory"]
    for place in (config.folder, config.lists, config.board):
        assert place.startswith(f"/var/lib/{folder}/")
    assert config.board == CACHE_BOARD


def test_a_look_that_came_to_nothing_is_no_failed_unit_and_stops_no_timer() -> None:
    assert settings(UNIT)["SuccessExitStatus"] == ["75"]
    (minutes,) = settings(TIMER)["OnUnitInactiveSec"]
    assert float(minutes.removesuffix("min")) * 60 < CACHE_LATE_SECONDS / 10


def test_an_image_gets_every_file_and_gives_them_back(tmp_path: Path) -> None:
    installed(tmp_path)
    done = install(tmp_path, "install")
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path) == EVERY
    config = tmp_path / "etc/hubupdate/mirror.toml"
    config.write_text("# mine\n")
    assert install(tmp_path, "install").returncode == 0
    assert config.read_text() == "# mine\n"
    assert install(tmp_path, "uninstall").returncode == 0
    assert tree(tmp_path) == {"etc/hubupdate/mirror.toml"}


def test_another_prefix_stands_in_the_unit(tmp_path: Path) -> None:
    installed(tmp_path, "srv/hub")
    assert install(tmp_path, "install", prefix="/srv/hub").returncode == 0
    text = (tmp_path / "usr/lib/systemd/system/hubupdate-mirror.service").read_text()
    assert "ExecStart=/srv/hub/bin/python -P -m hubupdate.mirror " in text
    assert "/opt/hubd" not in text


def test_the_names_for_a_package_are_those_of_the_files_it_lays(tmp_path: Path) -> None:
    names = install(tmp_path, "names").stdout.split()
    assert len(names) == len(EVERY) - 1
    assert all((SYSTEMD / name).is_file() for name in names)


def test_without_an_installation_nothing_is_laid(tmp_path: Path) -> None:
    done = install(tmp_path, "install")
    assert done.returncode == 1
    assert "make install EXTRAS=update" in done.stderr
    assert tree(tmp_path) == set()


def test_a_link_that_leads_out_of_an_image_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "image"
    outside = tmp_path / "outside"
    outside.mkdir()
    installed(image)
    (image / "usr").mkdir()
    (image / "usr/lib").symlink_to(outside)
    assert install(image, "install").returncode == 1
    assert list(outside.iterdir()) == []


def test_nothing_starts_a_cache_but_who_says_so() -> None:
    assert "WantedBy" not in settings(UNIT)
    script = (SYSTEMD / "install-cache.sh").read_text()
    commands = [line for line in script.splitlines() if not line.strip().startswith(("say", "#"))]
    assert not [line for line in commands if "enable" in line or "systemctl start" in line]


def test_what_the_script_has_somebody_type_judges_the_file(tmp_path: Path) -> None:
    installed(tmp_path)
    said = install(tmp_path, "install").stdout
    assert "-P -m hubupdate.mirror --check-config && systemctl enable --now" in said
    config = tmp_path / "etc/hubupdate/mirror.toml"

    def check() -> subprocess.CompletedProcess[str]:
        words = ["-P", "-m", "hubupdate.mirror", "--config", config, "--check-config"]
        return subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    missing = check()
    assert missing.returncode == 78
    assert "1.root.json" in missing.stderr
    for name in ("images", "director"):
        (config.parent / f"{name}.root.json").write_text("{}")
    right = check()
    assert (right.returncode, right.stderr) == (0, f"{config}: right\n")
