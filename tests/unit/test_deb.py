"""The Debian package, made from a small tree by the real dpkg-deb: what it holds, whose it is, and
that it is the same bytes each time.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from hubcore.update.image import is_name

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
EPOCH = 1_795_305_600
VERSION = "0.1.0~git20261122000000.g0123456789ab"
ENVIRONMENT = "usr/lib/hubd/package/environment"
TREE = {
    "opt/hubd/pyvenv.cfg": "home = /usr/bin\n",
    "opt/hubd/bin/hubd": "#!/opt/hubd/bin/python\n",
    "etc/hubd/hubd.toml": "# of the administrator\n",
    "etc/hubbridge/hubbridge.toml": "# of the administrator\n",
    "usr/lib/systemd/system/hubd.service": "[Service]\n",
    "usr/share/man/man8/hubd.8": "page\n",
}


@dataclass(frozen=True)
class Entry:
    """One line of what a package holds."""

    mode: str
    owner: str
    time: str


def _made(folder: Path) -> Path:
    for name, text in TREE.items():
        path = folder / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "root/opt/hubd/bin/hubd").chmod(0o755)
    (folder / "root/opt/hubd/bin/python").symlink_to("/usr/bin/python3")
    (folder / "root/usr/bin").mkdir()
    (folder / "root/usr/bin/hubctl").symlink_to("/opt/hubd/bin/hubctl")
    names = {
        "deb_version": VERSION,
        "machine": "amd64",
        "python_tag": "cp311",
        "SOURCE_DATE_EPOCH": str(EPOCH),
    }
    (folder / "names").write_text("".join(f"{key}={value}\n" for key, value in names.items()))
    (folder / "sbom").write_text("{}\n")
    argv = [ROOT / "packaging/deb", folder, folder / "sbom", folder / "out"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def _dpkg(*words: str | Path) -> str:
    done = subprocess.run(
        ["dpkg-deb", *words],
        env={"PATH": "/usr/bin:/bin", "TZ": "UTC"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _made(tmp_path_factory.mktemp("deb"))


@pytest.fixture(scope="module")
def held(deb: Path) -> dict[str, Entry]:
    entries = {}
    for line in _dpkg("--contents", deb).splitlines():
        mode, owner, _, day, hour, name = line.split(maxsplit=5)
        entries[name.removeprefix("./").split(" -> ")[0]] = Entry(mode, owner, f"{day} {hour}")
    return entries


def test_the_name_and_the_control_file_say_what_it_is(deb: Path) -> None:
    assert deb.name == f"hubd_{VERSION}_amd64.deb"
    assert _dpkg("--field", deb, "Version").strip() == VERSION
    depends = _dpkg("--field", deb, "Depends")
    assert depends.startswith("python3 (>= 3.11~), python3 (<< 3.12~), ")


def test_an_image_of_a_commit_without_a_tag_has_a_name_that_updates_take() -> None:
    assert is_name(f"hubd_{VERSION}_amd64_cp311.squashfs")


def test_the_environment_lies_beside_and_the_administrators_file_is_not_the_packages(
    held: dict[str, Entry],
) -> None:
    """dpkg replaces nothing below /opt and /etc: install.sh does, once it suits the hub."""
    assert {name for name in held if name.startswith(("opt", "etc"))} == set()
    assert {
        f"{ENVIRONMENT}/pyvenv.cfg",
        f"{ENVIRONMENT}/bin/hubd",
        f"{ENVIRONMENT}/bin/python",
        "usr/lib/hubd/package/config/hubd.toml",
        "usr/lib/hubd/package/config/hubbridge.toml",
        "usr/lib/hubd/package/config/hubupdate.toml",
        "usr/lib/hubd/package/systemd/install.sh",
        "usr/lib/hubd/package/systemd/install-update.sh",
        "usr/lib/hubd/package/config/mirror.toml",
        "usr/lib/hubd/package/systemd/install-cache.sh",
        "usr/lib/hubd/package/systemd/hubupdate-mirror.service",
        "usr/lib/hubd/package/systemd/hubupdate-mirror.timer",
        "usr/lib/hubd/package/systemd/hubupdate-mirror.sysusers",
        "usr/lib/hubd/package/systemd/hubd-slot.sh",
        "usr/lib/systemd/system/hubd.service",
        "usr/share/man/man8/hubd.8",
        "usr/share/doc/hubd/sbom.cdx.json",
        "usr/share/doc/hubd/changelog.gz",
        "usr/share/doc/hubd/copyright",
        "usr/bin/hubctl",
    } <= set(held)


def test_everything_is_roots_and_as_old_as_the_commit(held: dict[str, Entry]) -> None:
    assert {entry.owner for entry in held.values()} == {"root/root"}
    assert {entry.time for entry in held.values()} == {"2026-11-22 00:00"}
    others = {entry.mode[8] for entry in held.values() if not entry.mode.startswith("l")}
    assert others == {"-"}, "nobody but root writes"


def test_the_same_tree_in_another_folder_gives_the_same_bytes(deb: Path, tmp_path: Path) -> None:
    again = _made(tmp_path / "another folder")
    assert again.read_bytes() == deb.read_bytes()


def test_its_scripts_run_install_sh_from_where_it_lies(
    deb: Path, held: dict[str, Entry], tmp_path: Path
) -> None:
    _dpkg("--control", deb, tmp_path / "control")
    scripts = {name: tmp_path / "control" / name for name in ("preinst", "postinst", "prerm")}
    for path in scripts.values():
        assert path.stat().st_mode & 0o7777 == 0o755
    assert "/usr/lib/hubd/package/systemd/install.sh packaged" in scripts["postinst"].read_text()
    assert "/usr/lib/hubd/package/systemd/install.sh uninstall" in scripts["prerm"].read_text()
    assert held["usr/lib/hubd/package/systemd/install.sh"].mode == "-rwxr-xr-x"


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (VERSION, "0.1.0"),
        (VERSION, "0.1.0~git20261122000001.g000000000000"),
        ("0.1.0", "0.1.1~git20261201000000.g0123456789ab"),
    ],
)
def test_dpkg_takes_a_later_version_for_newer(older: str, newer: str) -> None:
    argv = ["dpkg", "--compare-versions", older, "lt", newer]
    assert subprocess.run(argv, timeout=60, check=False).returncode == 0
