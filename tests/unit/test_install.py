"""What `make install` puts on a hub beside its Python environment, and what it leaves alone."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.version import Version

from hubcore.version import __version__
from hubd.backend.identity import Identity

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
EVERY = {
    "etc/hubbridge/hubbridge.toml",
    "etc/hubd/hubd.toml",
    "usr/bin/hubctl",
    "usr/lib/hubd/bluez-main.conf",
    "usr/lib/hubd/readers.conf",
    "usr/lib/hubd/sealed-keys.conf",
    "usr/lib/hubd/time-service.conf",
    "usr/lib/systemd/system/bluetooth.service.d/hubd.conf",
    "usr/lib/systemd/system/hubd-bluez.path",
    "usr/lib/systemd/system/hubd-bluez.service",
    "usr/lib/systemd/system/hubd-metrics.service",
    "usr/lib/systemd/system/hubd-metrics.timer",
    "usr/lib/systemd/system/hubbridge.service",
    "usr/lib/systemd/system/hubd.service",
    "usr/lib/sysusers.d/hubbridge.conf",
    "usr/lib/sysusers.d/hubd.conf",
    "usr/lib/tmpfiles.d/hubd.conf",
    "usr/lib/udev/rules.d/70-hubd.rules",
    "usr/share/bash-completion/completions/hubctl",
    "usr/share/fish/vendor_completions.d/hubctl.fish",
    "usr/share/zsh/vendor-completions/_hubctl",
}
OF_ADMINISTRATOR = {"etc/hubbridge/hubbridge.toml", "etc/hubd/hubd.toml"}
PAGES = {
    "usr/share/man/man1/hubctl.1",
    "usr/share/man/man5/hubd.toml.5",
    "usr/share/man/man8/hubd.8",
}
"""What the installed program writes."""


PYTHON = """#!/bin/sh
# As much of Python, venv and pip as install.sh asks for.
case "$*" in
    "-m venv "*)
        for made; do :; done
        mkdir -p "$made/bin"
        cp "$0" "$made/bin/python"
        echo "$made" >"$made/pyvenv.cfg"
        ;;
    "-m pip --python "*)
        echo "$*" >"${4%/*}/../asked"
        for name in pip hubd hubctl hubbridge; do echo "#!$4" >"${4%/*}/$name"; done
        packages="${4%/bin/*}/lib/python3.11/site-packages"
        mkdir -p "$packages"
        for word; do
            case $word in */own.txt) cp "$word" "${4%/*}/../own" ;; esac
            word=${word%%[[]*}
            [ ! -f "$word/hubcore/version.py" ] || cp -R "$word/hubcore" "$packages"
        done
        ;;
    "-m pip install "*) echo "$*" >>"${LOG:-/dev/null}" ;;
    "-m pip wheel "*)
        for word; do
            [ "${last:-}" != -w ] || echo wheel >"$word/hubd-1.whl"
            last=$word
        done
        ;;
    *sys.base_prefix*) echo /usr ;;
    "-P -m hubctl.manual.pages "*)
        for page in man1/hubctl.1 man5/hubd.toml.5 man8/hubd.8; do
            mkdir -p "$4/${page%/*}"
            echo page >"$4/$page"
        done
        ;;
    "-P -m hubd --check-config") echo "what the check says"; exit "${CHECK:-0}" ;;
    "-P -m hubbridge --check-config") echo "what the bridge says"; exit "${BRIDGE_CHECK:-0}" ;;
    "-P -c "*) exit "${OTHER:-0}" ;;
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
    clean = {
        key: value
        for key, value in os.environ.items()
        if key not in ("DESTDIR", "PREFIX", "PYTHON")
    }
    argv = [tree / "systemd/install.sh", what]
    return subprocess.run(
        argv,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        umask=0o077,
        check=False,
    )


def _tree(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }


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
    assert {path.stat().st_mode & 0o7777 for path in tmp_path.rglob("*") if path.is_dir()} == {
        0o755
    }


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
    assert _tree(tmp_path) == OF_ADMINISTRATOR | {"etc/credstore/hubd.identity"}


