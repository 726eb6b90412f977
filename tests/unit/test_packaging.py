"""Packages: what goes in is locked, and nothing is packed whose version would lie."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from hubcore.version import __version__

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
LOCKED = ROOT / "packaging/locked"
EXTRAS = ("zwave", "osdp", "relays", "gateway", "token", "update", "site")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")
PLAIN = __version__.removesuffix("+clone")


@dataclass(frozen=True)
class Pin:
    """One library of a lock file."""

    asked: Requirement
    hashes: int

    @property
    def version(self) -> Version:
        (only,) = self.asked.specifier
        assert only.operator == "=="
        return Version(only.version)


def _pins(name: str) -> dict[str, Pin]:
    """Read a lock file; every line must be known."""
    pins: dict[str, Pin] = {}
    asked: Requirement | None = None
    hashes = 0
    for line in [*(LOCKED / f"{name}.txt").read_text().splitlines(), ""]:
        if HASH.match(line):
            hashes += 1
            continue
        if asked is not None:
            pins[canonicalize_name(asked.name)] = Pin(asked, hashes)
            asked = None
            hashes = 0
        if line and not line.startswith("#"):
            assert line.endswith(" \\"), line
            asked = Requirement(line.removesuffix("\\").strip())
    return pins


def _asked(extra: str) -> list[Requirement]:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"].split("\n")
    if extra != "base":
        lines += config["options.extras_require"][extra].split("\n")
    return [Requirement(line) for line in lines if line.strip()]


@pytest.mark.parametrize("name", ["base", *EXTRAS])
def test_the_lock_holds_what_setup_cfg_asks_for(name: str) -> None:
    pins = _pins(name)
    for asked in _asked(name):
        pin = pins[canonicalize_name(asked.name)]
        assert asked.specifier.contains(pin.version), f"{asked}: make locks"


@pytest.mark.parametrize("name", ["base", "build", *EXTRAS])
def test_each_library_has_hashes_and_comes_from_no_address(name: str) -> None:
    pins = _pins(name)
    assert pins
    assert [str(pin.asked) for pin in pins.values() if not pin.hashes or pin.asked.url] == []


@pytest.mark.parametrize("name", EXTRAS)
def test_an_extra_changes_no_library_of_the_base(name: str) -> None:
    """In its version; an extra may want it where the base does not, as on another Python."""
    base = {key: (pin.version, pin.hashes) for key, pin in _pins("base").items()}
    extra = {key: (pin.version, pin.hashes) for key, pin in _pins(name).items() if key in base}
    assert extra == base


def test_no_lock_is_left_over() -> None:
    names = {path.stem for path in LOCKED.iterdir()}
    assert names == {"base", "build", *EXTRAS}


def _git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=x", "-c", "user.email=x@x", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", folder, *who, *words], check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """As much of a clone as packaging/tree looks at before it makes anything."""
    folder = tmp_path / "clone"
    for name in ("packaging/tree", "hubcore/version.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    (folder / "packaging/tree").chmod(0o755)
    _git(folder, "init", "-q")
    _git(folder, "add", "-A")
    _git(folder, "commit", "-q", "-m", "x")
    return folder


def _refused(clone: Path, work: Path, python: str = "/usr/bin/python3") -> str:
    done = subprocess.run(
        [clone / "packaging/tree", work],
        env={"PATH": "/usr/bin:/bin", "PYTHON": python},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert not work.exists()
    return done.stderr


def test_an_edited_tree_is_not_packed(clone: Path, tmp_path: Path) -> None:
    (clone / "hubcore/version.py").write_text("# edited\n")
    assert "was edited" in _refused(clone, tmp_path / "work")


def test_a_tag_that_says_another_version_is_not_packed(clone: Path, tmp_path: Path) -> None:
    _git(clone, "tag", "v99.0.0")
    said = _refused(clone, tmp_path / "work")
    assert f"says v99.0.0 and hubcore/version.py says {PLAIN}" in said


def test_two_tags_are_refused(clone: Path, tmp_path: Path) -> None:
    _git(clone, "tag", f"v{PLAIN}")
    _git(clone, "tag", "v99.0.0")
    assert "they must agree" in _refused(clone, tmp_path / "work")


def test_a_python_that_no_hub_has_is_refused(clone: Path, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho /opt/python/bin/python3\n")
    python.chmod(0o755)
    assert "is not Debian's own" in _refused(clone, tmp_path / "work", str(python))


def test_a_folder_that_is_no_clone_is_not_packed(clone: Path, tmp_path: Path) -> None:
    (clone / ".git").rename(tmp_path / "elsewhere")
    assert "made in a clone" in _refused(clone, tmp_path / "work")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("hubd", "hubd"),
        ("hubctl", "hubctl"),
        ("hubgateway", "hubgateway"),
        ("hubgateway.enginewatch", "hubengine"),
        ("hubgateway.issuer", "hubissuer"),
        ("hubsite", "hubsite"),
    ],
)
def test_each_program_says_its_version(module: str, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip().replace(", version", "") == f"{name} {__version__}"


def test_the_changelog_tells_of_the_version_to_come_or_of_this_one() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings[0] == "Not released yet" or headings[0].startswith(f"{PLAIN} ")


@pytest.mark.parametrize(
    "script", ["packaging/tree", "systemd/install.sh", "hardware-sim/lab/slots.py"]
)
def test_what_takes_a_copy_of_the_tree_takes_each_of_its_packages(script: str) -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    tops = {line.split("=")[0].strip() for line in config["options"]["package_dir"].split("\n")}
    words = set(re.findall(r"\w+", (ROOT / script).read_text(encoding="utf-8")))
    assert tops - {""} <= words
