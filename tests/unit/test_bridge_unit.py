"""A bridge on a machine of its own: its unit, and what docs/bridge.md has an operator type."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hubbridge.config import load
from hubcore.bridge.mandate import prove_mandate
from hubsim import site as sites
from hubsim.bridge.files import ORDERS_KEY, TESTIMONY_KEY, key_in, make_bridge
from hubsim.main import main as hubsim

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd/hubbridge.service"
HUB_UNIT = ROOT / "systemd/hubd.service"
has_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")


@has_systemd
def test_systemd_understands_each_line_of_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    text = UNIT.read_text(encoding="utf-8")
    unit.write_text(re.sub("/opt/hubd/bin/[a-z]+", "/bin/true", text))
    said = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert unit.name not in said.stderr, said.stderr


def exposure(unit: Path) -> float:
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    (level,) = re.findall(r"exposure level for \S+: ([0-9.]+)", said.stdout)
    return float(level)


@has_systemd
def test_the_bridge_is_no_more_exposed_than_the_hub() -> None:
    assert exposure(UNIT) <= exposure(HUB_UNIT)


def test_nothing_starts_a_bridge_but_who_says_so() -> None:
    text = UNIT.read_text(encoding="utf-8")
    assert "WantedBy=multi-user.target" in text
    assert "hubbridge" not in HUB_UNIT.read_text(encoding="utf-8")
    enabled = [name for name in (ROOT / "systemd").iterdir() if name.suffix == ".preset"]
    assert enabled == []
    script = (ROOT / "systemd/install.sh").read_text(encoding="utf-8")
    assert re.findall(r"enable[^\n]*hubbridge", script) == []


def commands() -> list[str]:
    """What an operator types, as the page has it."""
    text = (ROOT / "docs/bridge.md").read_text(encoding="utf-8")
    part = text.split("## Running one")[1].split("\n## ")[0]
    return re.findall(r"^ {4,}([a-z].*)$", part, re.M)


def test_the_page_brings_a_bridge_to_a_start(tmp_path: Path) -> None:
    """Each line is run as it stands, but for sudo, the folders of the machine, and systemd."""
    sites.init(tmp_path / "acme", site="acme")
    etc = tmp_path / "etc"
    for folder in ("hubbridge", "credstore"):
        (etc / folder).mkdir(parents=True)
    typed = commands()
    made = [line for line in typed if line.startswith("hubsim ")]
    placed = [line for line in typed if line.startswith("sudo install ")]
    assert (len(made), len(placed)) == (1, 2)
    words = made[0].removeprefix("hubsim ").replace("--at acme", f"--at {tmp_path}/acme")
    words = words.replace("--export bridge-1", f"--export {tmp_path}/bridge-1")
    result = CliRunner().invoke(hubsim, words.split())
    assert result.exit_code == 0, result.output
    for line in placed:
        assert line in result.output
        done = line.removeprefix("sudo ").replace(" /etc/", f" {etc}/")
        subprocess.run(["sh", "-c", done], cwd=tmp_path, check=True)
    assert {path.name for path in (etc / "credstore").iterdir()} == {
        "hubbridge.tls_key",
        "hubbridge.testimony_key",
        "hubbridge.orders_key",
    }
    for path in etc.rglob("*"):
        if path.is_file():
            is_secret = path.parent.name == "credstore"
            assert stat.S_IMODE(path.stat().st_mode) == (0o600 if is_secret else 0o644)
            assert (b"PRIVATE KEY" in path.read_bytes()) is is_secret
    assert load(etc / "hubbridge/hubbridge.toml").records == "/var/lib/hubbridge/bridge.db"
    handed = tmp_path / "handed"
    handed.mkdir()
    for path in (etc / "credstore").iterdir():  # as LoadCredential= of the unit does
        shutil.copy(path, handed / path.name.removeprefix("hubbridge."))
    check = next(line for line in typed if line.endswith("--check-config"))
    assert check.startswith("sudo /opt/hubd/bin/hubbridge ")
    argv = [sys.executable, "-P", "-m", "hubbridge", "--config", etc / "hubbridge/hubbridge.toml"]
    done = subprocess.run(
        [*argv, "--check-config"],
        env={"CREDENTIALS_DIRECTORY": str(handed)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "spiffe://acme/bridge/bridge-1" in done.stdout
    again = CliRunner().invoke(hubsim, words.split())
    assert again.exit_code != 0
    assert "holds something already" in f"{again.output}{again.exception}"


def test_two_bridges_of_a_site_have_its_one_key_for_orders(tmp_path: Path) -> None:
    """hubsim.bridge.files, law 2; each bears witness by a key of its own"""
    site = sites.init(tmp_path / "acme", site="acme")
    first, second = (make_bridge(site, name) for name in ("bridge-1", "bridge-2"))
    assert (first / ORDERS_KEY).read_bytes() == (second / ORDERS_KEY).read_bytes()
    assert (first / TESTIMONY_KEY).read_bytes() != (second / TESTIMONY_KEY).read_bytes()
    mandates = [
        prove_mandate((one / "orders.mandate").read_bytes(), "acme", site.verifier)
        for one in (first, second)
    ]
    assert mandates[0].key == mandates[1].key == key_in(first / ORDERS_KEY).verify_key


def test_the_unit_hands_over_each_key_that_the_configuration_may_name() -> None:
    handed = re.findall(r"^LoadCredential=(\w+):hubbridge\.(\w+)$", UNIT.read_text(), re.M)
    assert {name for name, file in handed if name == file} == {
        "tls_key",
        "testimony_key",
        "orders_key",
    }
    sample = (ROOT / "config/hubbridge.toml").read_text(encoding="utf-8")
    assert set(re.findall(r"credential:([a-z_]+)", sample)) == {name for name, _ in handed}