@pytest.mark.parametrize(
    "prefix",
    ["opt/hubd", "/", "/opt/hu bd", "/opt/hubd|x", "/opt/hubd/", "/opt/../../hubd", "/opt/.."],
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
    done = _install(
        "install", DESTDIR=str(image), PYTHON=str(_command(tmp_path / "bin", "python", PYTHON))
    )
    assert done.returncode == 0, done.stderr
    assert (place / "bin/hubd").read_text() == "#!/opt/hubd/bin/python\n"
    assert place.stat().st_mode & 0o7777 == 0o755
    everything = (
        EVERY
        | PAGES
        | {
            "opt/hubd/pyvenv.cfg",
            "opt/hubd/bin/python",
            "opt/hubd/bin/hubd",
            "opt/hubd/bin/hubctl",
            "opt/hubd/bin/hubbridge",
            "opt/hubd/asked",
        }
    )
    others = {path for path in _tree(image) if not path.startswith("opt/hubd/lib/")}
    assert others == everything | {"opt/hubd.old/mine", "opt/hubd.new/mine"}


def test_the_extras_of_a_hub_are_installed_and_kept_by_an_update(tmp_path: Path) -> None:
    image = tmp_path / "image"
    where = {"DESTDIR": str(image), "PYTHON": str(_command(tmp_path / "bin", "python", PYTHON))}
    for extras, kept in (("", ""), ("zwave,osdp", "[zwave,osdp]"), ("", "[zwave,osdp]")):
        done = _install("install", **where, EXTRAS=extras)
        assert done.returncode == 0, done.stderr
        asked = (image / "opt/hubd/asked").read_text().strip()
        assert f"/hubd{kept} --only-binary" in asked
    done = _install("install", **where, EXTRAS="zwave; reboot")
    assert done.returncode == 1
    assert "expected names such as" in done.stderr


def test_a_locked_installation_takes_nothing_without_a_hash(tmp_path: Path) -> None:
    image = tmp_path / "image"
    log = tmp_path / "log"
    where = {
        "DESTDIR": str(image),
        "PYTHON": str(_command(tmp_path / "bin", "python", PYTHON)),
        "LOCKED": "yes",
        "LOG": str(log),
    }
    done = _install("install", **where, EXTRAS="zwave,osdp")
    assert done.returncode == 0, done.stderr
    locked = ROOT / "systemd/../packaging/locked"
    assert f"-m pip install -q --require-hashes -r {locked}/build.txt" in log.read_text()
    asked = (image / "opt/hubd/asked").read_text()
    found = re.search(r" install -q --no-compile --require-hashes (.*) --only-binary", asked)
    assert found is not None
    names = [Path(word).name for word in found[1].split() if word != "-r"]
    assert names == ["base.txt", "own.txt", "zwave.txt", "osdp.txt"]
    own = (image / "opt/hubd/own").read_text()
    digest = hashlib.sha256(b"wheel\n").hexdigest()
    assert re.fullmatch(rf"file:///\S+/hubd-1\.whl --hash=sha256:{digest}\n", own)


def test_an_extra_without_a_lock_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "image"
    python = str(_command(tmp_path / "bin", "python", PYTHON))
    done = _install("install", DESTDIR=str(image), PYTHON=python, LOCKED="yes", EXTRAS="openzwave")
    assert done.returncode == 1
    assert "there is no packaging/locked/openzwave.txt" in done.stderr
    assert not (image / "opt/hubd").exists()


def test_one_that_breaks_off_at_the_last_step_puts_the_old_one_back(tmp_path: Path) -> None:
    image = tmp_path / "image"
    place = _environment(image)
    commands = tmp_path / "bin"
    python = _command(commands, "python", PYTHON)
    _command(commands, "mv", MV)
    path = f"{commands}:{os.environ['PATH']}"
    done = _install(
        "install", DESTDIR=str(image), PYTHON=str(python), PATH=path, BLOCKED=str(place)
    )
    assert done.returncode == 1
    assert (image / "opt/hubd.failed").exists(), "the step was never reached"
    assert (place / "bin/hubd").read_text() == "OLD\n"
    assert {path.name for path in place.parent.iterdir()} == {"hubd", "hubd.failed"}


@pytest.mark.long
def test_one_that_fails_while_it_is_made_leaves_the_old_one_and_nothing_else(
    tmp_path: Path,
) -> None:
    image = tmp_path / "image"
    place = _environment(image)
    python = _command(tmp_path / "bin", "python", PYTHON.replace("for name", "exit 4; for name", 1))
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
    clone = tmp_path / "a clone"
    image = tmp_path / "image"
    for name in ("systemd", "config"):
        shutil.copytree(ROOT / name, clone / name)
    assert _install("files", clone, DESTDIR=str(image)).returncode == 0
    assert _tree(image) == EVERY
    assert _install("uninstall", clone, DESTDIR=str(image)).returncode == 0
    assert _tree(image) == OF_ADMINISTRATOR


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
def test_a_link_that_leads_out_of_the_image_is_refused(
    tmp_path: Path, what: str, link: str
) -> None:
    outside = tmp_path / "outside"
    image = tmp_path / "image"
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


MACHINE = """set -e
# This machine with a /usr, /etc, /opt and /run that nobody else sees.
mount -t tmpfs tmpfs "$AROUND"
for folder in usr etc; do
    mine=$AROUND/$folder
    mkdir "$mine" "$mine.work" "$mine.new"
    mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$mine.new,workdir=$mine.work" "$mine"
    mount --bind "$mine" "/$folder"
done
mount --bind "$OPT" /opt
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
rm -rf /etc/credstore /etc/hubd
[ -z "$KEYS" ] || { mkdir -p /etc/credstore; echo key >/etc/credstore/hubd.identity; }
[ "$1" != true ] || exit 0
exec "$@"
"""
SYSTEMCTL = """#!/bin/sh
[ "$2" != hubbridge ] || STATE=${BRIDGE:-inactive}
[ "$1" != is-active ] || { echo "$STATE"; [ "$STATE" = active ]; exit; }
echo "$*" >>"$LOG"
case "$*" in "restart hubd") exit "${START:-0}" ;; esac
"""


@dataclass
class Machine:
    """A machine of our own to install on: its `systemctl` writes down what it is told."""

    folder: Path

    def run(
        self, *argv: str | Path, state: str = "inactive", keys: str = "", **environment: str
    ) -> str:
        """Run a command there and return what it said.

        Its exit status is 0, or is told by `failed`.
        """
        done = self._run(argv, state, keys, environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def failed(self, *argv: str | Path, state: str, **environment: str) -> str:
        done = self._run(argv, state, "yes", environment)
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stderr

    def done(
        self, *argv: str | Path, state: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return self._run(argv, state, "yes", environment)

    def _run(
        self, argv: tuple[str | Path, ...], state: str, keys: str, environment: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        clean = {
            key: value
            for key, value in os.environ.items()
            if key not in ("DESTDIR", "PREFIX", "RESTART")
        }
        ours = {
            "AROUND": self.folder / "around",
            "OPT": self.folder / "opt",
            "LOG": self.folder / "told",
        }
        for folder in ("around", "opt", "bin"):
            (self.folder / folder).mkdir(exist_ok=True)
        for name in ("systemd-sysusers", "systemd-tmpfiles", "udevadm"):
            _command(self.folder / "bin", name, "#!/bin/sh\n")
        _command(self.folder / "bin", "systemctl", SYSTEMCTL)
        python = _command(self.folder / "bin", "python", PYTHON)
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        around = {key: str(value) for key, value in ours.items()} | {
            "PATH": path,
            "PYTHON": str(python),
        }
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", MACHINE, "sh", *argv],
            env=clean | around | {"STATE": state, "KEYS": keys} | environment,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    @property
    def told(self) -> list[str]:
        """What systemctl was told to change."""
        log = self.folder / "told"
        return log.read_text().splitlines() if log.exists() else []

    @property
    def version(self) -> str:
        """Return what the installed hubd says of itself."""
        package = self.folder / "opt/hubd/lib/python3.11/site-packages/hubcore/version.py"
        (version,) = re.findall(r'__version__ = "(.*)"', package.read_text())
        return version


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    if (
        os.geteuid() != 0
        or not shutil.which("unshare")
        or made._run(("true",), "", "", {}).returncode
    ):
        pytest.skip("this machine lets no test make a system of its own to install on")
    return made


def _clone(folder: Path, git: bool = True) -> Path:
    """Return a copy of the tree, committed when `git`."""
    packages = (
        "hubcore",
        "drivers",
        "hubd",
        "hubctl",
        "hubbridge",
        "hubgateway",
        "hublocal",
        "hubsite",
        "hubterm",
        "hubtls",
        "hubupdate",
    )
    for name in ("systemd", "config", ".ci", *packages):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder / name)
    if git:
        _git(folder, "init", "-q")
        _git(folder, "add", "-A")
        _git(
            folder,
            "-c",
            "user.name=x",
            "-c",
            "user.email=x@x",
            "commit",
            "-q",
            "-m",
            "x",
            "--no-gpg-sign",
        )
    return folder


def _git(folder: Path, *argv: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(
        ["git", "-C", folder, *argv],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def test_the_first_installation_says_what_is_left_to_do(machine: Machine) -> None:
    said = machine.run(ROOT / "systemd/install.sh")
    assert f"hubd: {machine.version} is installed in /opt/hubd. Left to do on the hub:" in said
    assert machine.told == ["daemon-reload"]


def test_a_machine_without_systemd_is_told_before_anything_is_made(
    machine: Machine, tmp_path: Path
) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for path in Path("/usr/bin").iterdir():
        if not path.name.startswith("systemd-"):
            (few / path.name).symlink_to(path)
    script = f"PATH={few} {ROOT / 'systemd/install.sh'}"
    said = machine.failed("sh", "-c", script, state="inactive")
    assert (
        said == "hubd: this machine has no systemd, which hubd needs; DESTDIR=DIR makes an image\n"
    )
    assert not list((tmp_path / "opt").iterdir())
    assert machine.told == []


def test_on_a_hub_that_runs_the_new_version_is_in_force_in_the_end(
    machine: Machine, tmp_path: Path
) -> None:
    clone = _clone(tmp_path / "clone")
    machine.run(clone / "systemd/install.sh")
    old = machine.version
    (clone / "hubcore/errors.py").write_text("# edited\n")
    said = machine.run(clone / "systemd/install.sh", state="active", keys="yes")
    assert machine.version == f"{old}.edited"
    assert f"hubd: {machine.version} is in force, in place of {old}. Look: hubctl status" in said
    assert "restarting the hub: for some 3 s phones are not answered" in said
    assert "Left to do" not in said
    assert machine.told[1:] == ["daemon-reload", "try-restart bluetooth", "restart hubd"]


@pytest.mark.long
def test_a_bridge_that_runs_here_is_restarted_and_another_is_left_alone(machine: Machine) -> None:
    for state, told in (("inactive", []), ("active", ["restart hubbridge"])):
        machine.run(ROOT / "systemd/install.sh", "install", state="inactive", BRIDGE=state)
        assert [line for line in machine.told if "hubbridge" in line] == told
    chosen = {"BRIDGE": "active", "RESTART": "no"}
    machine.run(ROOT / "systemd/install.sh", "install", state="inactive", **chosen)
    assert machine.told.count("restart hubbridge") == 1


@pytest.mark.long
def test_a_bridge_that_would_not_start_again_is_left_running(machine: Machine) -> None:
    done = machine.done(
        ROOT / "systemd/install.sh", "install", state="inactive", BRIDGE="active", BRIDGE_CHECK="78"
    )
    assert done.returncode == 0
    assert "what the bridge says" in done.stderr
    assert "the old one still runs" in done.stderr
    assert "restart hubbridge" not in machine.told


def test_bluetooth_is_left_alone_when_its_settings_are_as_before(
    machine: Machine, tmp_path: Path
) -> None:
    before = "cp -R {0}/usr/lib/. /usr/lib/; exec {1}".format
    _install("files", DESTDIR=str(tmp_path / "image"))
    script = ROOT / "systemd/install.sh"
    machine.run("sh", "-c", before(tmp_path / "image", script), state="active", keys="yes")
    assert machine.told == ["daemon-reload", "restart hubd"]


def test_an_administrator_may_choose_when_a_hub_is_restarted(machine: Machine) -> None:
    said = machine.run(ROOT / "systemd/install.sh", state="active", keys="yes", RESTART="no")
    assert "still runs, over files that are no longer its own" in said
    assert "systemctl restart hubd" in said
    assert machine.told == ["daemon-reload"]


@pytest.mark.long
def test_a_version_that_this_hub_cannot_start_with_changes_nothing(
    machine: Machine, tmp_path: Path
) -> None:
    machine.run(ROOT / "systemd/install.sh")
    inside = tmp_path / "opt/hubd/mine"
    inside.write_text("old")
    said = machine.failed(ROOT / "systemd/install.sh", state="active", CHECK="78")
    assert said.startswith(
        "what the check says\nhubd: the new version does not start with this hub's configuration"
    )
    assert inside.exists(), "the old environment is still the one in place"
    assert machine.told == ["daemon-reload"]
    assert [path.name for path in (tmp_path / "opt").iterdir()] == ["hubd"]


@pytest.mark.long
def test_what_keeps_no_version_from_a_start_is_said_and_the_new_one_goes_in(
    machine: Machine, tmp_path: Path
) -> None:
    clone = _clone(tmp_path / "clone")
    machine.run(clone / "systemd/install.sh")
    old = machine.version
    (clone / "hubcore/errors.py").write_text("# edited\n")
    done = machine.done(clone / "systemd/install.sh", state="active", CHECK="69")
    assert done.returncode == 0
    assert done.stderr.startswith(
        "what the check says\nhubd: the new version starts, but not all is right"
    )
    assert machine.version == f"{old}.edited"
    assert machine.told[-1] == "restart hubd"


def test_of_a_hub_with_which_all_is_right_nothing_is_said(machine: Machine) -> None:
    done = machine.done(ROOT / "systemd/install.sh", state="active", CHECK="0")
    assert done.returncode == 0
    assert "what the check says" not in done.stdout + done.stderr
    assert machine.told[-1] == "restart hubd"


@pytest.mark.long
@pytest.mark.parametrize("status", ["77", "1"])
def test_a_version_of_which_nobody_can_tell_whether_it_starts_changes_nothing(
    machine: Machine, status: str
) -> None:
    machine.run(ROOT / "systemd/install.sh")
    said = machine.failed(ROOT / "systemd/install.sh", state="active", CHECK=status)
    assert (
        "whether the new version starts cannot be told: its --check-config ended with status "
        f"{status}" in said
    )
    assert "Nothing was changed, and the hub goes on." in said
    assert machine.told == ["daemon-reload"]


@pytest.mark.long
def test_a_hub_whose_start_fails_again_and_again_is_started_with_the_new_version(
    machine: Machine,
) -> None:
    said = machine.run(ROOT / "systemd/install.sh", state="activating", keys="yes", CHECK="78")
    assert "is in force" in said


def test_a_new_version_that_does_not_start_is_said_to(machine: Machine) -> None:
    said = machine.failed(ROOT / "systemd/install.sh", state="active", START="1")
    assert "is installed, but does not start: journalctl -u hubd" in said


def test_a_hub_that_is_set_up_and_stands_still_gets_no_first_steps(machine: Machine) -> None:
    said = machine.run(ROOT / "systemd/install.sh", keys="yes")
    assert "No hub runs it yet. To start it:" in said
    assert "Left to do" not in said
    assert machine.told == ["daemon-reload"]


def _installed_version(tree: Path, image: Path, tmp_path: Path) -> str:
    python = _command(tmp_path / "bin", "python", PYTHON)
    done = _install("install", tree, DESTDIR=str(image), PYTHON=str(python))
    assert done.returncode == 0, done.stderr
    package = image / "opt/hubd/lib/python3.11/site-packages/hubcore/version.py"
    (version,) = re.findall(r'__version__ = "(.*)"', package.read_text())
    assert f"hubd: {version} is installed" in done.stdout
    return str(version)


@pytest.mark.long
def test_the_version_carries_the_commit_and_whether_something_was_edited(tmp_path: Path) -> None:
    clone = _clone(tmp_path / "clone")
    commit = _git(clone, "rev-parse", "--short=12", "HEAD")
    plain = __version__.removesuffix("+clone")
    assert _installed_version(clone, tmp_path / "image", tmp_path) == f"{plain}+g{commit}"
    assert _git(clone, "status", "--porcelain") == "", "the clone stays as it is"
    (clone / "hubd/new.py").write_text("")
    assert _installed_version(clone, tmp_path / "image", tmp_path) == f"{plain}+g{commit}.edited"


def test_the_version_of_an_archive_carries_its_commit_and_any_other_folder_says_unknown(
    tmp_path: Path,
) -> None:
    plain = __version__.removesuffix("+clone")
    clone = _clone(tmp_path / "clone", git=False)
    _git(tmp_path, "init", "-q")  # the folder lies in somebody else's repository
    assert _installed_version(clone, tmp_path / "image", tmp_path) == f"{plain}+unknown"
    (clone / "systemd/commit").write_text("0123456789abcdef0123456789abcdef01234567\n")
    assert _installed_version(clone, tmp_path / "image", tmp_path) == f"{plain}+g0123456789ab"


def test_git_archive_writes_the_commit() -> None:
    assert (ROOT / "systemd/commit").read_text() == "$Format:%H$\n"
    assert "systemd/commit export-subst" in (ROOT / ".gitattributes").read_text().splitlines()


@pytest.mark.parametrize("label", ["g0123456789ab.edited", "unknown"])
def test_the_longest_version_is_one_that_hello_and_pip_take(label: str) -> None:
    version = f"{__version__.removesuffix('+clone')}+{label}"
    assert str(Version(version)) == version
    assert Identity("h" * 32, "s" * 32, bytes(16), version).software == version


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """What the Debian package lays on a hub; return its install.sh."""
    folder = tmp_path / "package"
    for name in ("systemd/install.sh", "config/hubd.toml", "config/hubbridge.toml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    ready = folder / "environment"
    _command(ready, "pyvenv.cfg", "home = /usr/bin\n")
    _command(ready / "bin", "python", PYTHON)
    _command(ready / "bin", "hubd", "#!/opt/hubd/bin/python\n")
    core = ready / "lib/python3.11/site-packages/hubcore"
    core.mkdir(parents=True)
    (core / "version.py").write_text('__version__ = "9.0+gpackaged"\n')
    return folder / "systemd/install.sh"


def test_a_package_puts_its_environment_in_force_as_an_installation_does(
    machine: Machine, package: Path, tmp_path: Path
) -> None:
    machine.run(ROOT / "systemd/install.sh")
    old = machine.version
    said = machine.run(package, "packaged", state="active", keys="yes", CHANGED="bluetooth")
    assert machine.version == "9.0+gpackaged"
    assert f"hubd: 9.0+gpackaged is in force, in place of {old}. Look: hubctl status" in said
    assert machine.told[1:] == ["daemon-reload", "try-restart bluetooth", "restart hubd"]
    assert _tree(tmp_path / "opt") == {
        f"hubd/{path}" for path in _tree(tmp_path / "package/environment")
    }
    assert sorted(path.name for path in (tmp_path / "opt").iterdir()) == ["hubd"]


def test_bluetooth_is_left_alone_by_a_package_that_changes_nothing_of_it(
    machine: Machine, package: Path
) -> None:
    machine.run(package, "packaged", state="active", keys="yes")
    assert machine.told == ["daemon-reload", "restart hubd"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"CHECK": "78"}, "does not start with this hub's configuration or keys"),
        ({"CHECK": "3"}, "whether the new version starts cannot be told"),
        ({"OTHER": "1"}, "made for another Python than this machine's"),
    ],
)
def test_a_package_that_does_not_suit_the_hub_leaves_the_version_before(
    machine: Machine, package: Path, tmp_path: Path, fault: dict[str, str], said: str
) -> None:
    machine.run(ROOT / "systemd/install.sh")
    old = machine.version
    before = _tree(tmp_path / "opt")
    assert said in machine.failed(package, "packaged", state="active", **fault)
    assert machine.version == old
    assert _tree(tmp_path / "opt") == before
    assert machine.told == ["daemon-reload"]


def test_the_first_package_on_a_machine_says_what_is_left_to_do(
    machine: Machine, package: Path
) -> None:
    show = f"{package} packaged && cat /etc/hubd/hubd.toml"
    said = machine.run("sh", "-c", show)
    assert "9.0+gpackaged is installed in /opt/hubd. Left to do on the hub" in said
    assert (ROOT / "config/hubd.toml").read_text() in said
