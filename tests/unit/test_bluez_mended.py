"""The recipe for a mended BlueZ: it builds Debian's source, installs and holds what it made,
refuses what it cannot do.

A true build takes a quarter of an hour and the internet; here it runs with an apt of the test's
own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "systemd/bluez-mended.sh"
SECONDS = 60
APT = """#!/bin/sh
# As much of apt, dpkg and systemctl as bluez-mended.sh asks for: it writes down what it is told.
echo "${0##*/} $*" >>"$TOLD"
case "${0##*/} $*" in
    "id -u") echo "$USER_ID" ;;
    "apt-get indextargets "*)
        echo "http://mirror.example/debian bookworm main"
        echo "http://mirror.example/security bookworm-security main"
        ;;
    *" source bluez")
        mkdir -p bluez-5.66/debian
        echo "bluez (5.66-1+deb12u2) bookworm; urgency=low" >bluez-5.66/debian/changelog
        ;;
    dpkg-parsechangelog*) sed -n '1s/.*(\\(.*\\)).*/\\1/p' debian/changelog ;;
    dpkg-buildpackage*) echo >"../bluez_$(dpkg-parsechangelog)_amd64.deb" ;;
    dpkg-query*) echo 5.66-1+deb12u2+hubd1 ;;
esac
"""
COMMANDS = [
    "id",
    "apt-get",
    "apt-mark",
    "dpkg-parsechangelog",
    "dpkg-buildpackage",
    "dpkg-query",
    "systemctl",
    "patch",
]
OS_RELEASE = 'VERSION_CODENAME={0}\nPRETTY_NAME="{0}"\n'


class Recipe:
    """The script in a folder of its own, for a release of Debian."""

    def __init__(self, folder: Path, release: str) -> None:
        self.folder = folder
        self.made = folder / "made"
        self._told = folder / "told"
        (folder / "systemd").mkdir()
        script = SCRIPT.read_text()
        assert script.count("/etc/os-release") == 1
        (folder / "os-release").write_text(OS_RELEASE.format(release))
        (folder / "systemd" / SCRIPT.name).write_text(
            script.replace("/etc/os-release", str(folder / "os-release"))
        )
        shutil.copy(ROOT / "systemd/bluez-client-left.patch", folder / "systemd")
        for name in COMMANDS:
            (folder / name).write_text(APT)
            (folder / name).chmod(0o755)

    def run(self, *argv: str, user: int = 0) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "TOLD": str(self._told),
            "USER_ID": str(user),
        }
        script = self.folder / "systemd" / SCRIPT.name
        return subprocess.run(
            ["sh", script, *argv],
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    @property
    def told(self) -> list[str]:
        return self._told.read_text().splitlines()


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_it_builds_from_debians_source_and_apts_own_settings_stay(
    tmp_path: Path, release: str
) -> None:
    recipe = Recipe(tmp_path, release)
    done = recipe.run("build", str(recipe.made))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{recipe.made}/bluez_5.66-1+deb12u2+hubd1_amd64.deb\n"
    private = [line for line in recipe.told if "Dir::Etc::SourceList=" in line]
    assert [line.rsplit(" ", 1)[1] for line in private] == ["update", "bluez"]
    assert all(f"SourceList={recipe.made}/apt/sources.list" in line for line in private)
    assert f"apt-get build-dep -y --no-install-recommends {recipe.made}/bluez-5.66/" in recipe.told
    assert any(line.startswith("patch -p1") for line in recipe.told)
    assert not [line for line in recipe.told if line.startswith("apt-mark")]


def test_it_installs_holds_and_says_what_that_costs(tmp_path: Path) -> None:
    recipe = Recipe(tmp_path, "bookworm")
    recipe.made.mkdir()
    package = recipe.made / "bluez_5.66-1+deb12u2+hubd1_amd64.deb"
    package.write_text("")
    (recipe.made / "bluez-obexd_5.66-1+deb12u2+hubd1_amd64.deb").write_text("")
    done = recipe.run("install", str(recipe.made))
    assert done.returncode == 0, done.stderr
    changes = [line for line in recipe.told if line.startswith("apt-")]
    assert changes == [
        "apt-mark unhold bluez",
        f"apt-get install -y --no-install-recommends --reinstall {package}",
        "apt-mark hold bluez",
    ]
    assert "security updates of bluez no longer come by themselves" in done.stderr


@pytest.mark.parametrize(
    ("argv", "release", "user", "said"),
    [
        (("build", "made"), "noble", 0, "noble is neither Debian 12 nor 13"),
        (("build", "made"), "bookworm", 1000, "takes root: sudo"),
        (("install", "made"), "bookworm", 0, "build it first"),
        (("build",), "bookworm", 0, "usage: "),
        (("remove", "made"), "bookworm", 0, "usage: "),
    ],
)
def test_what_it_cannot_do_is_a_sentence(
    tmp_path: Path, argv: tuple[str, ...], release: str, user: int, said: str
) -> None:
    words = [str(tmp_path / word) if word == "made" else word for word in argv]
    done = Recipe(tmp_path, release).run(*words, user=user)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_page_names_commands_that_there_are() -> None:
    page = (ROOT / "docs/bluez.md").read_text()
    for what in ("build", "install"):
        assert f"systemd/bluez-mended.sh {what} " in page
    assert os.access(SCRIPT, os.X_OK)


def test_the_patch_asks_nothing_that_one_version_of_bluez_alone_has() -> None:
    """5.66 has a variable `server` in three callbacks of which 5.82 and 5.87 have none: there it
    did not compile.
    """
    patch = (ROOT / "systemd/bluez-client-left.patch").read_text()
    asked = re.findall(r"^\+\tif \(client_left\((\S+),", patch, re.MULTILINE)
    assert sorted(set(asked)) == ["data->server", "op->server", "pwcd->server"]
    assert len(asked) == 6
